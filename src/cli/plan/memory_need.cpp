#include "cli/plan/memory_need.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <system_error>

#include "kernels/gemm_tables.h"
#include "pipeline/decoder_memory.h"
#include "sd/core/compute.h"
#include "sd/core/error.h"
#include "weights/expected_tensors.h"
#include "weights/model_part.h"

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
constexpr int64_t kLayerTwice = 160 * kMiB;

/// Bytes of each part's weights in memory, by ModelPart.
using PartBytes = std::array<int64_t, 4>;

int64_t bytes_of(const PartBytes& parts, ModelPart part) {
  return parts[static_cast<std::size_t>(part)];
}

PartBytes part_bytes(const DrawOptions& options, const ModelConfig& config, int64_t element) {
  PartBytes parts{};
  for (const auto& tensor : expected_tensors(config)) {
    const auto part = part_of(tensor.name);
    const bool int8 = options.weights == WeightsChoice::kInt8 && part == ModelPart::kUNet;
    int64_t bytes = int8 ? 1 : element;
    for (const int64_t side : tensor.shape) bytes *= side;
    parts[static_cast<std::size_t>(part)] += bytes;
  }
  return parts;
}

/// Whether something may be drawn behind the first batch.
bool draws_more(const DrawOptions& options) {
  return options.n_iter > 1 || options.lists_prompts() || options.batch.grid ||
         options.seed_mode != SeedMode::kBatch;
}

/// What weights take while the UNet runs, and while a picture is decoded.
struct WeightBytes {
  int64_t sampling = 0, decoding = 0;
};

WeightBytes weight_bytes(const DrawOptions& options, const PartBytes& parts) {
  const auto unet = bytes_of(parts, ModelPart::kUNet);
  const auto decoder = bytes_of(parts, ModelPart::kDecoder);
  if (options.low_memory) {
    // A layer that is read for a call is there twice for a moment.
    const auto kept = std::min(unet, kMostOfAPart);
    return {kept + std::min(unet - kept, kLayerTwice), decoder};
  }
  const auto stays = [](int64_t bytes) { return bytes < kWorthLoadingAgain ? bytes : 0; };
  const auto small =
      stays(bytes_of(parts, ModelPart::kText)) + stays(bytes_of(parts, ModelPart::kEncoder));
  const bool unet_stays = draws_more(options) || stays(unet) > 0;
  return {unet + small, (unet_stays ? unet : 0) + decoder + small};
}

int64_t file_bytes(const std::filesystem::path& checkpoint) {
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
  const double part = scale * static_cast<double>(element) / 4;  // measured in float32
  const DecoderNeed whole{kDecoderUsual * part, kDecoderLeast * part};
  const auto maps = decoder_memory(vae, height, width, element);
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

int64_t weight_element(const DrawOptions& options) { return halves_weights(options.dtype) ? 2 : 4; }

MemoryNeed memory_need(const DrawOptions& options, const ModelConfig& config,
                       const std::filesystem::path& checkpoint) {
  const int64_t element = weight_element(options);
  const auto parts = part_bytes(options, config, element);
  const int64_t weights = std::accumulate(parts.begin(), parts.end(), int64_t{0});
  const auto held = weight_bytes(options, parts);
  const int64_t side = config.default_pixels();
  // The size of an input picture is not known yet; it is at least one step of 64.
  const bool known = !options.input.init_img || (options.W && options.H);
  const int64_t width = known ? options.W.value_or(side) : 64;
  const int64_t height = known ? options.H.value_or(side) : 64;
  const double size = static_cast<double>(width * height) / kReferencePixels;
  const int64_t maps = map_element(options.dtype);
  const auto decoder = decoder_need(config.vae, height, width, maps);
  const double unet = size * static_cast<double>(rows_of(options)) *
                      static_cast<double>(config.unet.model_channels) / kUNetChannels;
  const auto decoding = static_cast<int64_t>(decoder.usual);
  const auto sampling = static_cast<int64_t>(kRowUsual * unet * static_cast<double>(maps) / 4);
  MemoryNeed need;
  need.draws = true;
  // Packed weights are not in their file: no page of them can be dropped.
  need.least = kProgramLeast + std::max(held.sampling + sampling / 2,
                                        held.decoding + static_cast<int64_t>(decoder.least));
  need.usual = kProgramUsual + std::max(held.sampling + sampling, held.decoding + decoding);
  need.address_space =
      kProgramAddressSpace + file_bytes(checkpoint) + 2 * weights + std::max(decoding, sampling);
  return need;
}

void require_memory(const MemoryNeed& need, const Machine& machine) {
  const auto limit = deadly_limit(machine);
  const bool fits = !limit || limit->bytes + limit->swap >= need.least;
  if (fits) return;
  throw OutOfMemory(fmt::format("{} at least are needed, and {} allows {}: nothing was begun",
                                memory_text(need.least), limit->by, memory_text(limit->bytes)));
}

void require_memory_for_gradients(const MemoryNeed& need, const Machine& machine) {
  const int64_t free = machine.memory_available;
  if (need.gradients == 0 || free == 0 || free >= need.least) return;
  throw OutOfMemory(fmt::format(
      "{} at least are needed, {} of them for gradients, and {} are free: nothing was begun",
      memory_text(need.least), memory_text(need.gradients / 2), memory_text(free)));
}

std::string tight_memory_notice(const MemoryNeed& need, const Machine& machine) {
  if (machine.memory_available == 0 || machine.memory_available >= need.usual) return {};
  const auto limit = narrowest(machine.memory_limits);
  const bool limited = limit && limit->kind != MemoryLimit::Kind::kAddressSpace &&
                       limit->left() <= machine.memory_available;
  return fmt::format(
      "memory is tight: about {} are needed, {} are free{}\n"
      "--low-memory, --dtype bf16, a smaller --H and --W and --n_samples 1 need less.",
      memory_text(need.usual), memory_text(machine.memory_available),
      limited ? fmt::format(" ({})", limit->by) : "");
}

}  // namespace sd::cli
