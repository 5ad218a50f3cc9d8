#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "cli/options/attn_lists.h"
#include "cli/options/choices.h"
#include "cli/options/draw_options.h"
#include "sd/image/infotext.h"

namespace sd::cli {

/// An inclusive range, stated in help and errors.
template <typename Number>
struct Range {
  Number least;
  Number most;
};

/// `text` as a number of `range`; throws UsageError, beginning with `option`.
int64_t parse_whole(const std::string& option, const std::string& text, Range<int64_t> range);
double parse_real(const std::string& option, const std::string& text, Range<double> range);

/// Throws UsageError: "--vae: the path is empty".
[[noreturn]] void throw_empty_path(const std::string& option);

/// "--dtype: 'fp16' is none of auto, f32, bf16, f16" and what may have been meant. Throws
/// UsageError.
[[noreturn]] void reject_word(const std::string& option, const std::string& word,
                              const std::vector<std::string>& known);

/// "{auto,cpu}": a value that is one of `words`, as help, completion and settings read it.
std::string words_type(const std::vector<std::string>& words);

/// The name of a file without its folders, or null.
nlohmann::ordered_json file_name(const std::optional<std::filesystem::path>& path);

/// What an option takes, where it goes, and how metadata tell of it.
struct OptionValue {
  using Json = nlohmann::ordered_json;

