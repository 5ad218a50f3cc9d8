#include "cli/plan/plan_context.h"

#include <tuple>

namespace sd::cli {
namespace {

auto key_of(const ModelFiles& files) {
  return std::tie(files.checkpoint, files.config, files.separate.vae, files.separate.clip,
                  files.prediction);
}

}  // namespace

std::shared_ptr<const InspectedModel> inspected_model(const ModelFiles& files,
                                                      PlanContext& context) {
  auto& known = context.inspected;
  if (known && key_of(known->files) == key_of(files)) return known;
  auto config = inspect_model(files);
  auto tokenizer = make_tokenizer(config.text);
  known = std::make_shared<const InspectedModel>(
      InspectedModel{files, std::move(config), std::move(tokenizer)});
  return known;
}

}  // namespace sd::cli
