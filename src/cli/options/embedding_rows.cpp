// Words that were learnt beside a model.
#include <nlohmann/json.hpp>

#include "cli/options/option_table.h"

namespace sd::cli {
namespace {

OptionValue embedding_files() {
  auto value = repeated(
      "FILE", [](DrawOptions& options, const std::string& option, const std::string& text) {
        if (text.empty()) throw_empty_path(option);
        options.embeddings.emplace_back(text);
      });
  value.tell = [](const DrawOptions& options) {
    auto names = OptionValue::Json::array();
    for (const auto& path : options.embeddings) names.push_back(path.filename().string());
    return names;
  };
  value.is_set = values::set_in(&DrawOptions::embeddings);
  return value;
}

}  // namespace

std::vector<OptionRow> embedding_rows() {
  return {
      {.names = "embedding",
       .synonyms = "embeddings,embedding_path,textual_inversion",
       .group = "Added to the model",
       .help = "A learnt word (textual inversion: .pt, .bin,\n.safetensors, .png) for prompts that "
               "have its name in\nthem, negative ones too. May be given again; those in\n"
               "SD_EMBEDDING_DIR are found by their names",
       .value = embedding_files(),
       .role = Role::kModelFile,
       .told_by = "embeddings"},
  };
}

}  // namespace sd::cli
