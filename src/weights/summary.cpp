#include "sd/weights/summary.h"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

#include "sd/core/error.h"
#include "sd/weights/open.h"
#include "weights/byte_reader.h"
#include "weights/control_names.h"
#include "weights/diffusers_folder.h"
#include "weights/expected_tensors.h"
#include "weights/family.h"
#include "weights/open_file.h"
#include "weights/renamed_source.h"
#include "weights/usual_ranks.h"

namespace sd {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kParts = {{
    {"model.diffusion_model.", "UNet"},
    {"first_stage_model.", "VAE"},
    {"cond_stage_model.", "text encoder"},
    {"model_ema.", "EMA"},
}};

std::string_view part_of(std::string_view name) {
  for (const auto& [prefix, part] : kParts) {
    if (name.starts_with(prefix)) return part;
  }
  return "other";
}

PartSummary& part_named(std::vector<PartSummary>& parts, std::string_view name) {
  for (PartSummary& part : parts) {
    if (part.name == name) return part;
  }
  return parts.emplace_back(PartSummary{std::string(name)});
}

void count_tensors(const TensorSource& tensors, ModelSummary& summary) {
  for (const std::string& name : tensors.names()) {
    ++summary.tensors;
    PartSummary& part = part_named(summary.parts, part_of(name));
    ++part.tensors;
    try {
      const StoredAs stored = tensors.stored(name);
      part.bytes += static_cast<int64_t>(stored.bytes);
      ++summary.dtypes[std::string(stored.type)];
    } catch (const CheckpointError&) {
      ++summary.dtypes["unreadable"];
      continue;
    }
    try {
      // Shapes were checked when the file was opened.
      const int64_t elements = checked_elements(tensors.describe(name).shape).value_or(0);
      summary.parameters += elements;
      part.parameters += elements;
    } catch (const CheckpointError&) {
      // Of a type that only has a name here.
    }
  }
}

void compare(const TensorSource& tensors, const ModelConfig& config, ModelSummary& summary) {
  auto found = compare_with_expected(tensors, expected_tensors(config));
  summary.missing = std::move(found.missing);
  summary.mismatched = std::move(found.mismatched);
  summary.unexpected = std::move(found.unexpected);
  if (!summary.missing.empty()) {
    summary.problem = fmt::format("{} tensor{} missing", summary.missing.size(),
                                  summary.missing.size() == 1 ? " is" : "s are");
  } else if (!summary.mismatched.empty()) {
    summary.problem = fmt::format("{} tensor{} another shape", summary.mismatched.size(),
                                  summary.mismatched.size() == 1 ? " has" : "s have");
  }
}

/// Says of a control net what it was made for, where it is one that can be used.
void name_control(std::unique_ptr<TensorSource> tensors, ModelSummary& summary) {
  try {
    const auto net = control_of(std::move(tensors));
    summary.family = fmt::format("{} for {}", name_of(net.kind), family_of(net));
    summary.problem =
        "no picture can be drawn from it alone: give it with --control NET:PICTURE, beside a model";
  } catch (const CheckpointError& error) {
    summary.problem = error.what();
  }
}

}  // namespace

ModelSummary describe_model(const std::filesystem::path& given) {
  const auto path = weights_path(given);
  ModelSummary summary;
  std::unique_ptr<TensorSource> tensors;
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    DiffusersFolder folder = open_diffusers_folder(path);
    tensors = with_usual_ranks(std::move(folder.tensors));
    summary.format = "diffusers";
    summary.main_file = folder.files.front();
    summary.config = std::move(folder.config);
  } else {
    OpenedFile file = open_weights(path);
    tensors = with_usual_ranks(with_published_names(std::move(file.tensors)));
    summary.format = std::move(file.format);
    summary.main_file = std::move(file.main_file);
    summary.metadata = std::move(file.metadata);
  }
  count_tensors(*tensors, summary);
  for (const PartSummary& part : summary.parts)
    summary.has_ema = summary.has_ema || part.name == "EMA";
  const auto family = guess_family(*tensors);
  summary.family = family.name;
  try {
    const bool stated = summary.config.has_value();
    const ModelConfig detected = detect_config(
        *tensors, stated ? *summary.config : family_config(*tensors, summary.metadata));
    if (!stated) summary.config = detected;
    summary.prediction = find_prediction(*tensors, detected);
    compare(*tensors, detected, summary);
  } catch (const CheckpointError& error) {
    summary.problem = error.what();
  }
  if (!family.drawable && control_kind(tensors->names())) name_control(std::move(tensors), summary);
  return summary;
}

}  // namespace sd
