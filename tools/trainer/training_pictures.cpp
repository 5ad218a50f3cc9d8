#include "trainer/training_pictures.h"

#include <ATen/ops/cat.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "sd/core/error.h"
#include "sd/core/mapped_file.h"
#include "sd/core/model_hash.h"
#include "sd/core/sha256.h"
#include "sd/image/fit.h"
#include "sd/image/read.h"
#include "sd/image/resize.h"
#include "trainer/picture_batches.h"
#include "trainer/stage_clock.h"
#include "trainer/tensor_file.h"

namespace sd::train {
namespace {

Image read_named(const CaptionedPicture& picture) {
  try {
    return read_image(picture.path);
  } catch (const Error& error) {
    const std::string message = error.what();
    if (message.find(picture.path.string()) != message.npos) throw;
    throw IoError(fmt::format("{}: {}", picture.path.string(), message));
  }
}

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::string cached_hash(const std::filesystem::path& cache, const std::string& of,
                        TrainingPictures& pictures) {
  std::error_code ignored;
  if (!std::filesystem::exists(cache, ignored)) return {};
  try {
    const auto file = read_tensor_file(cache);
    if (file.text("of") != of) return {};
    pictures.mean = file.at("mean");
    pictures.deviation = file.at("deviation");
    return of;
  } catch (const CheckpointError&) {
    return {};  // made anew
  }
}

/// [2,C,h,w] float32: mean and deviation of scaled latents.
torch::Tensor moments_of(FrozenModel& model, const Image& picture) {
  torch::Tensor both;
  {
    const c10::InferenceMode inference;
    const auto moments = model.model->vae->encode(to_tensor({&picture}).to(model.device));
    both = model.config.scale_factor *
           at::cat({moments.mean, (0.5 * moments.log_variance).exp()}).to(at::kFloat).cpu();
  }
  return both.clone();  // one that autograd takes
}

}  // namespace

Image cut_square(const Image& picture, int64_t side) {
  const auto rgb = to_rgb(picture);
  const int64_t shorter = std::min(rgb.width, rgb.height);
  const auto scaled = [&](int64_t length) {
    return std::max(side, (length * side + shorter / 2) / shorter);
  };
  const auto resized = resize(rgb, scaled(rgb.width), scaled(rgb.height), Filter::kLanczos);
  const int64_t left = (resized.width - side) / 2, top = (resized.height - side) / 2;
  const auto row = static_cast<std::size_t>(3 * side);
  Image cut{side, side, 3, std::vector<uint8_t>(row * static_cast<std::size_t>(side))};
  for (int64_t y = 0; y < side; ++y) {
    std::memcpy(cut.pixels.data() + static_cast<std::size_t>(y) * row,
                resized.pixels.data() + 3 * ((top + y) * resized.width + left), row);
  }
  return cut;
}

std::optional<TrainingPictures> encode_pictures(const RunContext& run, FrozenModel& model,
                                                const std::vector<CaptionedPicture>& pictures,
                                                int64_t side, const std::filesystem::path& cache) {
  Sha256 files, all;
  TrainingPictures encoded;
  for (const auto& picture : pictures) {
    const auto file = sha256_file(picture.path);
    files.update(bytes_of(file));
    all.update(bytes_of(file + picture.caption + '\n'));
    encoded.captions.push_back(picture.caption);
  }
  const auto hex = [](Sha256& hash) { return sha256_hex(hash.finish()); };
  encoded.hash = hex(all);
  const auto of =
      fmt::format("{} at {} by {}", hex(files), side, model_sha256(model.main_file).substr(0, 16));
  if (!cached_hash(cache, of, encoded).empty()) return encoded;

  std::vector<torch::Tensor> means, deviations;
  Position position;
  StageClock clock(run, "latents", static_cast<int64_t>(pictures.size()), position);
  for (const auto& picture : pictures) {
    if (run.stop_requested()) return std::nullopt;
    const auto both = moments_of(model, cut_square(read_named(picture), side));
    means.push_back(both.narrow(0, 0, 1));
    deviations.push_back(both.narrow(0, 1, 1));
    clock.count(1, {}, 0, 0);
  }
  encoded.mean = at::cat(means);
  encoded.deviation = at::cat(deviations);
  write_tensor_file(cache, {{"mean", encoded.mean}, {"deviation", encoded.deviation}},
                    {{"of", of}});
  return encoded;
}

}  // namespace sd::train
