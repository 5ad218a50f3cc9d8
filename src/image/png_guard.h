#pragma once

#include <png.h>

#include <csetjmp>

namespace sd {

/// Runs `body`, which calls libpng; false if libpng reported an error, which its error function has
/// noted then. libpng leaves through longjmp, so `body` must not own anything: no local with a
/// destructor. Never inlined, since the frame of setjmp must not share variables with the caller's.
template <typename Body>
[[gnu::noinline]] bool guarded(png_structp png, const Body& body) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  body();
  return true;
}

}  // namespace sd
