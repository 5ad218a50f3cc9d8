#pragma once

#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <new>
#include <stdexcept>
#include <string>
#include <string_view>

#include "core/memory_failure.h"
#include "sd/core/error.h"

namespace sd {

inline OutOfMemory out_of_memory(std::string_view stage, std::string_view details) {
  return OutOfMemory(
      fmt::format("{}: out of memory{}{}", stage, details.empty() ? "" : ": ", details));
}

/// Of what LibTorch's allocator for GPUs says, how much was asked for and how much there is; the
/// rest speaks of the allocator's own settings.
inline OutOfMemory out_of_gpu_memory(std::string_view stage, std::string_view details) {
  const auto said = details.substr(0, details.find(" Including non-PyTorch memory"));
  return OutOfMemory(fmt::format(
      "{}: out of GPU memory: {}\nLess is needed with --dtype f16, a smaller --H and --W, and "
      "--n_samples 1; or draw with --device cpu.",
      stage, said));
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
  } catch (const c10::OutOfMemoryError& error) {  // the allocator for GPUs throws it
    throw out_of_gpu_memory(stage, error.what_without_backtrace());
  } catch (const c10::Error& error) {
    const std::string message = error.what_without_backtrace();
    // The CPU allocator reports a failed allocation as a plain error.
    if (tells_of_memory(message)) throw out_of_memory(stage, message);
    throw Error(fmt::format("{}: {}", stage, message));
  } catch (const std::length_error& error) {
    throw out_of_memory(stage, error.what());
  } catch (const std::exception& error) {
    // oneDNN's own: where it lacks memory for a kernel it says which object it could not make.
    if (tells_of_memory(error.what())) throw out_of_memory(stage, error.what());
    throw;
  }
}

}  // namespace sd
