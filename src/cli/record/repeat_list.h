#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <type_traits>
#include <vector>

#include "cli/options/given_options.h"

namespace sd::cli {

/// What `object` says under `key` if it is an object and that is of this kind: text or a number.
template <typename Value>
Value value_at(const nlohmann::ordered_json& object, const char* key, Value otherwise) {
  if (!object.is_object()) return otherwise;
  const auto found = object.find(key);
  if (found == object.end()) return otherwise;
  if constexpr (std::is_same_v<Value, std::string>) {
    return found->is_string() ? found->template get<Value>() : otherwise;
  } else {
    return found->is_number_integer() ? found->template get<Value>() : otherwise;
  }
}

/// The object under `key`, or an empty one.
nlohmann::ordered_json object_at(const nlohmann::ordered_json& object, const char* key);

/// Whether a picture's command (its `args`) takes prompts from a list that is gone: standard input,
/// or a file that is not here or has changed. Grids show many of its prompts and are none of these.
bool lost_its_list(const GivenCommand& command, const nlohmann::ordered_json& settings);

/// Puts the picture's prompt in the place of the list, with the batches before it as they were, so
/// that it gets the same random numbers. Where batches were of different sizes no single prompt has
/// them; then what it returns stands before the command and gives it a list of as many lines.
std::string draw_without_list(GivenCommand& command, const nlohmann::ordered_json& settings,
                              std::vector<std::string>& notes);

}  // namespace sd::cli
