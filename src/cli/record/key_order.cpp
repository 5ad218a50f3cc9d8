#include "cli/record/key_order.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <stdexcept>
#include <string_view>

namespace sd::cli {

std::vector<std::string> key_order(const std::vector<KeyPlace>& places) {
  std::map<std::string_view, std::string_view> last_of;  // object: its last key
  for (const auto& place : places) {
    const auto dot = place.key.find('.');
    if (dot != place.key.npos) last_of[place.key.substr(0, dot)] = place.key;
  }
  std::map<std::string_view, std::vector<std::string_view>> behind;  // "": those that come first
  std::string_view before;
  for (const auto& place : places) {
    if (place.key.empty()) continue;
    auto after = place.after.empty() ? before : place.after;
    if (const auto object = last_of.find(after); object != last_of.end()) after = object->second;
    behind[after].push_back(place.key);
    before = place.key;
  }
  std::vector<std::string> order;
  const std::function<void(std::string_view)> visit = [&](std::string_view key) {
    for (const auto next : behind[key]) {
      order.emplace_back(next);
      if (order.size() > places.size()) throw std::logic_error("a key stands twice");
      visit(next);
    }
  };
  visit("");
  for (const auto& place : places) {
    const bool found =
        place.key.empty() || std::find(order.begin(), order.end(), place.key) != order.end();
    if (!found) throw std::logic_error(fmt::format("the key '{}' stands behind none", place.key));
  }
  return order;
}

}  // namespace sd::cli
