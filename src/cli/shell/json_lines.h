#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace sd::cli {

/// What docs/json.md describes; goes up when a key changes its meaning or goes away.
inline constexpr int kJsonSchema = 1;

/// A line of stdout with `--json`: the kind, the schema's number, then `fields`, whose own of these
/// two are passed over.
std::string json_line_of(std::string_view kind, const nlohmann::ordered_json& fields);

/// The line of kind "error": the message's first line, its further lines as the hint, the exit code
/// that stands for it, and `where` it happened (a file, lines of a list).
std::string error_json_line(const std::string& message, int code,
                            const nlohmann::ordered_json& where = nlohmann::ordered_json::object());

/// Says what failed: on stderr, and with `json` as a line on stdout too. What stdout does not take
/// is lost.
void report_error(const std::string& message, int code, bool json,
                  const nlohmann::ordered_json& where = nlohmann::ordered_json::object()) noexcept;

}  // namespace sd::cli
