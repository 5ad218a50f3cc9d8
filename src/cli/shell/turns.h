#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

namespace sd::cli {

/// Units of work, numbered from 0, that threads draw side by side and tell of one after the other,
/// in their order, so that files and words come as from one thread.
class Turns {
 public:
  /// No unit begins `ahead` or more behind the one whose turn it is: what was drawn early waits in
  /// memory.
  Turns(std::size_t units, std::size_t ahead) : units_(units), ahead_(ahead) {}

  /// The next unit that nobody has begun, once it may begin; nothing at the end, or if the work was
  /// stopped.
  std::optional<std::size_t> begin();
  bool is_due(std::size_t unit) const;
  /// Waits until it is the unit's turn; false if the work was stopped before.
  bool wait(std::size_t unit);
  /// All is told of the unit whose turn it is.
  void pass();
  /// Nothing further is begun or told of: a unit could not be drawn, and the others would not be.
  void stop();

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  const std::size_t units_, ahead_;
  std::size_t begun_ = 0;
  std::size_t due_ = 0;
  bool stopped_ = false;
};

/// One unit's, for the thread that draws it.
class Turn {
 public:
  Turn(Turns& turns, std::size_t unit) : turns_(turns), unit_(unit) {}
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  /// Whether what is told now is told at once; what was kept has been told then.
  bool is_due();
  /// Does what the unit writes or says: now if it is its turn, else when it comes.
  void tell(std::function<void()> act);
  /// Waits for the turn and tells what was kept; false if the work was stopped before, with nothing
  /// told.
  bool take();

 private:
  void tell_kept();

  Turns& turns_;
  const std::size_t unit_;
  std::vector<std::function<void()>> kept_;
};

/// Calls work(0) to work(workers - 1), which draw the units of `turns`, on a thread each, of which
/// this is one, and waits for all. What one throws stops the others; what the first of them threw
/// is thrown then. There may be fewer threads where the system has no more: what one does not take
/// the others do.
void side_by_side(std::size_t workers, Turns& turns, const std::function<void(std::size_t)>& work);

}  // namespace sd::cli
