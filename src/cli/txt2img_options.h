#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "cli/attn_options.h"
#include "sd/core/compute.h"

namespace sd::cli {

/// `sd txt2img` as typed; names and defaults are the original script's. Torch-free.
struct Txt2ImgOptions {
  std::string prompt = "a painting of a virus monster playing guitar";
  std::string negative_prompt;
  std::filesystem::path outdir = "outputs/txt2img-samples";
  bool skip_grid = false;
  bool skip_save = false;
  int64_t ddim_steps = 50;
  bool plms = false;
  bool laion400m = false;
  bool fixed_code = false;
  double ddim_eta = 0.0;
  int64_t n_iter = 2;
  std::optional<int64_t> H;  // absent: 512, or what the demo model was trained for
  std::optional<int64_t> W;
  int64_t C = 4;
  int64_t f = 8;
  int64_t n_samples = 3;
  int64_t n_rows = 0;
  double scale = 7.5;
  std::optional<std::string> from_file;  // "-" is stdin
  std::optional<std::filesystem::path> config;
  std::optional<std::filesystem::path> ckpt;
  int64_t seed = 42;
  std::optional<std::string> precision;  // "full" or "autocast"
  bool ema = false;
  DeviceChoice device;
  DTypeChoice dtype = DTypeChoice::kAuto;
  RngChoice rng = RngChoice::kDevice;
  std::optional<std::filesystem::path> init_latents;
  std::optional<std::filesystem::path> save_latents;
  AttnOptions attn;
  int64_t threads = 0;  // 0: one a physical core
  bool json = false;
  bool quiet = false;
  int verbose = 0;
};

}  // namespace sd::cli
