#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "sd/core/error.h"

namespace sd::capi {

/// What sd_error says in this thread.
const char* error_text() noexcept;

/// Keeps the exception that is being handled as this thread's error. Returns its code.
int keep_current_error() noexcept;

/// Runs `work` as the body of a function of the C interface: nothing is thrown out of it.
template <typename Work>
int call(Work&& work) noexcept {
  try {
    std::forward<Work>(work)();
    return static_cast<int>(ExitCode::kDone);
  } catch (...) {
    return keep_current_error();
  }
}

/// Throws UsageError, naming it, if an argument is NULL.
void require(const void* argument, const char* name);

/// Throws UsageError, naming both sizes, unless a struct is of this library's version.
void require_size(std::size_t found, std::size_t known, const char* name);

/// Options that are there and of this version.
template <typename Options>
const Options& checked(const Options* options, const char* name) {
  require(options, name);
  require_size(options->struct_size, sizeof(Options), name);
  return *options;
}

/// A string that must be there.
inline std::string text_of(const char* text, const char* name) {
  require(text, name);
  return text;
}

}  // namespace sd::capi