  std::string type;  // as help shows it: "N", "FILE", "{f32,bf16}"; empty: a flag
  bool repeated = false;
  /// Reads one value; errors begin with `option`. Throws UsageError. Empty for a flag.
  std::function<void(DrawOptions&, const std::string& option, const std::string& text)> read = {};
  /// Where a flag goes, or the count of one that may be given again.
  std::function<bool&(DrawOptions&)> flag = {};
  std::function<int&(DrawOptions&)> count = {};
  /// What is taken where nothing is given, as help shows it; empty: help shows nothing.
  std::function<std::string(const DrawOptions&)> preset = {};
  std::function<Json(const DrawOptions&)> tell = {};
  /// Whether the field holds something: is true, not empty, not absent, not its own default.
  std::function<bool(const DrawOptions&)> is_set = {};
  /// The files that a value names, where it is more than a path; of an input file's option the last
  /// is the one whose hash is kept. Throws UsageError as `read`.
  std::function<std::vector<std::string>(const std::string& text)> files = {};
};

// Each makes the value of an option that fills `field`: a member of DrawOptions, or of one of its
// members (`in`).

/// field of a member of DrawOptions: in(&DrawOptions::input, &PictureInput::strength).
template <typename Outer, typename Part, typename Inner, typename Field>
auto in(Part Outer::*part, Field Inner::*field) {
  return [ part, field ](auto& options) -> auto& { return (options.*part).*field; };
}

namespace values {

template <typename Value>
struct Plain {
  using type = Value;
  static constexpr bool optional = false;
};
template <typename Value>
struct Plain<std::optional<Value>> {
  using type = Value;
  static constexpr bool optional = true;
};
template <typename Get>
using FieldOf = std::remove_cvref_t<std::invoke_result_t<Get, DrawOptions&>>;

/// A number, or null where there is none.
template <typename Value>
nlohmann::ordered_json json_of(const Value& value) {
  if constexpr (Plain<Value>::optional) {
    return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json();
  } else {
    return value;
  }
}

/// Whether `field` of options holds something.
template <typename Get>
auto set_in(Get field) {
  return [field](const DrawOptions& options) {
    using Field = FieldOf<Get>;
    const Field& value = std::invoke(field, options);
    if constexpr (Plain<Field>::optional) {
      return value.has_value();
    } else if constexpr (requires { value.empty(); }) {
      return !value.empty();
    } else {
      static const DrawOptions untouched;
      return !(value == std::invoke(field, untouched));
    }
  };
}

}  // namespace values

template <typename Get>
OptionValue flag(Get field) {
  return {.type = {},
          .flag = [field](DrawOptions& options) -> bool& { return std::invoke(field, options); },
          .tell = [field](const DrawOptions& options) { return std::invoke(field, options); },
          .is_set = values::set_in(field)};
}

/// A whole number; the field may be optional.
template <typename Get>
OptionValue whole(Get field, Range<int64_t> range) {
  using Field = values::FieldOf<Get>;
  OptionValue value{.type = "N"};
  value.read = [field, range](DrawOptions& options, const std::string& option,
                              const std::string& text) {
    std::invoke(field, options) = parse_whole(option, text, range);
  };
  if constexpr (!values::Plain<Field>::optional) {
    value.preset = [field](const DrawOptions& options) {
      return std::to_string(std::invoke(field, options));
    };
  }
  value.tell = [field](const DrawOptions& options) {
    return values::json_of<Field>(std::invoke(field, options));
  };
  value.is_set = values::set_in(field);
  return value;
}

/// A finite number; the field may be optional.
template <typename Get>
OptionValue number(Get field, Range<double> range) {
  using Field = values::FieldOf<Get>;
  OptionValue value{.type = "X"};
  value.read = [field, range](DrawOptions& options, const std::string& option,
                              const std::string& text) {
    std::invoke(field, options) = parse_real(option, text, range);
  };
  if constexpr (!values::Plain<Field>::optional) {
    value.preset = [field](const DrawOptions& options) {
      return number_text(std::invoke(field, options));
    };
  }
  value.tell = [field](const DrawOptions& options) {
    return values::json_of<Field>(std::invoke(field, options));
  };
  value.is_set = values::set_in(field);
  return value;
}

/// Any text.
template <typename Get>
OptionValue text(Get field, std::string type = "TEXT") {
  OptionValue value{.type = std::move(type)};
  value.read = [field](DrawOptions& options, const std::string&, const std::string& text) {
    std::invoke(field, options) = text;
  };
  value.tell = [field](const DrawOptions& options) {
    return values::json_of(std::invoke(field, options));
  };
  value.is_set = values::set_in(field);
  return value;
}

/// A path, of which metadata tell the last part.
template <typename Get>
OptionValue path(Get field, std::string type) {
  OptionValue value{.type = std::move(type)};
  value.read = [field](DrawOptions& options, const std::string& option, const std::string& text) {
    if (text.empty()) throw_empty_path(option);
    std::invoke(field, options) = text;
  };
  value.tell = [field](const DrawOptions& options) {
    return file_name(std::invoke(field, options));
  };
  value.is_set = values::set_in(field);
  return value;
}

/// One of some words. `shown`: those that help lists, where it does not list all.
template <typename Get, typename Value>
OptionValue choice(Get field, Choices<Value> choices, std::vector<std::string> shown = {}) {
  using Field = values::FieldOf<Get>;
  std::vector<std::string> words;
  for (const auto& known : choices) words.push_back(known.first);
  OptionValue value{.type = words_type(shown.empty() ? words : shown)};
  value.read = [field, choices, words](DrawOptions& options, const std::string& option,
                                       const std::string& text) {
    for (const auto& [word, meaning] : choices) {
      if (word != text) continue;
      std::invoke(field, options) = meaning;
      return;
    }
    reject_word(option, text, words);
  };
  const auto word_of = [field, choices](const DrawOptions& options) -> std::string {
    for (const auto& [word, meaning] : choices) {
      if (meaning == std::invoke(field, options)) return word;
    }
    return {};
  };
  if constexpr (!values::Plain<Field>::optional) value.preset = word_of;
  value.tell = [word_of](const DrawOptions& options) {
    const auto word = word_of(options);
    return word.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(word);
  };
  value.is_set = values::set_in(field);
  return value;
}

/// Whatever `read` makes of its text.
OptionValue parsed(
    std::string type,
    std::function<void(DrawOptions&, const std::string& option, const std::string& text)> read);

/// The same for an option that may be given again: `read` gets one value after the other.
OptionValue repeated(
    std::string type,
    std::function<void(DrawOptions&, const std::string& option, const std::string& text)> read);

/// Texts, one each time that the option is given.
template <typename Get>
OptionValue texts(Get field, std::string type) {
  auto value = repeated(std::move(type),
                        [field](DrawOptions& options, const std::string&, const std::string& text) {
                          std::invoke(field, options).push_back(text);
                        });
  value.tell = [field](const DrawOptions& options) {
    return nlohmann::ordered_json(std::invoke(field, options));
  };
  value.is_set = values::set_in(field);
  return value;
}

/// Part of the steps, "0:0.8"; the field may be optional.
template <typename Get>
OptionValue steps(Get field, bool may_be_empty) {
  auto value = parsed("A:B", [field, may_be_empty](DrawOptions& options, const std::string& option,
                                                   const std::string& text) {
    std::invoke(field, options) = parse_steps(option, text, may_be_empty);
  });
  if constexpr (values::Plain<values::FieldOf<Get>>::optional) {
    value.is_set = values::set_in(field);
  }
  return value;
}

/// [begin, end] in fractions of the steps.
nlohmann::ordered_json steps_json(const AttnSteps& steps);

/// Items between commas, which `parse` reads: parse(option, text).
template <typename Get, typename Parse>
OptionValue list(Get field, Parse parse, std::string type = "LIST") {
  auto value = parsed(
      std::move(type),
      [field, parse](DrawOptions& options, const std::string& option, const std::string& text) {
        std::invoke(field, options) = parse(option, text);
      });
  value.tell = [field](const DrawOptions& options) {
    return values::json_of(std::invoke(field, options));
  };
  value.is_set = values::set_in(field);
  return value;
}

}  // namespace sd::cli
