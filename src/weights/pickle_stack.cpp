#include "weights/pickle_stack.h"

#include <fmt/format.h>

#include "sd/core/error.h"
#include "weights/pickle_machine.h"

namespace sd::pickle {

void Stack::fail(std::string_view message) const {
  throw CheckpointError(fmt::format("{}: damaged or unsafe pickle: {}", label_, message));
}

Id Stack::make(Value value) {
  if (document_.values.size() >= kMaxValues) {
    fail(fmt::format("more than {} values, a checkpoint has far fewer", kMaxValues));
  }
  document_.values.push_back(std::move(value));
  return static_cast<Id>(document_.values.size() - 1);
}

void Stack::push_id(Id id) {
  if (stack_.size() >= kMaxValues)
    fail(fmt::format("more than {} values on its stack", kMaxValues));
  stack_.push_back(id);
}

Id Stack::top() const {
  if (stack_.size() <= floor()) fail("it takes from an empty stack");
  return stack_.back();
}

Id Stack::pop() {
  const Id id = top();
  stack_.pop_back();
  return id;
}

void Stack::mark() {
  if (marks_.size() >= kMaxDepth) fail(fmt::format("nested more than {} levels deep", kMaxDepth));
  marks_.push_back(stack_.size());
}

std::vector<Id> Stack::pop_to_mark() {
  if (marks_.empty()) fail("it has no mark on its stack");
  const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  std::vector<Id> items(begin, stack_.end());
  stack_.erase(begin, stack_.end());
  marks_.pop_back();
  return items;
}

void Stack::drop() {
  if (!marks_.empty() && stack_.size() == floor()) {
    marks_.pop_back();
  } else {
    pop();
  }
}

void Stack::memoize(std::size_t index) {
  if (index >= kMaxValues)
    fail(fmt::format("memo entry {}, at most {} are kept", index, kMaxValues));
  if (index >= memo_.size()) memo_.resize(index + 1, kNothing);
  memo_[index] = top();
}

Id Stack::recall(std::size_t index) const {
  if (index >= memo_.size() || memo_[index] == kNothing)
    fail(fmt::format("memo entry {} was never set", index));
  return memo_[index];
}

void Stack::charge(std::size_t count) {
  charged_ += count;
  if (charged_ > kMaxValues) fail(fmt::format("more than {} dictionary entries", kMaxValues));
}

void Stack::note_foreign(std::string_view module, std::string_view name) {
  foreign_.insert(fmt::format("{}.{}", module, name));
  if (foreign_.size() > kMaxForeign)
    fail(fmt::format("more than {} classes that are not known", kMaxForeign));
}

Document Stack::finish() {
  document_.root = pop();
  document_.foreign.assign(foreign_.begin(), foreign_.end());
  return std::move(document_);
}

}  // namespace sd::pickle
