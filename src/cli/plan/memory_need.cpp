#include "cli/plan/memory_need.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <system_error>

#include "kernels/gemm_tables.h"
#include "models/vae_plan.h"
#include "sd/core/compute.h"
#include "sd/core/error.h"
#include "weights/expected_tensors.h"

namespace sd::cli {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

// Measured with the tiny model, which needs nothing else to speak of. The least is what a control
// group has to hold: it drops pages of libraries and weights that lie in files.
constexpr int64_t kProgramLeast = 64 * kMiB;
constexpr int64_t kProgramUsual = 220 * kMiB;
constexpr int64_t kProgramAddressSpace = 700 * kMiB;

// Of a picture of 512x512: the decoder's widest maps (two of 128 channels at least), and the
// UNet's of one row.
constexpr double kReferencePixels = 512.0 * 512.0;
constexpr double kReferenceChannels = 128;
constexpr double kDecoderUsual = 1024.0 * kMiB;
constexpr double kDecoderLeast = 256.0 * kMiB;
constexpr double kRowUsual = 150.0 * kMiB;
constexpr double kUNetChannels = 320;
// Beside the maps of a picture that is decoded in bands of rows: the bands, and the picture itself.
constexpr int64_t kBands = 400 * kMiB;

int64_t parameters_of(const ModelConfig& config) {
  int64_t total = 0;
  for (const auto& tensor : expected_tensors(config)) {
    int64_t elements = 1;
    for (const int64_t side : tensor.shape) elements *= side;
    total += elements;
  }
  return total;
}

int64_t bytes_of(const std::filesystem::path& checkpoint) {
  std::error_code error;
  const auto size = std::filesystem::file_size(checkpoint, error);
  return error ? 0 : static_cast<int64_t>(size);
}

/// Rows that the UNet computes at a time, at most.
int64_t rows_of(const DrawOptions& options) {
  const auto targets = static_cast<int64_t>(std::max<std::size_t>(options.swap.targets.size(), 1));
  const int64_t branches = targets + (options.swap.source ? 1 : 0);
  return options.n_samples * branches * (options.guidance_scale == 1 ? 1 : 2);
}

bool halves_weights(DTypeChoice dtype) {
  return dtype == DTypeChoice::kAuto ? kernels::has_bf16_units(kernels::best_isa())
                                     : dtype != DTypeChoice::kF32;
}

/// Bytes of a value of maps: bf16 is computed with where the CPU has units for it.
int64_t map_element(DTypeChoice dtype) {
  return halves_weights(dtype) && kernels::has_bf16_units(kernels::best_isa()) ? 2 : 4;
}

/// What decoding needs beside the weights.
struct DecoderNeed {
  double usual, least;
};

DecoderNeed decoder_need(const VaeConfig& vae, int64_t height, int64_t width, int64_t element) {
  const double scale = static_cast<double>(height * width) / kReferencePixels *
                       static_cast<double>(vae.channels) / kReferenceChannels;
  const DecoderNeed whole{kDecoderUsual * scale, kDecoderLeast * scale};
  const auto maps = decoder_bytes(vae, height, width, element);
  if (!maps.in_bands()) return whole;
  return {static_cast<double>(maps.planned + kBands),
          std::min(whole.least, static_cast<double>(maps.planned))};
}

/// The narrowest of those that kill.
std::optional<MemoryLimit> deadly_limit(const Machine& machine) {
  std::vector<MemoryLimit> deadly;
  for (const auto& limit : machine.memory_limits) {
    if (limit.kind == MemoryLimit::Kind::kResident) deadly.push_back(limit);
  }
  const auto least = std::min_element(
      deadly.begin(), deadly.end(),
      [](const auto& a, const auto& b) { return a.bytes + a.swap < b.bytes + b.swap; });
  return least == deadly.end() ? std::nullopt : std::optional(*least);
}

}  // namespace

MemoryNeed memory_need(const DrawOptions& options, const ModelConfig& config,
                       const std::filesystem::path& checkpoint) {
  const int64_t element = halves_weights(options.dtype) ? 2 : 4;
  const int64_t weights = parameters_of(config) * element;
  const int64_t side = config.default_pixels();
  // The size of an input picture is not known yet; it is at least one step of 64.
  const bool known = !options.input.init_img || (options.W && options.H);
  const int64_t width = known ? options.W.value_or(side) : 64;
  const int64_t height = known ? options.H.value_or(side) : 64;
  const double size = static_cast<double>(width * height) / kReferencePixels;
  const auto decoder = decoder_need(config.vae, height, width, map_element(options.dtype));
  const double unet = size * static_cast<double>(rows_of(options)) *
                      static_cast<double>(config.unet.model_channels) / kUNetChannels;
  const auto working = static_cast<int64_t>(std::max(decoder.usual, kRowUsual * unet));
  MemoryNeed need;
  need.draws = true;
  // Weights of the file's own type stay in the file, whose pages the kernel may drop; convolutions,
  // which are about half, are packed anew.
  constexpr double kPacked = 0.4;
  need.least = kProgramLeast + static_cast<int64_t>(kPacked * static_cast<double>(weights)) +
               static_cast<int64_t>(decoder.least);
  need.usual = kProgramUsual + weights + working;
  need.address_space = kProgramAddressSpace + bytes_of(checkpoint) + 2 * weights + working;
  return need;
}

void require_memory(const MemoryNeed& need, const Machine& machine) {
  const auto limit = deadly_limit(machine);
  const bool fits = !limit || limit->bytes + limit->swap >= need.least;
  if (fits) return;
  throw OutOfMemory(fmt::format("{} at least are needed, and {} allows {}: nothing was begun",
                                memory_text(need.least), limit->by, memory_text(limit->bytes)));
}

std::string tight_memory_notice(const MemoryNeed& need, const Machine& machine) {
  if (machine.memory_available == 0 || machine.memory_available >= need.usual) return {};
  const auto limit = narrowest(machine.memory_limits);
  const bool limited = limit && limit->kind != MemoryLimit::Kind::kAddressSpace &&
                       limit->left() <= machine.memory_available;
  return fmt::format(
      "memory is tight: about {} are needed, {} are free{}\n"
      "--dtype bf16, a smaller --H and --W and --n_samples 1 need less.",
      memory_text(need.usual), memory_text(machine.memory_available),
      limited ? fmt::format(" ({})", limit->by) : "");
}

}  // namespace sd::cli
