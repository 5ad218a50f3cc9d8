#include "sd/text/emphasis.h"

#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

#include "text/whole_word.h"

namespace sd {
namespace {

constexpr double kStep = 1.1;  // of one pair of brackets

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

class EmphasisParser {
 public:
  explicit EmphasisParser(std::string_view prompt) : prompt_(prompt) {}

  std::vector<WeightedText> parse() {
    while (at_ < prompt_.size()) step();
    // What was never closed holds to the end.
    while (!round_.empty()) close(round_, kStep);
    while (!square_.empty()) close(square_, 1 / kStep);
    return merged();
  }

 private:
  void step() {
    const char c = prompt_[at_];
    if (c == '\\') return escape();
    if (c == '(') return open(round_);
    if (c == '[') return open(square_);
    if (c == ')' && !round_.empty()) return close_and_go_on(round_, kStep);
    if (c == ']' && !square_.empty()) return close_and_go_on(square_, 1 / kStep);
    if (c == ':') {
      if (const auto weight = weight_here(); weight && !round_.empty()) {
        close(round_, weight->value);
        at_ = weight->end;
        return;
      }
    }
    text();
  }

  /// A bracket or a backslash behind a backslash is meant literally; another backslash is nothing.
  void escape() {
    ++at_;
    if (at_ < prompt_.size() &&
        std::string_view("()[]\\").find(prompt_[at_]) != std::string_view::npos) {
      put_byte();
    }
  }

  void open(std::vector<std::size_t>& brackets) {
    brackets.push_back(stretches_.size());
    ++at_;
    fresh_ = true;
  }

  void close(std::vector<std::size_t>& brackets, double factor) {
    for (std::size_t i = brackets.back(); i < stretches_.size(); ++i)
      stretches_[i].weight *= factor;
    brackets.pop_back();
    fresh_ = true;
  }

  void close_and_go_on(std::vector<std::size_t>& brackets, double factor) {
    close(brackets, factor);
    ++at_;
  }

  struct Weight {
    double value;
    std::size_t end;  // behind the bracket
  };

  /// ":1.3)" at this place.
  std::optional<Weight> weight_here() const {
    std::size_t begin = at_ + 1;
    while (begin < prompt_.size() && is_space(prompt_[begin])) ++begin;
    std::size_t end = begin;
    if (end < prompt_.size() && (prompt_[end] == '+' || prompt_[end] == '-')) ++end;
    while (end < prompt_.size() &&
           (prompt_[end] == '.' || (prompt_[end] >= '0' && prompt_[end] <= '9'))) {
      ++end;
    }
    std::size_t bracket = end;
    while (bracket < prompt_.size() && is_space(prompt_[bracket])) ++bracket;
    if (bracket >= prompt_.size() || prompt_[bracket] != ')') return std::nullopt;
    if (begin < end && prompt_[begin] == '+') ++begin;  // from_chars knows no plus sign
    double value = 0;
    const char* const last = prompt_.data() + end;
    const auto [stopped, error] = std::from_chars(prompt_.data() + begin, last, value);
    if (error != std::errc() || stopped != last || !std::isfinite(value)) return std::nullopt;
    return Weight{value, bracket + 1};
  }

  void text() {
    if (begins_break()) {
      stretches_.push_back({"", 1, true, {}});
      fresh_ = true;
      at_ += kBreakWord.size();
      return;
    }
    put_byte();
  }

  /// BREAK as a word of its own; the spaces around it go with it.
  bool begins_break() const {
    return prompt_.substr(at_).starts_with(kBreakWord) &&
           is_whole_word(prompt_, at_, kBreakWord.size());
  }

  void put_byte() {
    if (fresh_ || stretches_.empty()) stretches_.push_back({});
    fresh_ = false;
    stretches_.back().text += prompt_[at_];
    stretches_.back().origin.push_back(at_);
    ++at_;
  }

  /// Neighbours of equal weight as one; spaces beside a BREAK gone.
  std::vector<WeightedText> merged() {
    std::vector<WeightedText> result;
    for (auto& stretch : stretches_) {
      if (stretch.break_here) {
        trim_end(result);
        result.push_back(std::move(stretch));
        continue;
      }
      if (!result.empty() && result.back().break_here) trim_begin(stretch);
      if (stretch.text.empty()) continue;
      if (!result.empty() && !result.back().break_here && result.back().weight == stretch.weight) {
        auto& last = result.back();
        last.text += stretch.text;
        last.origin.insert(last.origin.end(), stretch.origin.begin(), stretch.origin.end());
      } else {
        result.push_back(std::move(stretch));
      }
    }
    if (result.empty()) result.push_back({});
    for (auto& stretch : result) {
      stretch.origin.push_back(stretch.origin.empty() ? prompt_.size() : stretch.origin.back() + 1);
    }
    return result;
  }

  static void trim_end(std::vector<WeightedText>& stretches) {
    if (stretches.empty() || stretches.back().break_here) return;
    auto& last = stretches.back();
    while (!last.text.empty() && is_space(last.text.back())) {
      last.text.pop_back();
      last.origin.pop_back();
    }
    if (last.text.empty()) stretches.pop_back();
  }

  static void trim_begin(WeightedText& stretch) {
    std::size_t spaces = 0;
    while (spaces < stretch.text.size() && is_space(stretch.text[spaces])) ++spaces;
    stretch.text.erase(0, spaces);
    stretch.origin.erase(stretch.origin.begin(),
                         stretch.origin.begin() + static_cast<std::ptrdiff_t>(spaces));
  }

  std::string_view prompt_;
  std::size_t at_ = 0;
  bool fresh_ = true;  // the next byte begins a stretch of its own
  std::vector<WeightedText> stretches_;
  std::vector<std::size_t> round_, square_;  // where the stretches inside open brackets begin
};

}  // namespace

std::vector<WeightedText> parse_emphasis(std::string_view prompt) {
  return EmphasisParser(prompt).parse();
}

std::string plain_text(const std::vector<WeightedText>& stretches) {
  std::string text;
  for (const auto& stretch : stretches) text += stretch.break_here ? " " : stretch.text;
  return text;
}

}  // namespace sd
