#include "sd/pipeline/vocabulary.h"

#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>
#include <c10/core/InferenceMode.h>

#include "pipeline/guard.h"
#include "pipeline/model_parts.h"
#include "sd/models/latent_diffusion.h"

namespace sd {
namespace {

torch::Tensor token_embedding(TextEncoderImpl& text) {  // [vocabulary,width]
  for (const auto& parameter : text.named_parameters()) {
    for (const char* name : {"token_embedding.weight", "token_emb.weight"}) {
      if (parameter.key().ends_with(name)) return parameter.value();
    }
  }
  throw Error("the text encoder has no token embedding");
}

}  // namespace

std::vector<bool> learnt_ids(const LoadedModel& model, const std::vector<int64_t>& ids) {
  return guard_torch("looking at the token embedding", [&] {
    const c10::InferenceMode inference;
    const auto text = use_part(model, ModelPart::kText);
    const auto table = token_embedding(*model.model->text);
    auto own = ids;
    std::erase_if(own, [&](int64_t id) { return id >= table.size(0); });
    const auto rows = table.index_select(0, at::tensor(own, at::kLong).to(table.device()));
    const auto any = rows.ne(0).any(1).cpu().contiguous();  // [N]
    const bool* learnt = any.const_data_ptr<bool>();
    std::vector<bool> known;
    for (const int64_t id : ids) known.push_back(id >= table.size(0) || *learnt++);
    return known;
  });
}

}  // namespace sd
