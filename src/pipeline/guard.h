#pragma once

#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <new>
#include <string>
#include <string_view>

#include "sd/core/error.h"

namespace sd {

inline OutOfMemory out_of_memory(std::string_view stage, std::string_view details) {
  return OutOfMemory(
      fmt::format("{}: out of memory{}{}", stage, details.empty() ? "" : ": ", details));
}

/// Turns what LibTorch throws into our errors, so that nobody sees its C++ backtrace: lack of
/// memory becomes OutOfMemory, the rest an Error naming `stage`. Our own errors pass through.
template <typename Work>
auto guard_torch(std::string_view stage, Work work) {
  try {
    return work();
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw out_of_memory(stage, {});
  } catch (const c10::OutOfMemoryError& error) {
    throw out_of_memory(stage, error.what_without_backtrace());
  } catch (const c10::Error& error) {
    const std::string message = error.what_without_backtrace();
    // The CPU allocator reports a failed allocation as a plain error.
    if (message.find("not enough memory") != std::string::npos) throw out_of_memory(stage, message);
    throw Error(fmt::format("{}: {}", stage, message));
  }
}

}  // namespace sd
