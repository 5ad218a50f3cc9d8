#include "models/yaml_section.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "sd/core/error.h"

namespace sd {
namespace {

constexpr int64_t kMaxInteger = 1'000'000;
constexpr std::size_t kMaxItems = 16;
constexpr std::size_t kMaxKeys = 1000;

}  // namespace

YamlSection::YamlSection(YAML::Node node, std::string file, std::string path)
    : node_(std::move(node)), file_(std::move(file)), path_(std::move(path)) {
  if (!node_.IsMap()) {
    throw UsageError(fmt::format("{}:{}: '{}' is {}, expected keys with values", file_,
                                 node_.Mark().line + 1, path_.empty() ? "the file" : path_,
                                 shown(node_)));
  }
  std::set<std::string> keys;
  for (const auto& entry : node_) {
    if (!entry.first.IsScalar() || !keys.insert(entry.first.Scalar()).second ||
        keys.size() > kMaxKeys) {
      throw UsageError(fmt::format("{}:{}: key '{}' stands twice, or is no plain text", file_,
                                   entry.first.Mark().line + 1, full(shown(entry.first))));
    }
  }
}

void YamlSection::fail(const std::string& key, std::string_view message) const {
  const YAML::Node value = node_[key];
  const int line = value.IsDefined() ? value.Mark().line : node_.Mark().line;
  throw UsageError(fmt::format("{}:{}: '{}' {}", file_, line + 1, full(key), message));
}

std::string YamlSection::shown(const YAML::Node& node) {
  constexpr std::size_t kShown = 80;
  if (!node.IsDefined() || node.IsNull()) return "empty";
  if (node.IsScalar()) return node.Scalar().substr(0, kShown);
  return node.IsMap() ? "a mapping" : "a list";
}

YAML::Node YamlSection::take(const std::string& key) {
  asked_.insert(key);
  // Reading through a const node, since operator[] of the other kind would add the key.
  const YAML::Node& node = node_;
  YAML::Node value = node[key];
  return value.IsDefined() ? value : YAML::Node(YAML::NodeType::Null);
}

std::optional<YamlSection> YamlSection::optional_section(const std::string& key) {
  const YAML::Node value = take(key);
  if (value.IsNull()) return std::nullopt;
  return YamlSection(value, file_, full(key));
}

YamlSection YamlSection::section(const std::string& key) {
  auto found = optional_section(key);
  if (!found) {
    throw UsageError(
        fmt::format("{}:{}: '{}' is missing. Is this a CompVis model configuration, like "
                    "configs/stable-diffusion/v1-inference.yaml?",
                    file_, node_.Mark().line + 1, full(key)));
  }
  return *std::move(found);
}

int64_t YamlSection::integer(const std::string& key, int64_t otherwise, int64_t lowest) {
  const YAML::Node value = take(key);
  if (value.IsNull()) return otherwise;
  int64_t number = 0;
  if (!value.IsScalar() || !YAML::convert<int64_t>::decode(value, number) || number < lowest ||
      number > kMaxInteger) {
    fail(key, fmt::format("is {}, expected an integer from {} to {}", shown(value), lowest,
                          kMaxInteger));
  }
  return number;
}

double YamlSection::number(const std::string& key, double otherwise) {
  const YAML::Node value = take(key);
  if (value.IsNull()) return otherwise;
  double number = 0;
  if (!value.IsScalar() || !YAML::convert<double>::decode(value, number) ||
      !std::isfinite(number) || number <= 0) {
    fail(key, fmt::format("is {}, expected a positive number", shown(value)));
  }
  return number;
}

bool YamlSection::truth(const std::string& key, bool otherwise) {
  const YAML::Node value = take(key);
  if (value.IsNull()) return otherwise;
  bool truth = false;
  if (!value.IsScalar() || !YAML::convert<bool>::decode(value, truth)) {
    fail(key, fmt::format("is {}, expected true or false", shown(value)));
  }
  return truth;
}

std::vector<int64_t> YamlSection::integers(const std::string& key,
                                           const std::vector<int64_t>& otherwise) {
  const YAML::Node value = take(key);
  if (value.IsNull()) return otherwise;
  const auto wrong = [&] {
    fail(key, fmt::format("expected a list of at most {} integers from 1 to {}", kMaxItems,
                          kMaxInteger));
  };
  if (!value.IsSequence() || value.size() > kMaxItems) wrong();
  std::vector<int64_t> numbers;
  for (const auto& item : value) {
    int64_t number = 0;
    if (!item.IsScalar() || !YAML::convert<int64_t>::decode(item, number) || number < 1 ||
        number > kMaxInteger)
      wrong();
    numbers.push_back(number);
  }
  return numbers;
}

std::optional<std::string> YamlSection::text(const std::string& key) {
  const YAML::Node value = take(key);
  if (value.IsNull()) return std::nullopt;
  if (!value.IsScalar()) fail(key, fmt::format("is {}, expected a text", shown(value)));
  return value.Scalar();
}

void YamlSection::require(const std::string& key, std::string_view expected, std::string_view why) {
  const YAML::Node value = take(key);
  if (value.IsNull()) return;
  bool truth = false;
  const bool same = value.IsScalar() &&
                    (value.Scalar() == expected || (YAML::convert<bool>::decode(value, truth) &&
                                                    expected == (truth ? "true" : "false")));
  if (!same) fail(key, fmt::format("is {}, expected {} ({})", shown(value), expected, why));
}

void YamlSection::ignore(std::initializer_list<const char*> keys) {
  asked_.insert(keys.begin(), keys.end());
}

void YamlSection::finish() const {
  for (const auto& entry : node_) {
    const std::string& key = entry.first.Scalar();
    if (!asked_.contains(key)) {
      throw UsageError(
          fmt::format("{}:{}: unknown key '{}'", file_, entry.first.Mark().line + 1, full(key)));
    }
  }
}

}  // namespace sd
