#include "sd/weights/inversion_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "sd/core/error.h"
#include "sd/core/mapped_file.h"
#include "sd/weights/write_safetensors.h"
#include "weights/inversion_networks.h"
#include "weights/safetensors_source.h"

namespace sd {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kFormatKey = "format", kFormat = "sd.inversion.1";
constexpr std::string_view kSettingsKey = "inversion";
constexpr double kMostTimestep = 10'000;
constexpr int64_t kMostSteps = 1000, kMostChannels = 64, kMostSide = 4096;
constexpr std::size_t kMostNetworks = 64;
constexpr std::size_t kMostSettings = std::size_t{1} << 20;  // bytes; a prompt is most of them

[[noreturn]] void fail(const std::string& label, std::string_view message) {
  throw CheckpointError(fmt::format("{}: {}", label, message));
}

const std::string* metadata_of(const SafetensorsSource& tensors, std::string_view key) {
  for (const auto& [name, text] : tensors.metadata()) {
    if (name == key) return &text;
  }
  return nullptr;
}

/// The settings of a file, key by key.
class Settings {
 public:
  Settings(const SafetensorsSource& tensors, const std::string& label) : label_(label) {
    const auto* text = metadata_of(tensors, kSettingsKey);
    if (!text) fail(label, fmt::format("an inversion without settings ('{}')", kSettingsKey));
    if (text->size() > kMostSettings) {
      fail(label, fmt::format("its settings have {} bytes, at most {} are read", text->size(),
                              kMostSettings));
    }
    const auto shallow = [&](int depth, Json::parse_event_t, Json&) {
      if (depth > 2) fail(label, "its settings are nested, expected one object of plain values");
      return true;
    };
    json_ = Json::parse(*text, shallow, /*allow_exceptions=*/false);
    if (!json_.is_object()) fail(label, "its settings are no JSON object");
  }

  std::string text(const char* key) const {
    const auto& value = at(key, &Json::is_string, "a text");
    return value.get<std::string>();
  }
  double number(const char* key) const {
    return at(key, &Json::is_number, "a number").get<double>();
  }
  int64_t whole(const char* key, int64_t most) const {
    const double value = at(key, &Json::is_number_integer, "a whole number").get<double>();
    if (value < 1 || value > static_cast<double>(most)) {
      fail(label_, fmt::format("'{}' is {}, expected 1 to {}", key, value, most));
    }
    return static_cast<int64_t>(value);
  }
  /// A list of texts; none where there is no such key.
  std::vector<std::string> texts(const char* key) const {
    std::vector<std::string> found;
    if (!json_.contains(key)) return found;
    for (const auto& item : at(key, &Json::is_array, "a list of texts")) {
      if (!item.is_string() || found.size() == kMostNetworks)
        wrong(key, fmt::format("a list of at most {} texts", kMostNetworks));
      found.push_back(item.get<std::string>());
    }
    return found;
  }
  [[noreturn]] void wrong(const char* key, std::string_view expected) const {
    fail(label_, fmt::format("'{}' of its settings is {}, expected {}", key,
                             json_.contains(key) ? "something else" : "missing", expected));
  }

 private:
  const Json& at(const char* key, bool (Json::*is)() const noexcept,
                 std::string_view expected) const {
    const auto found = json_.find(key);
    if (found == json_.end() || !((*found).*is)()) wrong(key, expected);
    return *found;
  }

