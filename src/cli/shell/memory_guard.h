#pragma once

namespace sd::cli {

/// Stands in main while the program works, so that it does not end by abort or with a library's
/// exit code where memory is lacking and nobody could catch an exception: in a thread of LibTorch,
/// while libraries are set up, in libgomp, which calls exit. Then exit code 6 and what is needed.
/// One at a time.
class MemoryGuard {
 public:
  /// With `json` an error line goes to stdout too.
  explicit MemoryGuard(bool json);
  ~MemoryGuard();
  MemoryGuard(const MemoryGuard&) = delete;
  MemoryGuard& operator=(const MemoryGuard&) = delete;

  /// To be called once more after a library was opened: what is asked for last is called first at
  /// exit, and libraries' own clean-up must not come before.
  static void watch_exit();
};

}  // namespace sd::cli
