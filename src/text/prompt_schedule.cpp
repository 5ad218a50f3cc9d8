#include "sd/text/prompt_schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "sd/core/error.h"
#include "text/whole_word.h"

namespace sd {
namespace {

constexpr std::size_t kMaxDepth = 64;  // of brackets in brackets; deeper ones are text
constexpr std::size_t kNone = static_cast<std::size_t>(-1);

/// For every opening bracket the one that closes it; kNone where there is none.
std::vector<std::size_t> match_brackets(std::string_view prompt) {
  std::vector<std::size_t> partner(prompt.size(), kNone), open;
  for (std::size_t i = 0; i < prompt.size(); ++i) {
    const char c = prompt[i];
    if (c == '\\') {
      ++i;
    } else if (c == '(' || c == '[') {
      open.push_back(i);
    } else if (c == ')' || c == ']') {
      if (open.empty() || prompt[open.back()] != (c == ')' ? '(' : '[')) continue;
      if (open.size() <= kMaxDepth) partner[open.back()] = i;
      open.pop_back();
    }
  }
  return partner;
}

struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// The text of a prompt at one step; brackets that say nothing of steps are copied.
class StepText {
 public:
  StepText(std::string_view prompt, const std::vector<std::size_t>& partner, int64_t steps)
      : prompt_(prompt), partner_(partner), steps_(steps) {}

  SourcedText at(int64_t step) {
    step_ = step;
    result_ = {};
    write({0, prompt_.size()});
    return std::move(result_);
  }

 private:
  void put(std::size_t i) {
    result_.text += prompt_[i];
    result_.origin.push_back(i);
  }

  void write(Span span) {
    for (std::size_t i = span.begin; i < span.end; ++i) {
      if (prompt_[i] == '\\' && i + 1 < span.end) {
        put(i++);
        put(i);
      } else if (prompt_[i] == '[' && partner_[i] != kNone && write_steps({i + 1, partner_[i]})) {
        i = partner_[i];
      } else {
        put(i);  // the inside of other brackets is written as it comes
      }
    }
  }

  /// The inside of square brackets, if it is a schedule or an alternation.
  bool write_steps(Span inside) {
    if (const auto options = split(inside, '|'); options.size() > 1) {
      write(options[static_cast<std::size_t>(step_) % options.size()]);
      return true;
    }
    const auto parts = split(inside, ':');
    if (parts.size() != 2 && parts.size() != 3) return false;
    const auto when = steps_until(parts.back());
    if (!when) return false;
    const bool before = step_ < *when;
    if (parts.size() == 3) {
      write(parts[before ? 0 : 1]);
    } else if (!before) {
      write(parts[0]);
    }
    return true;
  }

  /// The pieces between separators that stand in no bracket of their own.
  std::vector<Span> split(Span span, char separator) const {
    std::vector<Span> pieces = {{span.begin, span.end}};
    for (std::size_t i = span.begin; i < span.end; ++i) {
      if (prompt_[i] == '\\') {
        ++i;
      } else if (partner_[i] != kNone) {
        i = partner_[i];
      } else if (prompt_[i] == separator) {
        pieces.back().end = i;
        pieces.push_back({i + 1, span.end});
      }
    }
    return pieces;
  }

  /// A number of steps, or with a decimal point a fraction of all.
  std::optional<int64_t> steps_until(Span span) const {
    auto text = prompt_.substr(span.begin, span.end - span.begin);
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
    if (text.empty() || text.find_first_not_of("0123456789.") != text.npos) return std::nullopt;
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    if (text.find('.') != text.npos) value *= static_cast<double>(steps_);
    return static_cast<int64_t>(std::min(value, static_cast<double>(steps_)));
  }

  std::string_view prompt_;
  const std::vector<std::size_t>& partner_;
  int64_t steps_;
  int64_t step_ = 0;
  SourcedText result_;
};

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

SourcedText part_of(std::string_view prompt, Span span) {
  SourcedText part{std::string(prompt.substr(span.begin, span.end - span.begin)), {}};
  for (std::size_t i = span.begin; i < span.end; ++i) part.origin.push_back(i);
  return part;
}

SourcedText trimmed_part(std::string_view prompt, Span span) {
  while (span.begin < span.end && is_space(prompt[span.begin])) ++span.begin;
  while (span.begin < span.end && is_space(prompt[span.end - 1])) --span.end;
  return part_of(prompt, span);
}

/// Takes ":1.2" off the end of a part, if it is there: a sign at most, then digits with a point at
/// most.
double take_weight(SourcedText& part) {
  const auto colon = part.text.rfind(':');
  if (colon == std::string::npos) return 1;
  std::size_t begin = colon + 1;
  while (begin < part.text.size() && is_space(part.text[begin])) ++begin;
  const auto digits =
      begin + (begin < part.text.size() && (part.text[begin] == '+' || part.text[begin] == '-'));
  if (part.text.find_first_not_of(".0123456789", digits) != std::string::npos) return 1;
  if (part.text[begin] == '+') ++begin;  // from_chars knows no plus sign
  double weight = 0;
  const char* const last = part.text.data() + part.text.size();
  const auto [end, error] = std::from_chars(part.text.data() + begin, last, weight);
  if (error != std::errc() || end != last) return 1;
  std::size_t length = colon;
  while (length > 0 && is_space(part.text[length - 1])) --length;
  part.text.resize(length);
  part.origin.resize(length);
  return weight;
}

}  // namespace

std::vector<ScheduledText> schedule_prompt(std::string_view prompt, int64_t steps) {
  if (steps < 1) throw UsageError(fmt::format("{} steps; expected at least one", steps));
  const auto partner = match_brackets(prompt);
  StepText text(prompt, partner, steps);
  std::vector<ScheduledText> changes;
  for (int64_t step = 0; step < steps; ++step) {
    auto now = text.at(step);
    if (changes.empty() || now != changes.back().prompt) changes.push_back({step, std::move(now)});
  }
  return changes;
}

SourcedText as_sourced(std::string_view prompt) { return part_of(prompt, {0, prompt.size()}); }

std::vector<ComposedPrompt> split_composition(std::string_view prompt) {
  std::vector<ComposedPrompt> parts;
  std::size_t begin = 0;
  while (true) {
    const auto end = find_whole_word(prompt, kComposingWord, begin);
    // A single prompt keeps its spaces and its colon.
    if (parts.empty() && end == prompt.npos) return {{as_sourced(prompt), 1}};
    auto part = trimmed_part(prompt, {begin, std::min(end, prompt.size())});
    const double weight = take_weight(part);
    parts.push_back({std::move(part), weight});
    if (end == prompt.npos) return parts;
    begin = end + kComposingWord.size();
  }
}

}  // namespace sd