  const std::string& label_;
  Json json_;
};

std::vector<InversionNetwork> networks_of(const Settings& settings) {
  const auto names = settings.texts("loras"), weights = settings.texts("lora_weights"),
             hashes = settings.texts("lora_hashes");
  if (weights.size() != names.size())
    settings.wrong("lora_weights", "as many as there are 'loras'");
  if (hashes.size() != names.size()) settings.wrong("lora_hashes", "as many as there are 'loras'");
  if (!std::ranges::all_of(names, is_network_name))
    settings.wrong("loras", "names of 1 to 255 bytes");
  if (!std::ranges::all_of(weights, is_network_weights))
    settings.wrong("lora_weights", "'te=1 unet=0.5' with finite numbers, and ' lbw=1,0.5' behind");
  if (!std::ranges::all_of(hashes, is_network_hash))
    settings.wrong("lora_hashes", "SHA-256 of 64 digits");
  std::vector<InversionNetwork> networks;
  for (std::size_t i = 0; i < names.size(); ++i)
    networks.push_back({names[i], weights[i], hashes[i]});
  return networks;
}

/// Keys of one kind of addition.
struct AdditionKeys {
  const char *names, *settings, *hashes, *pictures;
};
constexpr AdditionKeys kControlKeys = {"controls", "control_settings", "control_hashes",
                                       "control_pictures"};
constexpr AdditionKeys kImagePromptKeys = {"ip_adapters", "ip_adapter_settings",
                                           "ip_adapter_hashes", "ip_adapter_pictures"};

std::vector<InversionAddition> additions_of(const Settings& settings, const AdditionKeys& keys) {
  const auto names = settings.texts(keys.names);
  const auto beside = [&](const char* key) {
    auto found = settings.texts(key);
    if (found.size() != names.size())
      settings.wrong(key, fmt::format("as many as there are '{}'", keys.names));
    return found;
  };
  const auto how = beside(keys.settings), hashes = beside(keys.hashes),
             pictures = beside(keys.pictures);
  if (!std::ranges::all_of(names, is_network_name))
    settings.wrong(keys.names, "names of 1 to 255 bytes");
  if (!std::ranges::all_of(how, is_addition_settings))
    settings.wrong(keys.settings, "'weight=1 steps=0:1', words of at most 4096 bytes");
  const auto is_told = [](std::string_view hash) { return hash.empty() || is_network_hash(hash); };
  for (const auto& [key, list] : {std::pair(keys.hashes, &hashes), {keys.pictures, &pictures}}) {
    if (!std::ranges::all_of(*list, is_told))
      settings.wrong(key, "SHA-256 of 64 digits, or nothing");
  }
  std::vector<InversionAddition> additions;
  for (std::size_t i = 0; i < names.size(); ++i)
    additions.push_back({names[i], how[i], hashes[i], pictures[i]});
  return additions;
}

void put_additions(nlohmann::ordered_json& settings,
                   const std::vector<InversionAddition>& additions, const AdditionKeys& keys) {
  for (const auto& [name, how, hash, picture] : additions) {
    settings[keys.names].push_back(name);
    settings[keys.settings].push_back(how);
    settings[keys.hashes].push_back(hash);
    settings[keys.pictures].push_back(picture);
  }
}

InversionFacts facts_of(const Settings& settings) {
  InversionFacts facts;
  const auto method = find_inversion_method(settings.text("method"));
  if (!method || *method == InversionMethod::kDdcm) {
    settings.wrong("method", "direct, ddim, npi, null-text or edit-friendly");
  }
  const auto sampler = find_sampler(settings.text("sampler"));
  if (!sampler) settings.wrong("sampler", "a sampler's name");
  facts.method = *method;
  facts.sampler = sampler->kind;
  facts.prompt = settings.text("prompt");
  facts.steps = settings.whole("steps", kMostSteps);
  facts.guidance = settings.number("guidance");
  facts.picture = settings.text("picture");
  facts.model = settings.text("model");
  facts.model_name = settings.text("model_name");
  facts.networks = networks_of(settings);
  facts.controls = additions_of(settings, kControlKeys);
  facts.image_prompts = additions_of(settings, kImagePromptKeys);
  return facts;
}

/// A tensor's values in a file that lists it. `-1` in `expected` fits any size up to `most`.
template <typename Number>
std::vector<Number> values_of(const TensorSource& tensors, std::string_view name, DType dtype,
                              std::span<const int64_t> expected, std::vector<int64_t>& shape) {
  if (!tensors.contains(name)) {
    fail(tensors.label(), fmt::format("an inversion without its tensor '{}'", name));
  }
  const auto view = tensors.at(name);
  const bool fits =
      view.dtype == dtype && view.shape.size() == expected.size() &&
      std::equal(view.shape.begin(), view.shape.end(), expected.begin(),
                 [](int64_t found, int64_t wanted) { return wanted < 0 || found == wanted; });
  if (!fits) {
    fail(tensors.label(),
         fmt::format("'{}' is {} {}, expected {} {} (-1: any size)", name, name_of(view.dtype),
                     shape_text(view.shape), name_of(dtype), shape_text(expected)));
  }
  shape = view.shape;
  std::vector<Number> values(view.bytes.size() / sizeof(Number));
  if (!values.empty()) std::memcpy(values.data(), view.bytes.data(), view.bytes.size());
  const bool finite =
      std::all_of(values.begin(), values.end(), [](Number value) { return std::isfinite(value); });
  if (!finite) fail(tensors.label(), fmt::format("'{}' holds NaN or infinity", name));
  return values;
}

InversionTensor tensor_of(const TensorSource& tensors, std::string_view name,
                          std::vector<int64_t> expected) {
  InversionTensor tensor;
  tensor.values = values_of<float>(tensors, name, DType::kF32, expected, tensor.shape);
  return tensor;
}

std::vector<double> numbers_of(const TensorSource& tensors, std::string_view name,
                               int64_t expected) {
  std::vector<int64_t> shape;
  return values_of<double>(tensors, name, DType::kF64, std::array{expected}, shape);
}

void check_sizes(const InversionFile& file, const std::string& label) {
  const auto& shape = file.path.shape;
  const bool sane = shape[0] >= 2 && shape[0] <= kMostSteps + 1 && shape[1] >= 1 &&
                    shape[1] <= kMostChannels && std::min(shape[2], shape[3]) >= 1 &&
                    std::max(shape[2], shape[3]) <= kMostSide;
  if (!sane || file.steps < shape[0] - 1) {
    fail(label, fmt::format("'path' is {}, expected [steps + 1, channels, height, width] of at "
                            "most {} steps",
                            shape_text(shape), file.steps));
  }
}

void check_levels(const InversionFile& file, const std::string& label) {
  const auto& alphas = file.alphas;
  const bool rise =
      std::adjacent_find(alphas.begin(), alphas.end(), std::greater_equal<>()) == alphas.end() &&
      alphas.front() >= 0 && alphas.back() <= 1;
  const auto& times = file.timesteps;
  const bool fall = std::adjacent_find(times.begin(), times.end(), std::less<>()) == times.end() &&
                    times.back() >= 0 && times.front() <= kMostTimestep;
  if (!rise || !fall) fail(label, "its noise levels do not fall from step to step");
}

TensorView view_of(const std::vector<int64_t>& shape, std::span<const std::byte> bytes,
                   DType dtype) {
  return {dtype, shape, {}, bytes, nullptr, nullptr};
}

}  // namespace

