#include "trainer/training_state.h"

#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "sd/core/error.h"
#include "sd/weights/load_weights.h"
#include "sd/weights/open.h"

namespace sd::train {
namespace {

constexpr const char* kLayout = "layout";
constexpr const char* kPosition = "position";
constexpr const char* kSettings = "settings";

/// Names and places of all entries: a state fits only the model that wrote it.
std::string layout_of(const FlatParameters& parameters) {
  std::string text;
  for (const auto& entry : parameters.entries()) {
    text += fmt::format("{}:{}+{};", entry.name, entry.begin, entry.count);
  }
  return text;
}

}  // namespace

StateFile::StateFile(const std::filesystem::path& folder, const std::string& stage,
                     std::string settings)
    : stage_(stage),
      settings_(std::move(settings)),
      newest_(folder / (stage + ".state.safetensors")),
      previous_(folder / (stage + ".state.previous.safetensors")) {}

void StateFile::save(const FlatParameters& parameters, const Optimizer& optimizer,
                     const Position& position, const TensorMap& extra) const {
  TensorMap tensors = extra;
  // Const access to what only the optimiser changes.
  tensors["values"] = const_cast<FlatParameters&>(parameters).values();
  tensors["first_moment"] = optimizer.first_moment;
  tensors["second_moment"] = optimizer.second_moment;
  tensors["average"] = optimizer.average;
  const nlohmann::json place = {{"step", position.step},
                                {"pictures", position.pictures},
                                {"seconds", position.seconds},
                                {"updates", optimizer.steps}};
  std::error_code none_yet;
  std::filesystem::rename(newest_, previous_, none_yet);
  write_tensor_file(
      newest_, tensors,
      {{kLayout, layout_of(parameters)}, {kPosition, place.dump()}, {kSettings, settings_}});
}

bool StateFile::exists() const {
  std::error_code ignored;
  return std::filesystem::exists(newest_, ignored) || std::filesystem::exists(previous_, ignored);
}

void StateFile::require_settings(const TensorFile& file) const {
  if (settings_.empty() || file.text(kSettings) == settings_) return;
  const auto wanted = nlohmann::json::parse(settings_);
  const auto found = nlohmann::json::parse(file.text(kSettings), nullptr, false);
  std::string differ;
  for (const auto& [key, value] : wanted.items()) {
    const bool there = found.is_object() && found.contains(key);
    if (there && found.at(key) == value) continue;
    differ += fmt::format("{}{}: {} there, {} here", differ.empty() ? "" : ", ", key,
                          there ? found.at(key).dump() : "none", value.dump());
  }
  throw CheckpointError(
      fmt::format("{}: this state belongs to a run with other settings ({})\nGive those again, or "
                  "begin anew: remove the folder, or name another.",
                  file.label, differ));
}

std::optional<TensorFile> StateFile::read(
    const std::function<void(const std::string&)>& say) const {
  for (const auto& path : {newest_, previous_}) {
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) continue;
    try {
      return read_tensor_file(path);
    } catch (const Error& error) {
      say(fmt::format("the state {} cannot be used: {}", path.string(), error.what()));
    }
  }
  return std::nullopt;
}

torch::Tensor StateFile::tensor(const std::string& name) const {
  const auto file = read([](const std::string&) {});
  if (!file) {
    throw UsageError(
        fmt::format("{}: there is no state\nRun `sd-train {}` first.", newest_.string(), stage_));
  }
  return file->at(name);
}

bool StateFile::load(FlatParameters& parameters, Optimizer& optimizer, Position& position,
                     TensorMap& extra, const std::function<void(const std::string&)>& say) const {
  auto file = read(say);
  if (!file) return false;
  require_settings(*file);
  if (file->text(kLayout) != layout_of(parameters)) {
    throw CheckpointError(
        fmt::format("{}: this state belongs to a model of other sizes\nGive another --out folder, "
                    "or the recipe that it was made with.",
                    file->label));
  }
  const c10::AutoGradMode no_gradients(false);
  parameters.values().copy_(file->at("values"));
  optimizer.first_moment.copy_(file->at("first_moment"));
  optimizer.second_moment.copy_(file->at("second_moment"));
  optimizer.average.copy_(file->at("average"));
  const auto place = nlohmann::json::parse(file->text(kPosition));
  position = {place.at("step"), place.at("pictures"), place.at("seconds")};
  optimizer.steps = place.at("updates");
  extra = std::move(file->tensors);
  say(fmt::format("going on from {} at step {}", file->label, position.step));
  return true;
}

int64_t load_by_name(const std::filesystem::path& model, FlatParameters& parameters) {
  const auto opened = open_model(model);
  const c10::AutoGradMode no_gradients(false);
  int64_t found = 0;
  for (const auto& entry : parameters.entries()) {
    if (!opened.tensors->contains(entry.name)) continue;
    const auto value = wrap_tensor(opened.tensors->at(entry.name));
    if (value.sizes() != at::IntArrayRef(entry.shape)) continue;
    FlatParameters::view(parameters.values(), entry).copy_(value);
    ++found;
  }
  return found;
}

int64_t load_word_rows(const std::filesystem::path& model, FlatParameters& parameters,
                       const torch::Tensor& rows) {
  const auto opened = open_model(model);
  const c10::AutoGradMode no_gradients(false);
  for (const auto& entry : parameters.entries()) {
    if (!entry.name.ends_with("token_embedding.weight")) continue;
    if (!opened.tensors->contains(entry.name)) return 0;
    const auto whole = wrap_tensor(opened.tensors->at(entry.name));
    if (whole.size(1) != entry.shape[1]) return 0;
    FlatParameters::view(parameters.values(), entry).copy_(whole.index_select(0, rows));
    return 1;
  }
  return 0;
}

}  // namespace sd::train
