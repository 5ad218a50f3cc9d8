#include "pipeline/noise_model.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <utility>

#include "nn/gpu.h"
#include "pipeline/guidance_watch.h"
#include "pipeline/inversion_draw.h"
#include "pipeline/part_maps.h"
#include "pipeline/recorded_unet.h"
#include "pipeline/start.h"
#include "sd/models/latent_diffusion.h"
#include "sd/nn/equal_rows.h"

namespace sd {
namespace {

/// `more` below `rows`, which may be undefined.
torch::Tensor below(const torch::Tensor& rows, const torch::Tensor& more) {
  return rows.defined() ? at::cat({rows, more}) : more;
}

/// What the rows of all passes see of pictures that are followed; `acting` as
/// rows_with_image_prompts says it of one pass, `negated`:
/// what stands for the negative prompt is the source, which saw the pictures when it was inverted.
std::vector<ImageSight> sights_of(const std::vector<bool>& sees_prompt,
                                  const std::vector<bool>& acting, bool negated) {
  std::vector<ImageSight> sights;
  for (std::size_t row = 0; row < sees_prompt.size(); ++row) {
    const bool acts = acting.empty() || acting[row % acting.size()];
    sights.push_back(!acts                         ? ImageSight::kNothing
                     : sees_prompt[row] || negated ? ImageSight::kPicture
                                                   : ImageSight::kBlank);
  }
  return sights;
}

}  // namespace

Guidance guidance_of(const LoadedModel& model, const DrawRequest& request) {
  Guidance guidance{request};
  if (const auto& own = request.guidance_scales; !own.empty()) {
    const auto rows = BatchRows::of(request).total();
    for (int64_t row = 0; row < rows; ++row)
      guidance.row_scales.push_back(own[static_cast<std::size_t>(row) % own.size()]);
  }
  if (const auto scale = source_scale(request)) {
    const auto rows = BatchRows::of(request);
    auto& scales = guidance.row_scales;
    if (scales.empty())
      scales.assign(static_cast<std::size_t>(rows.total()), request.guidance_scale);
    std::fill(scales.begin() + rows.target_rows(), scales.end(), *scale);
  }
  if (negates_source(request) && request.inversion->proximal > 0)
    guidance.proximal =
        ProximalGuidance{request.inversion->proximal, request.inversion->proximal_norm};
  if (model.config.extra() == UNetExtra::kPicture) {
    guidance.picture_scale = request.image_guidance_scale;
  }
  if (!weighs_attention(request)) {
    guidance.part_weights = part_weights(model, request);
    guidance.part_maps = row_part_maps(model, request);
  }
  for (const auto& edit : request.concept_edits) {
    if (edit.scale != 0) guidance.edits.push_back(edit);
  }
  if (!guidance.edits.empty()) {
    const auto rows = BatchRows::of(request);
    guidance.edited_rows.assign(static_cast<std::size_t>(rows.target_rows()), 1.0);
    guidance.edited_rows.resize(static_cast<std::size_t>(rows.total()), 0.0);
  }
  if (model.config.unet.time_cond_width > 0) {  // the model takes the scale beside the time
    guidance.guidance_scale = 1;
    guidance.row_scales.clear();
  }
  if (request.acts) guidance.watch = watch_of(request.acts);
  guidance.velocity = model.config.prediction == Prediction::kVelocity;
  guidance.alpha = [table = SigmaTable(noise_schedule(model.config, request))](double t) {
    return table.alpha(t);
  };
  return guidance;
}

BatchNoiseModel::BatchNoiseModel(const LoadedModel& model, const DrawRequest& request,
                                 const torch::Tensor& extra, std::vector<double> timesteps,
                                 std::shared_ptr<ControlRun> controls, int64_t* calls)
    : model_(model),
      sigmas_(noise_schedule(model.config, request)),
      networks_(std::make_shared<BatchNetworks>(model.layers.get(), request.networks,
                                                BatchRows::of(request).total())),
      contexts_(model, request, static_cast<int64_t>(timesteps.size()), *networks_),
      controls_(std::move(controls)),
      times_(std::make_shared<TimeTable>(std::move(timesteps))),
      calls_(calls) {
  controller_ = request.controller;
  run_.step = {-1, static_cast<int64_t>(times_->timesteps().size()), 0, 0};
  run_.token_merging = request.token_merging;
  if (request.deepcache != 1) features_ = std::make_shared<FeatureCache>(request.deepcache);
  run_.features = features_.get();
  if (model.recorded) {
    turn_ = std::make_shared<std::unique_lock<std::mutex>>(model.recorded->take_turn());
  }
  guidance_ = guidance_of(model, request);
  pass_rows_ = BatchRows::of(request).total();
  perturbs_ = guidance_.added.perturbs();
  concept_rows_ = static_cast<int64_t>(guidance_.edits.size()) * pass_rows_;
  int64_t part = 0, number = 0;  // of the conditional passes, and of the concepts'
  for (const auto pass : guidance_.passes()) {
    add_pass(request, pass, pass == GuidancePass::kConcept ? number++ : part, extra);
    if (pass == GuidancePass::kConditional) ++part;
  }
  if (request.sharing != nullptr && request.sharing->count() > 0)
    sharing_ = std::make_shared<SharingRun>(model, request);
  if (!request.image_prompts.empty()) {
    const bool negated = negates_source(request) && !request.inversion->image_prompts.empty();
    images_ = std::make_shared<ImageRows>(
        request.image_prompts, sights_of(sees_prompt_, rows_with_image_prompts(request), negated),
        model.compute_dtype);
  }
  make_edits(request);
}

void BatchNoiseModel::add_pass(const DrawRequest& request, GuidancePass pass, int64_t part,
                               const torch::Tensor& extra) {
  const auto rows = BatchRows::of(request);
  const bool perturbed = pass == GuidancePass::kPerturbed;
  const bool of_concept = pass == GuidancePass::kConcept;
  if (!perturbed && !of_concept) {  // no controller is to see or to change those rows
    const auto groups = rows.groups(pass, contexts_.rows(), part);
    groups_.insert(groups_.end(), groups.begin(), groups.end());
  }
  const bool sees_prompt = pass == GuidancePass::kConditional || perturbed;
  sees_prompt_.insert(sees_prompt_.end(), static_cast<std::size_t>(rows.total()), sees_prompt);
  if (sees_prompt) {
    contexts_.add(BatchRows::prompts(request), part);
  } else if (of_concept) {
    const auto& text = guidance_.edits[static_cast<std::size_t>(part)].concept_text;
    contexts_.add(std::vector<std::string>(static_cast<std::size_t>(rows.total()), text));
  } else {
    contexts_.add_negative(rows.total());
  }
  if (!extra.defined()) return;
  const auto one_a_sample = extra.expand({rows.samples, -1, -1, -1}).to(model_.compute_dtype);
  const auto spread = rows.spread(one_a_sample);
  extra_ = below(extra_, pass == GuidancePass::kBlind ? at::zeros_like(spread) : spread);
}

void BatchNoiseModel::set_step(double t, int64_t step, const Call& call) {
  if (step == run_.step.step) {
    ++run_.step.evaluation;  // the step keeps the timestep it began with
  } else {
    run_.step = {step, run_.step.num_steps, t, 0};
  }
  run_.rows.clear();
  if (call.again) return;
  for (auto group : groups_) {
    if (group.begin < call.first) continue;
    group.begin -= call.first;
    run_.rows.push_back(group);
  }
}

torch::Tensor BatchNoiseModel::context_of(int64_t step, const Call& call) {
  const auto all = contexts_.at(step);
  if (!all.is_same(context_)) {
    context_ = all;
    last_contexts_ = again_context_ = torch::Tensor();
    if (features_) features_->forget();
  }
  if (call.count == all.size(0)) return all;
  // One tensor for all steps: what is computed from it once can be told by it. Steps without
  // concepts and those without guidance do with other rows.
  auto& some = call.again ? again_context_ : last_contexts_;
  if (!some.defined() || some.size(0) != call.count) some = all.narrow(0, call.first, call.count);
  return some;
}

void BatchNoiseModel::set_columns(std::optional<ColumnEdit> edit, const torch::Tensor& like) {
  if (edit == columns_) return;
  columns_ = std::move(edit);
  *prompt_ = PromptCache();  // what it keeps was made under the other edit
  if (!columns_) {
    columns_there_ = nullptr;
  } else {
    columns_there_ = std::make_shared<const ColumnEdit>(
        ColumnEdit{columns_->shares, columns_->matrices.to(like.device())});
  }
}

void BatchNoiseModel::take_columns(const torch::Tensor& context) {
  auto use = controller_ == nullptr || run_.rows.empty() ? StepUse::kNone : StepUse::kOther;
  if (use == StepUse::kOther && gpu::takes_half(context) && run_.images == nullptr) {
    use = controller_->step_use(run_.step, run_.rows);
  }
  std::optional<ColumnEdit> edit;
  if (use == StepUse::kColumns) {
    edit = column_edit_of(*controller_, run_.step, run_.rows, context.size(1));
  }
  set_columns(std::move(edit), context);
  run_.controller = use == StepUse::kOther ? controller_ : nullptr;
  run_.columns = columns_there_.get();
}

torch::Tensor BatchNoiseModel::evaluate(const torch::Tensor& input, const torch::Tensor& context) {
  take_columns(context);
  run_.residuals = controls_ ? controls_->residuals(input, timestep_, context, run_) : nullptr;
  return forward(input, context, run_);
}

void BatchNoiseModel::take_networks(int64_t rows) {
  auto weights = networks_->of_step(run_.step.step, run_.step.num_steps, rows);
  if (weights != network_weights_) {
    // What is kept was made with others.
    *prompt_ = PromptCache();
    *note_prompt_ = PromptCache();
    if (features_) features_->forget();
    network_weights_ = std::move(weights);
  }
}

torch::Tensor BatchNoiseModel::forward(const torch::Tensor& input, const torch::Tensor& context,
                                       const ForwardContext& run) {
  auto& unet = *model_.model->unet;
  if (!network_weights_.empty()) {
    const AddingToLayers adding(networks_->additions(), network_weights_);
    return unet.forward(input, timestep_, context, run);
  }
  if (turn_ == nullptr) return unet.forward(input, timestep_, context, run);
  return model_.recorded->forward(input, timestep_, context, run);
}

void BatchNoiseModel::take_images(const Call& call) {
  if (!images_) return;
  const auto* images = images_->at(run_.step.step, run_.step.num_steps, call.first, call.count);
  if (images != run_.images && features_) features_->forget();
  run_.images = images;
}

torch::Tensor BatchNoiseModel::operator()(const torch::Tensor& x, double t, int64_t step) {
  return predict(x, t, step, {contexts_.rows() - x.size(0), x.size(0), false});
}

torch::Tensor BatchNoiseModel::again(const torch::Tensor& x, double t, int64_t step) {
  return predict(x, t, step, {concept_rows_ + (perturbs_ ? pass_rows_ : 0), x.size(0), true});
}

torch::Tensor BatchNoiseModel::predict(const torch::Tensor& x, double t, int64_t step,
                                       const Call& call) {
  ++*calls_;
  set_step(t, step, call);
  take_images(call);
  const bool divides = networks_->divide_rows();
  // Rows that the table knows nothing of: other LoRAs in what is made of the time, other scales.
  const bool by_table = !networks_->touch_time() && embedded_scales_.size() < 2;
  run_.time_row = by_table ? times_->row_of(t) : std::nullopt;
  if (!run_.time_row || !timestep_.defined()) {
    timestep_ = at::full({divides && networks_->touch_time() ? call.count : 1}, t, x.options());
  }
  torch::Tensor input = x.to(model_.compute_dtype);
  if (extra_.defined()) {
    input = at::cat({input, extra_.narrow(0, call.first, call.count)}, 1);
  }
  // On a GPU a comparison would wait for it.
  if (input.is_cpu() && !divides) run_.same_as = find_equal_rows(input);
  run_.prompt = prompt_.get();
  run_.times = times_.get();
  set_edits(call);
  const auto context = context_of(step, call);
  take_networks(call.count);
  const bool refers = sharing_ && !call.again && sharing_->refers(run_.step);
  if (refers) note_reference(context, sigmas_.alpha(t), call);
  auto predicted = evaluate(input, context).to(at::kFloat);
  if (sharing_ && !call.again) predicted = pushed_by_sharing(predicted, input, context);
  if (model_.config.prediction != Prediction::kVelocity) return predicted;
  return eps_from_velocity(predicted, x, sigmas_.alpha(t));
}

ConceptAttention concept_attention_of(const std::shared_ptr<BatchNoiseModel>& model) {
  return [model](std::size_t edit) { return model->concept_attention(edit); };
}

SelfAttentionModel self_attention_of(const std::shared_ptr<BatchNoiseModel>& model) {
  return {
      [model](const torch::Tensor& x, double t, int64_t step) { return model->again(x, t, step); },
      [model] { return model->attention(); }};
}

}  // namespace sd
