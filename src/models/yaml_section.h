#pragma once

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace sd {

/// One mapping of a YAML file. Each key is to be asked for once; finish() refuses what nobody asked
/// for. All errors are UsageError "file:line: 'full.key' …".
class YamlSection {
 public:
  /// `node` must be a mapping whose keys differ. `path` is its full key, empty at the top.
  YamlSection(YAML::Node node, std::string file, std::string path);

  /// The mapping below `key`. Throws if it is missing or none.
  YamlSection section(const std::string& key);
  /// The same, or nothing where the key is absent or null.
  std::optional<YamlSection> optional_section(const std::string& key);

  int64_t integer(const std::string& key, int64_t otherwise, int64_t lowest = 1);
  double number(const std::string& key, double otherwise);
  bool truth(const std::string& key, bool otherwise);
  std::vector<int64_t> integers(const std::string& key, const std::vector<int64_t>& otherwise);
  std::optional<std::string> text(const std::string& key);

  /// Throws unless `key` is absent, null or reads `expected`; `why` says what that means.
  void require(const std::string& key, std::string_view expected,
               std::string_view why = "others are not supported");
  /// Keys that do not concern drawing.
  void ignore(std::initializer_list<const char*> keys);
  /// Throws for the first key that was never asked for.
  void finish() const;

  [[noreturn]] void fail(const std::string& key, std::string_view message) const;

 private:
  YAML::Node take(const std::string& key);
  std::string full(const std::string& key) const { return path_.empty() ? key : path_ + "." + key; }
  static std::string shown(const YAML::Node& node);

  YAML::Node node_;
  std::string file_;
  std::string path_;
  std::set<std::string> asked_;
};

}  // namespace sd