InversionFile parse_inversion(std::span<const std::byte> bytes, const std::string& label) {
  const auto tensors = open_safetensors({bytes, nullptr, nullptr}, label);
  const auto* format = metadata_of(*tensors, kFormatKey);
  if (!format || !format->starts_with("sd.inversion.")) {
    fail(label, "not an inversion: expected a file that 'sd invert' wrote");
  }
  if (*format != kFormat) {
    fail(label, fmt::format("an inversion of the kind '{}', expected '{}': it was written by "
                            "another version of sd; invert the picture again",
                            format->substr(0, 40), kFormat));
  }
  InversionFile file;
  static_cast<InversionFacts&>(file) = facts_of(Settings(*tensors, label));
  file.path = tensor_of(*tensors, "path", {-1, -1, -1, -1});
  check_sizes(file, label);
  const auto& shape = file.path.shape;
  const int64_t steps = shape[0] - 1;
  file.alphas = numbers_of(*tensors, "alphas", steps + 1);
  file.timesteps = numbers_of(*tensors, "timesteps", steps);
  check_levels(file, label);
  file.context = tensor_of(*tensors, "context", {-1, -1});
  const auto& context = file.context.shape;
  if (context[0] < 1 || context[1] < 1) fail(label, "'context' is empty");
  if (file.method == InversionMethod::kNullText) {
    if (tensors->contains("latents"))
      file.latents = tensor_of(*tensors, "latents", {1, shape[1], shape[2], shape[3]});
    const int64_t done = file.latents.empty() ? steps : -1;
    file.unconditional = tensor_of(*tensors, "unconditional", {done, context[0], context[1]});
    if (file.unconditional.shape[0] < 1 || file.unconditional.shape[0] > steps)
      fail(label, "'unconditional' has more steps than the path");
  }
  if (file.method == InversionMethod::kEditFriendly) {
    file.noises = tensor_of(*tensors, "noises", {steps, shape[1], shape[2], shape[3]});
  }
  return file;
}

InversionFile read_inversion(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  return with_files_unchanged([&] { return parse_inversion(file->bytes(), path.string()); });
}

void write_inversion(const std::filesystem::path& path, const InversionFile& file, bool overwrite) {
  std::vector<NamedTensor> tensors;
  const auto add = [&](const char* name, const InversionTensor& tensor) {
    if (tensor.empty()) return;
    tensors.push_back(
        {name, view_of(tensor.shape, std::as_bytes(std::span(tensor.values)), DType::kF32)});
  };
  const auto add_numbers = [&](const char* name, const std::vector<double>& numbers) {
    tensors.push_back({name, view_of({static_cast<int64_t>(numbers.size())},
                                     std::as_bytes(std::span(numbers)), DType::kF64)});
  };
  add_numbers("alphas", file.alphas);
  add_numbers("timesteps", file.timesteps);
  add("path", file.path);
  add("context", file.context);
  add("unconditional", file.unconditional);
  add("noises", file.noises);
  add("latents", file.latents);
  nlohmann::ordered_json settings = {{"method", name_of(file.method)},
                                     {"prompt", file.prompt},
                                     {"sampler", info_of(file.sampler).name},
                                     {"steps", file.steps},
                                     {"guidance", file.guidance},
                                     {"picture", file.picture},
                                     {"model", file.model},
                                     {"model_name", file.model_name}};
  for (const auto& network : file.networks) {
    settings["loras"].push_back(network.name);
    settings["lora_weights"].push_back(network.weights);
    settings["lora_hashes"].push_back(network.hash);
  }
  put_additions(settings, file.controls, kControlKeys);
  put_additions(settings, file.image_prompts, kImagePromptKeys);
  const auto text = settings.dump(-1, ' ', false, Json::error_handler_t::replace);
  write_safetensors(
      path, tensors,
      {{std::string(kFormatKey), std::string(kFormat)}, {std::string(kSettingsKey), text}},
      overwrite);
}

bool looks_like_inversion(const std::filesystem::path& path) {
  try {
    const auto file = MappedFile::open(path);
    const auto tensors = open_safetensors({file->bytes(), nullptr, nullptr}, path.string());
    const auto* format = metadata_of(*tensors, kFormatKey);
    return format && format->starts_with("sd.inversion.");
  } catch (const Error&) {
    return false;
  }
}

}  // namespace sd
