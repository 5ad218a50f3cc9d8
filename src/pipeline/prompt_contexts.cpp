#include "pipeline/prompt_contexts.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "pipeline/batch_rows.h"
#include "pipeline/check.h"
#include "pipeline/inversion_draw.h"
#include "pipeline/model_parts.h"
#include "sd/core/error.h"
#include "sd/models/latent_diffusion.h"
#include "sd/text/embedded_words.h"

namespace sd {
namespace {

PromptReader reader(const LoadedModel& model, const DrawRequest& request, int64_t num_steps,
                    int64_t chunks) {
  return {tokenizer_of(model, request), request.prompt_syntax, std::max<int64_t>(num_steps, 1),
          chunks};
}

AddedVectors added_vectors(const LoadedModel& model, const DrawRequest& request) {
  if (!request.embeddings) return {};
  const auto values = request.embeddings->values();
  const auto width = model.config.text.width;
  for (const auto& embedding : request.embeddings->embeddings()) {
    if (embedding.width == width) continue;
    throw UsageError(fmt::format("embeddings: '{}' is {} wide, the model's text encoder {}",
                                 embedding.name, embedding.width, width));
  }
  return {at::tensor(values, at::TensorOptions().dtype(at::kFloat))
              .view({-1, width})
              .to(torch::Device(model.device)),
          request.embeddings->first_id()};
}

/// Multiplies each token's vector by its weight; the mean of a chunk is put back to what it was, as
/// AUTOMATIC1111's web UI does. `context` is [chunks,T,D].
torch::Tensor weigh(const torch::Tensor& context, const std::vector<float>& weights) {
  if (std::all_of(weights.begin(), weights.end(), [](float weight) { return weight == 1; })) {
    return context;
  }
  const auto whole = context.to(at::kFloat);
  const auto factors = at::tensor(weights, at::TensorOptions().dtype(at::kFloat))
                           .to(context.device())
                           .view({context.size(0), context.size(1), 1});
  const auto weighed = whole * factors;
  const auto before = whole.mean({1, 2}, true), after = weighed.mean({1, 2}, true);
  return (weighed * (before / after)).to(context.scalar_type());
}

}  // namespace

std::shared_ptr<const Tokenizer> tokenizer_of(const LoadedModel& model,
                                              const DrawSettings& settings) {
  if (settings.embeddings) return settings.embeddings;
  return model.tokenizer;
}

PromptContexts::PromptContexts(const LoadedModel& model, const DrawRequest& request,
                               int64_t num_steps, const BatchNetworks& networks)
    : model_(model),
      request_(request),
      num_steps_(num_steps),
      networks_(networks),
      added_(added_vectors(model, request)),
      chunks_(request.prompt_chunks) {
  const auto one = reader(model, request, num_steps, 1);
  for (const auto& prompt : BatchRows::prompts(request)) {
    chunks_ = std::max(chunks_, one.chunks_of(prompt));
  }
  for (const auto& edit : request.concept_edits) {
    chunks_ = std::max(chunks_, one.chunks_of(edit.concept_text));
  }
  auto negative = request.negative_prompts;
  if (negative.empty()) negative.push_back(request.negative_prompt);
  for (const auto& prompt : negative) chunks_ = std::max(chunks_, one.read(prompt).front().chunks);
}

PromptContexts::Row PromptContexts::encode(const std::vector<PromptVariant>& variants,
                                           int64_t own_row) const {
  const auto text = use_part(model_, ModelPart::kText);
  std::optional<AddingToLayers> adding;
  if (auto weights = networks_.of_prompt(own_row); !weights.empty())
    adding.emplace(networks_.additions(), std::move(weights));
  Row row;
  for (const auto& variant : variants) {
    const auto ids = at::tensor(variant.tokens.ids, at::kLong)
                         .view({variant.chunks, -1})
                         .to(torch::Device(model_.device));
    auto context =
        model_.model->text->forward(ids, model_.compute_dtype, request_.clip_skip - 1, added_);
    require_finite(context, "text encoder");
    context = weigh(context, variant.weights);
    require_finite(context, "text encoder, weighed prompt");
    row.changes.emplace_back(variant.first_step, context.reshape({1, -1, context.size(2)}));
  }
  return row;
}

const std::vector<PromptContexts::Row>& PromptContexts::parts_of(const std::string& prompt,
                                                                 int64_t row) {
  const std::pair key(prompt, networks_.key_of(row));
  const auto found = encoded_.find(key);
  if (found != encoded_.end()) return found->second;
  std::vector<Row> parts;
  for (const auto& part : reader(model_, request_, num_steps_, chunks_).read_parts(prompt)) {
    parts.push_back(encode(part.variants, row));
  }
  return encoded_.emplace(key, std::move(parts)).first->second;
}

std::vector<int64_t> PromptContexts::token_positions(const std::string& prompt) const {
  const auto tokens = reader(model_, request_, num_steps_, chunks_).encode(prompt);
  std::vector<int64_t> positions;
  for (std::size_t i = 0; i < tokens.tokens.size(); ++i) positions.push_back(tokens.position(i));
  return positions;
}

void PromptContexts::add(const std::vector<std::string>& prompts, int64_t part) {
  for (std::size_t row = 0; row < prompts.size(); ++row) {
    const auto& parts = parts_of(prompts[row], static_cast<int64_t>(row));
    rows_.push_back(parts[std::min(static_cast<std::size_t>(part), parts.size() - 1)]);
  }
  context_ = torch::Tensor();
}

const PromptContexts::Row& PromptContexts::negative_of(const std::string& prompt, int64_t own_row) {
  const std::pair key(prompt, networks_.key_of(own_row));
  const auto found = negative_.find(key);
  if (found != negative_.end()) return found->second;
  const int64_t own = reader(model_, request_, num_steps_, 1).read(prompt).front().chunks;
  const bool repeats = chunks_ % own == 0;
  auto row =
      encode(reader(model_, request_, num_steps_, repeats ? own : chunks_).read(prompt), own_row);
  for (auto& [step, context] : row.changes) {
    if (repeats && own < chunks_) context = context.repeat({1, chunks_ / own, 1});
  }
  return negative_.emplace(key, std::move(row)).first->second;
}

PromptContexts::Row PromptContexts::optimised_negative() const {
  const auto& contexts = request_.inversion->unconditional;  // [S,K,D]
  const int64_t tokens = contexts.size(1),
                wanted = chunks_ * tokenizer_of(model_, request_)->length();
  if (wanted % tokens != 0) {
    throw UsageError(
        fmt::format("the picture was inverted with prompts of {} tokens, and those drawn have "
                    "{}\nShorten them, "
                    "or invert it with a source prompt as long as theirs.",
                    tokens, wanted));
  }
  Row row;
  for (int64_t step = 0; step < contexts.size(0); ++step) {
    row.changes.emplace_back(step, contexts.narrow(0, step, 1)
                                       .to(torch::Device(model_.device), model_.compute_dtype)
                                       .repeat({1, wanted / tokens, 1}));
  }
  return row;
}

void PromptContexts::add_negative(int64_t rows) {
  if (negates_source(request_)) {
    for (int64_t row = 0; row < rows; ++row)
      rows_.push_back(parts_of(request_.inversion->prompt, row).front());
    context_ = torch::Tensor();
    return;
  }
  if (request_.inversion && request_.inversion->unconditional.defined() &&
      request_.inversion->method == InversionMethod::kNullText) {
    rows_.insert(rows_.end(), static_cast<std::size_t>(rows), optimised_negative());
    context_ = torch::Tensor();
    return;
  }
  const auto& own = request_.negative_prompts;
  for (int64_t row = 0; row < rows; ++row) {
    rows_.push_back(negative_of(
        own.empty() ? request_.negative_prompt : own[static_cast<std::size_t>(row) % own.size()],
        row));
  }
  context_ = torch::Tensor();
}

torch::Tensor PromptContexts::at(int64_t step) {
  std::vector<std::size_t> wanted;
  for (const auto& row : rows_) {
    std::size_t change = 0;
    while (change + 1 < row.changes.size() && row.changes[change + 1].first <= step) ++change;
    wanted.push_back(change);
  }
  if (context_.defined() && wanted == current_) return context_;
  std::vector<torch::Tensor> contexts;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    contexts.push_back(rows_[i].changes[wanted[i]].second);
  }
  current_ = std::move(wanted);
  return context_ = at::cat(contexts);
}

std::vector<std::vector<double>> part_weights(const LoadedModel& model,
                                              const DrawRequest& request) {
  const auto one = reader(model, request, 1, 1);
  const auto prompts = BatchRows::prompts(request);
  std::vector<std::vector<double>> weights;
  bool composed = false;
  for (std::size_t row = 0; row < prompts.size(); ++row) {
    const auto parts = one.part_weights(prompts[row]);
    composed |= parts.size() > 1;
    weights.resize(std::max(weights.size(), parts.size()), std::vector<double>(prompts.size()));
    for (std::size_t part = 0; part < parts.size(); ++part) weights[part][row] = parts[part];
  }
  if (!composed) weights.clear();
  return weights;
}

}  // namespace sd
