#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace sd::cli {

/// Columns of help: what every terminal has.
inline constexpr std::size_t kHelpWidth = 80;

/// Help of a command or of the program, made from its outline. Asked for all, it lists every
/// option, the command's own before those that all drawing commands share; else what people use
/// most, on one screen.
class HelpFormatter final : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override;
};

}  // namespace sd::cli
