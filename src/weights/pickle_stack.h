#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weights/pickle_value.h"

namespace sd::pickle {

/// The values that a pickle has made so far, with the stack, marks and memo of Python's unpickler.
/// Every operation keeps within the limits of pickle_machine.h and throws CheckpointError
/// otherwise.
class Stack {
 public:
  explicit Stack(std::string label) : label_(std::move(label)) {}

  /// Throws CheckpointError "<label>: damaged or unsafe pickle: <message>".
  [[noreturn]] void fail(std::string_view message) const;
  const std::string& label() const { return label_; }

  /// A new value that nothing refers to yet.
  Id make(Value value);
  /// The value of `id` if it is a T, else null; valid until the next value is made.
  template <typename T>
  T* get(Id id) {
    return std::get_if<T>(&document_.values[id]);
  }

  void push_id(Id id);
  void push(Value value) { push_id(make(std::move(value))); }
  Id top() const;
  Id pop();

  void mark();
  /// What was pushed since the last mark, which goes too.
  std::vector<Id> pop_to_mark();
  /// POP: drops a value, or the last mark where nothing lies above it.
  void drop();

  void memoize(std::size_t index);
  void memoize_next() { memoize(memo_.size()); }
  Id recall(std::size_t index) const;

  /// Counts `count` dictionary entries that were made at once; one list may be copied again and
  /// again.
  void charge(std::size_t count);

  /// Notes a name that is not known, once. At most kMaxForeign are.
  void note_foreign(std::string_view module, std::string_view name);

  /// The finished document, whose root is the topmost value.
  Document finish();

 private:
  static constexpr Id kNothing = ~Id{0};

  // What lies below the last mark is out of reach.
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  std::string label_;
  Document document_;
  std::vector<Id> stack_;
  std::vector<std::size_t> marks_;
  std::vector<Id> memo_;
  std::size_t charged_ = 0;
  std::set<std::string> foreign_;
};

}  // namespace sd::pickle
