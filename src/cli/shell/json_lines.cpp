#include "cli/shell/json_lines.h"

#include "cli/shell/text_output.h"
#include "sd/core/error.h"

namespace sd::cli {
namespace {

using Json = nlohmann::ordered_json;

}  // namespace

std::string json_line_of(std::string_view kind, const Json& fields) {
  Json line = {{"kind", kind}, {"schema", kJsonSchema}};
  for (const auto& [key, value] : fields.items()) {
    if (!line.contains(key)) line[key] = value;
  }
  return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string error_json_line(const std::string& message, int code, const Json& where) {
  const auto end = message.find('\n');
  Json fields = {{"code", code},
                 {"message", message.substr(0, end)},
                 {"hint", end == std::string::npos ? Json() : Json(message.substr(end + 1))}};
  fields.update(where);
  return json_line_of("error", fields);
}

void report_error(const std::string& message, int code, bool json, const Json& where) noexcept {
  try {
    print_message(message);
    if (json) StandardOutput().line(error_json_line(message, code, where));
  } catch (...) {
    // The exit code still tells, and stderr has had its line.
  }
}

}  // namespace sd::cli
