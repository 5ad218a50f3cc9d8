#include "sd/pipeline/inspect.h"

#include <system_error>

#include "sd/models/config.h"

namespace sd {

std::optional<std::filesystem::path> sidecar_config(const std::filesystem::path& path) {
  const auto checkpoint = weights_path(path);
  auto yaml = checkpoint;
  yaml.replace_extension(".yaml");
  std::error_code ignored;
  if (std::filesystem::is_regular_file(checkpoint, ignored) &&
      std::filesystem::is_regular_file(yaml, ignored)) {
    return yaml;
  }
  return std::nullopt;
}

ModelConfig settle_config(const OpenedModel& opened, const ModelFiles& files) {
  const ModelConfig base = opened.config ? *opened.config : published_config(*opened.tensors);
  const auto yaml = files.config ? files.config : sidecar_config(files.checkpoint);
  if (!yaml) {
    const auto detected = detect_config(*opened.tensors, base);
    if (opened.config) check_config(base, detected, "config.json", opened.tensors->label());
    validate_config(detected, opened.tensors->label());
    return detected;
  }
  const auto wanted = read_config(*yaml, base);
  const auto detected = detect_config(*opened.tensors, wanted);
  check_config(wanted, detected, yaml->string(), opened.tensors->label());
  return detected;
}

ModelConfig inspect_model(const ModelFiles& files) {
  return settle_config(open_model(files.checkpoint), files);
}

}  // namespace sd
