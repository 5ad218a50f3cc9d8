#include "cli/options/name_template.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <variant>

#include "cli/options/attn_words.h"
#include "cli/shell/text_output.h"
#include "sd/core/error.h"
#include "text/clusters.h"
#include "text/suggest.h"

namespace sd::cli {
namespace {

constexpr std::size_t kMostDigits = 20;     // of a number, its padding included
constexpr std::size_t kMostSafeBytes = 24;  // of a date, a sampler's name
constexpr std::size_t kMostCharacters = 100;
constexpr std::size_t kUncutBytes = 48;  // as in the names of swaps' grids
/// Of a name between two slashes; file systems take 255, endings and "-0001" come behind.
constexpr std::size_t kMostBytes = 230;

enum class FieldKind { kNumber, kText, kSafe };

struct Field {
  std::string_view name;
  FieldKind kind;
  std::variant<int64_t NameFields::*, uint64_t NameFields::*, std::string NameFields::*> value;
};

const std::vector<Field>& all_fields() {
  static const std::vector<Field> fields = {
      {"number", FieldKind::kNumber, &NameFields::number},
      {"index", FieldKind::kNumber, &NameFields::index},
      {"seed", FieldKind::kNumber, &NameFields::seed},
      {"prompt", FieldKind::kText, &NameFields::prompt},
      {"model", FieldKind::kText, &NameFields::model},
      {"sampler", FieldKind::kSafe, &NameFields::sampler},
      {"steps", FieldKind::kNumber, &NameFields::steps},
      {"scale", FieldKind::kSafe, &NameFields::scale},
      {"width", FieldKind::kNumber, &NameFields::width},
      {"height", FieldKind::kNumber, &NameFields::height},
      {"date", FieldKind::kSafe, &NameFields::date},
      {"time", FieldKind::kSafe, &NameFields::time},
      {"iteration", FieldKind::kNumber, &NameFields::iteration},
      {"sample", FieldKind::kNumber, &NameFields::sample},
      {"source", FieldKind::kText, &NameFields::source},
      {"target", FieldKind::kNumber, &NameFields::target}};
  return fields;
}

const Field& field_at(int field) { return all_fields()[static_cast<std::size_t>(field)]; }

bool is_field(int field, std::string_view name) {
  return field >= 0 && field_at(field).name == name;
}

std::vector<std::string> field_names() {
  std::vector<std::string> names;
  for (const auto& field : all_fields()) names.emplace_back(field.name);
  return names;
}

[[noreturn]] void fail(const std::string& message) { throw UsageError("--name: " + message); }

std::optional<std::size_t> parse_size(std::string_view text) {
  std::size_t size = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && text.size() <= 3 ? std::optional(size) : std::nullopt;
}

std::string number_of(const Field& field, const NameFields& fields, std::size_t zeros) {
  if (const auto* value = std::get_if<uint64_t NameFields::*>(&field.value)) {
    return fmt::format("{:0{}}", fields.**value, zeros);
  }
  return fmt::format("{:0{}}", fields.*std::get<int64_t NameFields::*>(field.value), zeros);
}

const std::string& text_of(const Field& field, const NameFields& fields) {
  return fields.*std::get<std::string NameFields::*>(field.value);
}

/// ", " between two words is one underscore.
std::string safe_text(std::string_view text, std::size_t characters, std::size_t room) {
  auto name = characters == 0 ? file_name_part(text, std::min(room, kUncutBytes))
                              : file_name_part(first_clusters(text, characters), room);
  const auto both = [](char a, char b) { return a == '_' && b == '_'; };
  name.erase(std::unique(name.begin(), name.end(), both), name.end());
  return name;
}

}  // namespace

NameTemplate::Piece NameTemplate::parse_field(std::string_view text) {
  const auto colon = text.find(':');
  const auto name = text.substr(0, colon);
  const auto& fields = all_fields();
  const auto found = std::find_if(fields.begin(), fields.end(),
                                  [&](const Field& field) { return field.name == name; });
  const auto names = field_names();
  if (found == fields.end()) {
    fail(fmt::format("there is no field '{{{}}}'{}\nFields: {}", name, did_you_mean(name, names),
                     fmt::join(names, ", ")));
  }
  Piece piece;
  piece.field = static_cast<int>(found - fields.begin());
  if (colon == std::string_view::npos) return piece;
  const auto format = text.substr(colon + 1);
  const auto size = parse_size(format);
  switch (found->kind) {
    case FieldKind::kNumber:
      if (!size || !format.starts_with('0') || *size < 1 || *size > kMostDigits) {
        fail(fmt::format("'{{{}}}': a number takes 0 and a width up to {}, such as {{{}:05}}", text,
                         kMostDigits, name));
      }
      break;
    case FieldKind::kText:
      if (!size || *size < 1 || *size > kMostCharacters) {
        fail(
            fmt::format("'{{{}}}': a text takes how many characters of it, 1 to {}, such as "
                        "{{{}:40}}",
                        text, kMostCharacters, name));
      }
      break;
    case FieldKind::kSafe:
      fail(fmt::format("'{{{}}}': {} takes no format", text, name));
  }
  piece.size = *size;
  return piece;
}

NameTemplate NameTemplate::parse(const std::string& text) {
  if (printable(text) != text || text.find_first_of("\n\t") != std::string::npos) {
    fail("control characters or broken UTF-8 in the template");
  }
  NameTemplate result;
  result.components_.emplace_back();
  std::string literal;
  const auto end_literal = [&] {
    if (literal.empty()) return;
    result.components_.back().push_back({literal, -1, 0});
    literal.clear();
  };
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    const bool doubled = at + 1 < text.size() && text[at + 1] == c;
    if ((c == '{' || c == '}') && doubled) {
      literal += c;
      ++at;
    } else if (c == '{') {
      const auto close = text.find('}', at);
      if (close == std::string::npos) {
        fail(fmt::format("'{}': the brace is not closed", text.substr(at)));
      }
      end_literal();
      result.components_.back().push_back(
          parse_field(std::string_view(text).substr(at + 1, close - at - 1)));
      at = close;
    } else if (c == '}') {
      fail(fmt::format("'{}': a brace is closed that was not opened; write }}}} for one", text));
    } else if (c == '/') {
      end_literal();
      result.components_.emplace_back();
    } else {
      literal += c;
    }
  }
  end_literal();
  result.check();
  return result;
}

