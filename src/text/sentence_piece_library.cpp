#include "text/sentence_piece_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include "core/memory_failure.h"
#include "sd/core/error.h"
#include "sd/core/own_library.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define SD_ADDRESS_SANITIZER  // clang's way of saying it
#endif
#endif

namespace sd {
namespace {

constexpr const char* kLibrary = "libsd_sentencepiece.so";
constexpr const char* kEntry = "sd_sentence_piece_v1";

// Local: nothing of it is seen by LibTorch. Deep: it sees its own symbols first, also where
// LibTorch was linked and so stands before it (both define FLAGS_minloglevel, as different things).
#if defined(__SANITIZE_ADDRESS__) || defined(SD_ADDRESS_SANITIZER)
constexpr int kFlags = RTLD_NOW | RTLD_LOCAL;  // the sanitizer refuses deep binding
#else
constexpr int kFlags = RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND;
#endif

[[noreturn]] void fail() {
  const char* reason = dlerror();
  if (reason != nullptr && tells_of_memory(reason)) {
    throw OutOfMemory(fmt::format("no memory for what reads SentencePiece models: {}", reason));
  }
  throw Error(fmt::format(
      "cannot open the part of the program that reads SentencePiece models: {}\n"
      "{} must lie beside the sd binary (or in ../lib/sd): build again, or install again.",
      reason == nullptr ? kLibrary : reason, kLibrary));
}

const SentencePieceModule& open_library() {
  void* library = dlopen(own_library_path(kLibrary).c_str(), kFlags);
  if (library == nullptr) fail();
  void* entry = dlsym(library, kEntry);
  if (entry == nullptr) fail();
  return *reinterpret_cast<decltype(&sd_sentence_piece_v1)>(entry)();
}

}  // namespace

const SentencePieceModule& sentence_piece_library() {
  static const SentencePieceModule& opened = open_library();
  return opened;
}

}  // namespace sd
