#pragma once

namespace sd::cli {

/// Ends the program with exit code 6, and says how much memory is needed, where memory is lacking
/// and no exception can be caught: in a thread of LibTorch, while libraries are set up, and in
/// libgomp, which calls exit. Without it the program would end by abort or with the library's exit
/// code. Stands in main while the program works. One at a time.
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