void NameTemplate::check() const {
  if (components_.size() > 1 && components_.front().empty()) {
    fail(
        "the name before the first '/' is empty: names are of files below OUTDIR/samples\nLeave "
        "that '/' out, and say with --outdir where OUTDIR is.");
  }
  for (const auto& component : components_) {
    if (component.empty()) {
      fail("a name is empty: a template neither begins nor ends with '/', and has no '//'");
    }
    const auto& first = component.front().literal;
    if (component.size() == 1 && first == "..") {
      fail("'..' would lead out of the folder: not in a template");
    }
    if (component.size() == 1 && first == ".") {
      fail("'.' is the folder itself and no name: leave it out");
    }
    std::size_t bytes = 0;
    for (const auto& piece : component) {
      const bool last = &component == &components_.back();
      if (is_field(piece.field, "number") && !last) {
        fail("{number} counts files and stands in their names, not in a folder's");
      }
      if (piece.field < 0) {
        bytes += piece.literal.size();
      } else {
        const auto kind = field_at(piece.field).kind;
        bytes += kind == FieldKind::kNumber ? kMostDigits
                 : kind == FieldKind::kSafe ? kMostSafeBytes
                                            : 1;  // texts take what is left
      }
    }
    if (bytes > kMostBytes) fail("the names would be too long for a file system");
  }
}

std::string NameTemplate::expand(const Component& component, const NameFields& fields) {
  std::vector<std::string> parts;
  std::size_t used = 0, texts = 0;
  for (const auto& piece : component) {
    const auto* field = piece.field < 0 ? nullptr : &field_at(piece.field);
    if (field == nullptr) {
      parts.push_back(piece.literal);
    } else if (field->kind == FieldKind::kNumber) {
      parts.push_back(number_of(*field, fields, piece.size));
    } else if (field->kind == FieldKind::kSafe) {
      parts.push_back(text_of(*field, fields));
    } else {
      parts.emplace_back();
      ++texts;
    }
    used += parts.back().size();
  }
  std::string name;
  for (std::size_t i = 0; i < component.size(); ++i) {
    const auto& piece = component[i];
    if (piece.field >= 0 && field_at(piece.field).kind == FieldKind::kText) {
      parts[i] = safe_text(text_of(field_at(piece.field), fields), piece.size,
                           (kMostBytes - used) / texts);
    }
    name += parts[i];
  }
  return name;
}

std::filesystem::path NameTemplate::expand(const NameFields& fields) const {
  std::filesystem::path path;
  for (const auto& component : components_) path /= expand(component, fields);
  return path;
}

bool NameTemplate::is_number_alone() const {
  return components_.size() == 1 && components_.front().size() == 1 && has_number();
}

bool NameTemplate::has_number() const {
  return std::ranges::any_of(components_.back(),
                             [](const Piece& piece) { return is_field(piece.field, "number"); });
}

bool NameTemplate::tells_of_swaps() const {
  const auto tells = [](const Piece& piece) {
    return is_field(piece.field, "source") || is_field(piece.field, "target");
  };
  return std::ranges::any_of(components_, [&](const Component& component) {
    return std::ranges::any_of(component, tells);
  });
}

std::string NameTemplate::field_list(std::size_t width) {
  std::string list, line;
  for (const auto& name : field_names()) {
    const auto item = line.empty() && list.empty() ? name : ", " + name;
    if (line.size() + item.size() > width) {
      list += line + ",\n";
      line = name;
    } else {
      line += item;
    }
  }
  return list + line;
}

std::optional<int64_t> NameTemplate::number_in(std::string_view stem) const {
  constexpr std::size_t kReadDigits = 15;  // longer ones are somebody's own
  const auto& pieces = components_.back();
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  std::optional<int64_t> highest;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (!is_field(pieces[i].field, "number")) continue;
    // What stands beside it is known where it is a literal or the name's end.
    const auto before = i == 0 ? std::string() : pieces[i - 1].literal;
    const auto after = i + 1 == pieces.size() ? std::string() : pieces[i + 1].literal;
    for (std::size_t begin = 0; begin < stem.size();) {
      std::size_t end = begin;
      while (end < stem.size() && is_digit(stem[end])) ++end;
      if (end == begin) {
        ++begin;
        continue;
      }
      const bool fits =
          (i == 0 ? begin == 0 : stem.substr(0, begin).ends_with(before)) &&
          (i + 1 == pieces.size() ? end == stem.size() : stem.substr(end).starts_with(after));
      const auto digits = end - begin;
      if (fits && digits >= std::max<std::size_t>(1, pieces[i].size) && digits <= kReadDigits) {
        int64_t number = 0;
        std::from_chars(stem.data() + begin, stem.data() + end, number);
        highest = std::max(highest.value_or(number), number);
      }
      begin = end;
    }
  }
  return highest;
}

}  // namespace sd::cli
