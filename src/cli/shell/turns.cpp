#include "cli/shell/turns.h"

#include <exception>
#include <system_error>
#include <thread>
#include <utility>

namespace sd::cli {

std::optional<std::size_t> Turns::begin() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return stopped_ || begun_ == units_ || begun_ < due_ + ahead_; });
  if (stopped_ || begun_ == units_) return std::nullopt;
  return begun_++;
}

bool Turns::is_due(std::size_t unit) const {
  const std::lock_guard lock(mutex_);
  return !stopped_ && due_ == unit;
}

bool Turns::wait(std::size_t unit) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return stopped_ || due_ == unit; });
  return !stopped_;
}

void Turns::pass() {
  const std::lock_guard lock(mutex_);
  ++due_;
  changed_.notify_all();
}

void Turns::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  changed_.notify_all();
}

bool Turn::is_due() {
  if (!turns_.is_due(unit_)) return false;
  tell_kept();
  return true;
}

void Turn::tell(std::function<void()> act) {
  if (is_due()) {
    act();
  } else {
    kept_.push_back(std::move(act));
  }
}

bool Turn::take() {
  if (turns_.wait(unit_)) {
    tell_kept();
    return true;
  }
  kept_.clear();
  return false;
}

void Turn::tell_kept() {
  // None is left where one throws: they may be of what then is gone.
  for (const auto& act : std::exchange(kept_, {})) act();
}

void side_by_side(std::size_t workers, Turns& turns, const std::function<void(std::size_t)>& work) {
  std::vector<std::exception_ptr> failures(workers);
  const auto guarded = [&](std::size_t worker) {
    try {
      work(worker);
    } catch (...) {
      failures[worker] = std::current_exception();
      turns.stop();
    }
  };
  {
    std::vector<std::jthread> threads;  // joined where this scope ends
    try {
      for (std::size_t i = 1; i < workers; ++i) threads.emplace_back(guarded, i);
    } catch (const std::system_error&) {
      // These are as many as there can be.
    }
    guarded(0);
  }
  for (const auto& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

}  // namespace sd::cli
