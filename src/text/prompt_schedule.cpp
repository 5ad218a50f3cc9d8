#include "sd/text/prompt_schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "sd/core/error.h"

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

/// Where "AND" stands as a word of its own, from `from` on.
std::size_t find_and(std::string_view prompt, std::size_t from) {
  constexpr std::string_view kAnd = "AND";
  const auto is_word = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
           (c & 0x80) != 0;
  };
  for (auto i = prompt.find(kAnd, from); i != prompt.npos; i = prompt.find(kAnd, i + 1)) {
    const auto end = i + kAnd.size();
    if ((i == 0 || !is_word(prompt[i - 1])) && (end == prompt.size() || !is_word(prompt[end]))) return i;
  }
  return prompt.npos;
}

/// Takes ":1.2" off the end of a part, if it is there.
double take_weight(SourcedText& part) {
  const auto colon = part.text.rfind(':');
  if (colon == std::string::npos) return 1;
  std::size_t begin = colon + 1;
  while (begin < part.text.size() && is_space(part.text[begin])) ++begin;
  if (begin < part.text.size() && part.text[begin] == '+') ++begin;
  double weight = 0;
  const char* const last = part.text.data() + part.text.size();
  if (part.text.find_first_not_of("-.0123456789", begin) != std::string::npos) return 1;
  const auto [end, error] = std::from_chars(part.text.data() + begin, last, weight);
  if (error != std::errc() || end != last) return 1;
  std::size_t length = colon;
  while (length > 0 && is_space(part.text[length - 1])) --length;
  part.text.resize(length);
  part.origin.resize(length);
  return weight;
}

struct Choice {
  std::size_t begin = 0, end = 0;  // of the braces, the closing one included
  std::vector<std::string> options;
};

/// The first "{a|b}" from `from` on.
std::optional<Choice> find_choice(std::string_view prompt, std::size_t from) {
  for (auto open = prompt.find('{', from); open != prompt.npos; open = prompt.find('{', open + 1)) {
    const auto close = prompt.find_first_of("{}", open + 1);
    if (close == prompt.npos) return std::nullopt;
    if (prompt[close] == '{') continue;  // the inner braces are the choice
    Choice choice{open, close + 1, {}};
    std::size_t begin = open + 1;
    for (auto bar = prompt.find('|', begin); bar < close; bar = prompt.find('|', begin)) {
      choice.options.emplace_back(prompt.substr(begin, bar - begin));
      begin = bar + 1;
    }
    if (choice.options.empty()) continue;
    choice.options.emplace_back(prompt.substr(begin, close - begin));
    return choice;
  }
  return std::nullopt;
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

std::vector<ComposedPrompt> split_composition(std::string_view prompt) {
  std::vector<ComposedPrompt> parts;
  std::size_t begin = 0;
  while (true) {
    const auto end = find_and(prompt, begin);
    // A single prompt keeps its spaces and its colon.
    if (parts.empty() && end == prompt.npos) return {{part_of(prompt, {0, prompt.size()}), 1}};
    auto part = trimmed_part(prompt, {begin, std::min(end, prompt.size())});
    const double weight = take_weight(part);
    parts.push_back({std::move(part), weight});
    if (end == prompt.npos) return parts;
    begin = end + 3;
  }
}

std::vector<std::string> expand_choices(std::string_view prompt, std::size_t most) {
  std::vector<std::string> open = {std::string(prompt)}, done;
  // Depth first from the left, so that the last choice changes first.
  while (!open.empty()) {
    if (open.size() + done.size() > most) {
      throw UsageError(fmt::format("the prompt has more than {} combinations", most));
    }
    const auto text = std::move(open.back());
    open.pop_back();
    const auto choice = find_choice(text, 0);
    if (!choice) {
      // Nested choices reach a text in more than one way.
      if (std::find(done.begin(), done.end(), text) == done.end()) done.push_back(text);
      continue;
    }
    for (auto option = choice->options.rbegin(); option != choice->options.rend(); ++option) {
      open.push_back(text.substr(0, choice->begin) + *option + text.substr(choice->end));
    }
  }
  return done;
}

}  // namespace sd
