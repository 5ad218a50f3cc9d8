#include "trainer/recipe.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "core/posix_file.h"
#include "models/yaml_section.h"
#include "sd/core/error.h"
#include "sd/models/config.h"

namespace sd::train {
namespace {

constexpr int64_t kFeedForwardFactor = 4;  // CLIP's, which a YAML does not state

/// Counts of pictures may be written as 3e6.
int64_t count(YamlSection& section, const std::string& key, int64_t otherwise) {
  return static_cast<int64_t>(section.number(key, static_cast<double>(otherwise)));
}

void read_learning_rate(YamlSection& section, LearningRate& rate) {
  auto part = section.optional_section("learning_rate");
  if (!part) return;
  rate.peak = part->number("peak", rate.peak);
  rate.warmup_steps = part->integer("warmup_steps", rate.warmup_steps);
  rate.decay_from = part->number("decay_from", rate.decay_from);
  rate.final_share = part->number("final_share", rate.final_share);
  part->finish();
}

void read_vae(YamlSection section, VaeStage& stage) {
  stage.pictures = count(section, "pictures", stage.pictures);
  stage.batch = section.integer("batch", stage.batch);
  stage.crop = section.integer("crop", stage.crop);
  stage.whole_from = section.number("whole_from", stage.whole_from);
  stage.whole_batch = section.integer("whole_batch", stage.whole_batch);
  stage.gradient_weight = section.number("gradient_weight", stage.gradient_weight);
  stage.kl_weight = section.number("kl_weight", stage.kl_weight);
  read_learning_rate(section, stage.learning_rate);
  section.finish();
}

void read_unet(YamlSection section, UNetStage& stage) {
  stage.pictures = count(section, "pictures", stage.pictures);
  stage.batch = section.integer("batch", stage.batch);
  stage.muon_rate = section.number("muon_rate", stage.muon_rate);
  stage.offset_noise = section.number("offset_noise", stage.offset_noise);
  stage.timestep_power = section.number("timestep_power", stage.timestep_power);
  stage.max_loss_weight = section.number("max_loss_weight", stage.max_loss_weight);
  stage.attention_weight = section.number("attention_weight", stage.attention_weight);
  stage.attention_final_share =
      section.number("attention_final_share", stage.attention_final_share);
  stage.place_weight = section.number("place_weight", stage.place_weight);
  read_learning_rate(section, stage.learning_rate);
  section.finish();
}

void read_optimizer(YamlSection section, OptimizerSettings& settings) {
  settings.beta1 = section.number("beta1", settings.beta1);
  settings.beta2 = section.number("beta2", settings.beta2);
  settings.weight_decay = section.number("weight_decay", settings.weight_decay);
  settings.max_gradient_norm = section.number("max_gradient_norm", settings.max_gradient_norm);
  settings.ema_decay = section.number("ema_decay", settings.ema_decay);
  section.finish();
}

constexpr std::size_t kMaxBytes = 16 << 20;  // far above what anybody writes by hand

std::vector<std::string> read_lines(const std::filesystem::path& path) {
  std::istringstream file(read_start(path, kMaxBytes));
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

}  // namespace

double LearningRate::at(double share, int64_t step) const {
  const double warm = std::min(1.0, (step + 1.0) / static_cast<double>(warmup_steps));
  if (share <= decay_from) return peak * warm;
  const double down = std::min(1.0, (share - decay_from) / std::max(1e-9, 1 - decay_from));
  return peak * warm * (1 - down * (1 - final_share));
}

Recipe read_recipe(const std::filesystem::path& path) {
  const auto text = read_start(path, kMaxBytes);
  YAML::Node root;
  try {
    root = YAML::Load(text);
  } catch (const YAML::Exception& error) {
    throw UsageError(fmt::format("{}: no YAML: {}", path.string(), error.what()));
  }
  YamlSection top(root, path.string(), "");
  Recipe recipe;
  const auto beside = [&](const std::string& name) { return path.parent_path() / name; };
  recipe.model_yaml = beside(top.text("model").value_or("model.yaml"));
  recipe.model = read_config(recipe.model_yaml);
  recipe.model.text.feed_forward = kFeedForwardFactor * recipe.model.text.width;
  recipe.seed = static_cast<uint64_t>(top.integer("seed", 0, 0));
  recipe.state_every_seconds = top.integer("state_every_seconds", recipe.state_every_seconds);
  recipe.sheet_every_seconds = top.integer("sheet_every_seconds", recipe.sheet_every_seconds);
  if (const auto prompts = top.text("sheet_prompts")) {
    recipe.sheet_prompts = read_lines(beside(*prompts));
  }
  if (auto part = top.optional_section("optimizer")) read_optimizer(*part, recipe.optimizer);
  if (auto part = top.optional_section("vae")) read_vae(*part, recipe.vae);
  if (auto part = top.optional_section("latents")) {
    recipe.latents.scenes = count(*part, "scenes", recipe.latents.scenes);
    recipe.latents.chunk = part->integer("chunk", recipe.latents.chunk);
    part->finish();
  }
  if (auto part = top.optional_section("unet")) read_unet(*part, recipe.unet);
  top.finish();
  return recipe;
}

}  // namespace sd::train
