#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "cli/draw_options.h"

namespace sd::cli {

/// The half of the program that needs LibTorch lies in libsd_engine.so beside the binary and is
/// opened only when a picture is to be drawn: linking LibTorch costs 0.3 s a start, which `--help`,
/// `info` and wrong options need not pay.
struct Engine {
  int (*draw)(const DrawOptions& options);  // never throws; returns the exit code, having said why
};

/// Opens the engine. Throws Error naming the file if it cannot be found or its libraries are
/// missing.
const Engine& engine();

/// Where the engine lies: beside the binary, or in ../lib/sd; none if in neither.
std::optional<std::filesystem::path> engine_file();

/// What LibTorch says about itself and its devices, as a JSON object. Opens the engine; throws as
/// `engine` does.
std::string engine_report();

}  // namespace sd::cli
