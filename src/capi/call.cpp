#include "capi/call.h"

#include <fmt/format.h>

#include <exception>
#include <new>

#include "core/memory_failure.h"

namespace sd::capi {
namespace {

thread_local std::string kept_text;
thread_local const char* shown_text = "";  // kept_text's, or what needs no memory

int keep(ExitCode code, const char* text) noexcept {
  try {
    kept_text = text;
    shown_text = kept_text.c_str();
  } catch (const std::bad_alloc&) {
    shown_text = "out of memory";
  }
  return static_cast<int>(code);
}

}  // namespace

const char* error_text() noexcept { return shown_text; }

int keep_current_error() noexcept {
  try {
    throw;
  } catch (const Error& error) {
    return keep(error.code(), error.what());
  } catch (const std::bad_alloc&) {
    return keep(ExitCode::kMemory, "out of memory");
  } catch (const std::exception& error) {
    return keep(tells_of_memory(error.what()) ? ExitCode::kMemory : ExitCode::kFailed,
                error.what());
  } catch (...) {
    return keep(ExitCode::kFailed, "something that is no std::exception was thrown");
  }
}

void require(const void* argument, const char* name) {
  if (argument == nullptr) throw UsageError(fmt::format("{} is NULL", name));
}

void require_size(std::size_t found, std::size_t known, const char* name) {
  if (found == known) return;
  throw UsageError(fmt::format(
      "{0}.struct_size is {1}, and sd {2} knows {3} bytes of it\n"
      "Begin with its SD_…_INIT, and compile with the sd/sd.h of the library that is used.",
      name, found, SD_VERSION, known));
}

}  // namespace sd::capi
