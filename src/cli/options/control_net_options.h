#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "sd/core/control_net_settings.h"
#include "sd/image/preprocess.h"

namespace sd::cli {

/// More control nets than this are refused; sd-webui-controlnet's own limit.
inline constexpr std::size_t kMostControls = 10;

/// One `--control NET:PICTURE[:WEIGHT[:START:END]]`.
struct ControlInput {
  std::filesystem::path net, picture;
  double weight = 1, start = 0, end = 1;
  std::string hash = {};  // of the net, as AUTOMATIC1111 shows it; the plan fills it in
};

/// One `--control-preprocess`: "canny", "canny:80:160", "blur:3".
struct ControlPreprocess {
  Preprocessor preprocessor = Preprocessor::kNone;
  PreprocessSettings settings;
  std::string text = "none";  // as it was given
};

/// The control nets of a run as typed. Of what is given once for several nets each has it; else
/// there is one for each. Torch-free.
struct ControlNetOptions {
  std::vector<ControlInput> inputs;
  std::vector<ControlMode> modes;
  std::vector<ControlResize> resizes;
  std::vector<ControlPreprocess> preprocess;

  ControlMode mode_of(std::size_t i) const { return of(modes, i); }
  /// Where none is given a picture is cropped, as in AUTOMATIC1111's web UI.
  ControlResize resize_of(std::size_t i) const { return of(resizes, i); }
  ControlPreprocess preprocess_of(std::size_t i) const { return of(preprocess, i); }

 private:
  template <typename Value>
  static Value of(const std::vector<Value>& given, std::size_t i) {
    if (given.empty()) return {};
    return given.size() == 1 ? given.front() : given.at(i);
  }
};

/// Reads a value of `--control`. Numbers are taken from its end; the net's path ends at the first
/// colon. Throws UsageError, beginning with `option`.
ControlInput parse_control(const std::string& option, const std::string& text);

/// Reads a value of `--control-preprocess`. Throws UsageError.
ControlPreprocess parse_control_preprocess(const std::string& option, const std::string& text);

/// "crop", "fill", "stretch".
std::string name_of(ControlResize resize);

/// How AUTOMATIC1111's infotext tells of net number `i`.
std::string control_infotext(const ControlNetOptions& options, std::size_t i);

/// A net's file name without its ending, or its folder's.
std::string control_name(const std::filesystem::path& net);

}  // namespace sd::cli
