#include "weights/spaced_blocks.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weights/renamed_source.h"

namespace sd {
namespace {

constexpr std::string_view kInput = "model.diffusion_model.input_blocks.";
constexpr std::string_view kOutput = "model.diffusion_model.output_blocks.";
constexpr int kWritten = 3;  // blocks a level, one on the way down being the downsampler
constexpr int kLeft = 2;

struct Block {
  int number = 0;
  std::string_view rest;  // with the dot before it
};

std::optional<Block> block_of(std::string_view name, std::string_view side) {
  if (!name.starts_with(side)) return std::nullopt;
  name.remove_prefix(side.size());
  Block block;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), block.number);
  block.rest = name.substr(static_cast<std::size_t>(end - name.data()));
  constexpr int kMost = 1000;
  const bool read = error == std::errc{} && block.number >= 0 && block.number <= kMost &&
                    block.rest.starts_with(".");
  return read ? std::optional(block) : std::nullopt;
}

/// Whether a residual block is missing where a downsampler follows at its usual number.
bool has_gaps(const TensorSource& tensors) {
  const auto has = [&](std::string_view rest) {
    return tensors.contains(fmt::format("{}{}", kInput, rest));
  };
  return has("1.0.in_layers.2.weight") && !has("2.0.in_layers.2.weight") && !has("2.0.op.weight") &&
         has("3.0.op.weight");
}

std::string close_name(const TensorSource& tensors, const std::string& name) {
  if (const auto block = block_of(name, kInput); block && block->number > 0) {
    const int level = (block->number - 1) / kWritten, place = (block->number - 1) % kWritten;
    return fmt::format("{}{}{}", kInput, 1 + level * kLeft + (place == 0 ? 0 : 1), block->rest);
  }
  const auto block = block_of(name, kOutput);
  if (!block) return name;
  const int level = block->number / kWritten, place = block->number % kWritten;
  if (place < kLeft) return fmt::format("{}{}{}", kOutput, level * kLeft + place, block->rest);
  // The upsampler stands behind the last residual block, and its attention where there is one.
  const bool attends =
      tensors.contains(fmt::format("{}{}.1.norm.weight", kOutput, block->number - 1));
  const auto convolution = block->rest.find(".conv.");
  if (convolution == std::string_view::npos) return name;
  return fmt::format("{}{}.{}{}", kOutput, level * kLeft + kLeft - 1, attends ? 2 : 1,
                     block->rest.substr(convolution));
}

}  // namespace

std::unique_ptr<TensorSource> with_close_numbers(std::unique_ptr<TensorSource> tensors) {
  if (!has_gaps(*tensors)) return tensors;
  std::vector<RenamedTensor> renamed;
  renamed.reserve(tensors->names().size());
  for (const auto& name : tensors->names()) {
    renamed.push_back({close_name(*tensors, name), 0, name});
  }
  return rename_tensors(std::move(tensors), std::move(renamed));
}

}  // namespace sd
