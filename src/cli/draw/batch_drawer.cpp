#include "cli/draw/batch_drawer.h"

#include <ATen/ops/cat.h>

#include <algorithm>
#include <span>
#include <utility>

#include "cli/draw/added_inputs.h"
#include "cli/draw/draw_sharing.h"
#include "cli/options/seed_rule.h"
#include "sd/control/masked_swap.h"

namespace sd::cli {
BatchDrawer::BatchDrawer(const Drawing& drawing, const LoadedModel& model, const RunInputs& inputs,
                         const std::vector<std::shared_ptr<const LoadedControl>>& nets,
                         RunControls& controls, AttnRun& attn, RunWords& words)
    : plan_(drawing.plan),
      shares_cells_(drawing.cells != nullptr),
      model_(model),
      inputs_(inputs),
      nets_(control_uses_of(plan_.options.nets, inputs, nets)),
      run_controls_(controls),
      attn_(attn),
      words_(words),
      previews_(plan_, model, words),
      noise_(seed_rule_of(plan_.options), torch::Device(model.device)),
      start_(inputs.start),
      image_prompts_(image_prompts_of(model, plan_.options.image_prompts, inputs)),
      inversion_(run_inversion(plan_, model, inputs)),
      appearance_(run_appearance(plan_, model, inputs, inversion_.get())),
      auto_masks_(plan_, model, inputs) {
  if (plan_.place) return;  // a task of many
  for_each_batch(plan_, [&](const Batch& batch) {
    if (wants_any(plan_, batch)) last_batch_ = batch.number;
  });
}

DrawResult BatchDrawer::draw(const Batch& batch) {
  previews_.begin_batch();
  auto request = request_for(batch);
  attach_controls(request, batch);
  auto result = run(batch, request);
  if (controls_.blend) run_controls_.note(*controls_.blend);
  run_controls_.note(request);
  run_controls_.note_mask(request.mask ? *request.mask : swap_mask());
  run_controls_.note_regions(inputs_.region_maps);
  return result;
}

void BatchDrawer::skip(const Batch& batch) {
  if (shares_cells_ || plan_.options.seed_mode == SeedMode::kImage) return;
  if (plan_.options.only && batch.first_sample >= *plan_.options.only) return;
  auto request = request_for(batch);
  request.noise_only = true;
  run(batch, request);
}

DrawResult BatchDrawer::run(const Batch& batch, DrawRequest& request) {
  if (!shares_cells_) return sd::draw(model_, request, noise_.of_batch(batch.first_sample));
  give_cells_their_own(request, batch);
  const auto own = noise_of_cells(batch);
  request.start_latents = starts_of_cells(batch, *own);
  return sd::draw(model_, request, *own);
}

std::vector<PromptSet> BatchDrawer::sets_of(const Batch& batch) const {
  return sets_of(plan_.prompts, batch);
}

std::vector<PromptSet> BatchDrawer::sets_of(const RunPrompts& prompts, const Batch& batch) const {
  const auto first = prompts.sets.begin() + static_cast<std::ptrdiff_t>(batch.first);
  return {first, first + static_cast<std::ptrdiff_t>(batch.size)};
}

DrawRequest BatchDrawer::request_for(const Batch& batch) {
  const auto& options = plan_.options;
  DrawRequest request;
  static_cast<PictureSettings&>(request) = options;
  attach_prompts(request, batch);
  attach_networks(request, batch);
  request.width = plan_.width();
  request.height = plan_.height();
  request.sampler = options.chosen_sampler();
  request.seed = path_seed_of(options, batch.first_sample);
  if (start_) {
    request.start_latents =
        start_->batch(batch.first_sample, static_cast<int64_t>(batch.size), noise_);
  }
  request.controls = nets_;
  request.last = batch.number == last_batch_;
  request.image_prompts = image_prompts_;
  if (options.only) request.decode_only = *options.only - batch.first_sample;
  request.decode = !options.skip_save || !options.skip_grid || options.attn.draws() ||
                   (plan_.place && plan_.place->returns_pictures);
  attach_input(request, batch);
  attach_regions(request, batch);
  if (previews_.shown()) {
    request.on_step = [this](const StepReport& step) {
      previews_.show(step);
      return true;
    };
  }
  request.on_progress = [this, batch](const Progress& progress) {
    return words_.on_step(batch, progress);
  };
  return request;
}

void BatchDrawer::attach_prompts(DrawRequest& request, const Batch& batch) const {
  const auto targets = plan_.prompts.targets();
  request.targets.resize(targets);
  for (const auto& set : sets_of(plan_.drawn(), batch)) {
    for (std::size_t t = 0; t < targets; ++t) request.targets[t].push_back(set.targets[t]);
    if (set.source) request.source.push_back(*set.source);
  }
  request.prompt_chunks = plan_.reader->chunks();
  request.embeddings = plan_.embeddings.words;
}

/// Those that not all rows of the run have in all steps; the others are in the weights.
void BatchDrawer::attach_networks(DrawRequest& request, const Batch& batch) const {
  const auto& networks = plan_.networks;
  if (networks.sets.empty()) return;
  const auto uses = std::span(networks.sets).subspan(batch.first, batch.size);
  for (std::size_t number = 0; number < networks.all.size(); ++number) {
    const auto count = [number](const NetworkNumbers& numbers) {
      return std::ranges::count(numbers, number);
    };
    std::vector<std::ptrdiff_t> times;  // that each row has it
    for (std::size_t target = 0; target < plan_.prompts.targets(); ++target) {
      for (const auto& set : uses) times.push_back(count(set.targets[target]));
    }
    for (const auto& set : uses) {
      if (plan_.prompts.swaps()) times.push_back(count(set.source));
    }
    for (std::ptrdiff_t time = 1; time <= std::ranges::max(times); ++time) {
      RowNetwork network{networks.all[number].applied, networks.all[number].steps, {}};
      for (const auto had : times) network.rows.push_back(had >= time);
      request.networks.push_back(std::move(network));
    }
  }
}

/// A map for each part of the prompts: a region whose prompt is put together itself has several.
void BatchDrawer::attach_regions(DrawRequest& request, const Batch& batch) const {
  if (plan_.regions.empty()) return;
  const auto& base = sets_of(batch).front().targets.front();
  std::vector<std::string> prompts;
  if (plan_.regions.base > 0) prompts.push_back(base);
  for (const auto& region : plan_.regions.regions) prompts.push_back(region.prompt);
  PromptMaps maps{{}, plan_.regions.in_attention};
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const auto parts = plan_.reader->part_weights(prompts[i]).size();
    maps.weights.insert(maps.weights.end(), parts, inputs_.region_maps.at(i));
  }
  if (maps.weights.size() > 1) request.part_maps = std::move(maps);
}

void BatchDrawer::make_masks(const Batch& batch) {
  masks_.clear();
  if (!plan_.options.input.auto_mask) return;
  for (const auto& set : sets_of(batch)) masks_.push_back(auto_masks_.of(set));
}

torch::Tensor BatchDrawer::swap_mask() const {
  if (!plan_.prompts.swaps()) return {};
  if (inputs_.swap_mask) return inputs_.swap_mask->latents;
  // Over an inverted picture nothing is put back: the source becomes it.
  if (!inversion_) return {};
  if (inputs_.picture && inputs_.picture->mask) return inputs_.picture->latent_mask;
  std::vector<torch::Tensor> latents;
  for (const auto& mask : masks_) latents.push_back(mask->latents);
  return latents.empty() ? torch::Tensor() : at::cat(latents);
}

void BatchDrawer::attach_input(DrawRequest& request, const Batch& batch) {
  const auto& options = plan_.options;
  make_masks(batch);
  request.inversion = inversion_;
  if (inversion_) return;  // it holds the picture
  if (const auto& input = inputs_.picture) {
    request.init_image = input->tensor;
    if (input->mask) {
      request.mask = input->latent_mask;
      request.pixel_mask = input->pixel_mask;
    }
    if (!masks_.empty()) {
      std::vector<torch::Tensor> latents, fine;
      for (const auto& mask : masks_) {
        latents.push_back(mask->latents);
        fine.push_back(mask->fine);
      }
      request.mask = at::cat(latents);
      request.pixel_mask = at::cat(fine);
    }
    request.graded_mask = request.mask && options.input.mask_mode == MaskMode::kGraded;
    request.strength = options.input.strength;
    request.image_guidance_scale = options.input.img_scale.value_or(1.0);
  } else if (options.task == DrawTask::kSwap) {
    request.strength = 1.0;  // as the fork: the last `steps` of a schedule that may have one more
  }
}

void BatchDrawer::attach_controls(DrawRequest& request, const Batch& batch) {
  auto options = plan_.options;
  // A value a sample is that of the samples drawn at a time, of which a batch may be one. Cells
  // have one value each.
  for (auto& [word, values] : options.control.reweight) {
    if (values.size() == 1) continue;
    values.erase(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(batch.offset));
    values.resize(std::min(values.size(), batch.size));
  }
  controls_ = plan_.watched
                  ? make_regional_controls(options, sets_of(batch), sets_of(*plan_.watched, batch),
                                           inputs_.blend_mask, *plan_.reader)
                  : make_controls(options, sets_of(batch), inputs_.blend_mask, *plan_.reader);
  const auto sharing = make_sharing(options, inputs_, appearance_, sets_of(batch), *plan_.reader);
  auto links = run_controls_.watched(controls_);
  if (sharing && sharing->masks) links.push_back(sharing->masks);
  request.sharing = sharing;
  controller_ = attn_.begin_batch(links);
  request.controller = controller_.get();
  latent_edit_ = controls_.blend;
  if (const auto mask = swap_mask(); mask.defined()) {
    std::vector<std::shared_ptr<LatentEdit>> edits;
    if (controls_.blend) edits.push_back(controls_.blend);
    edits.push_back(
        std::make_shared<MaskedSwap>(mask, options.input.mask_mode == MaskMode::kGraded));
    latent_edit_ = std::make_shared<LatentEditChain>(std::move(edits));
  }
  request.latent_edit = latent_edit_.get();
  request.guides = make_guides(options, sets_of(batch), model_.config, *plan_.reader);
  run_controls_.watch(request);
}

void BatchDrawer::give_cells_their_own(DrawRequest& request, const Batch& batch) const {
  for (const auto& set : sets_of(batch)) {
    request.guidance_scales.push_back(set.own->guidance_scale);
    request.negative_prompts.push_back(set.own->negative_prompt);
    request.seeds.push_back(path_seed_of(*set.own, 0));
  }
}

std::unique_ptr<SampleNoise> BatchDrawer::noise_of_cells(const Batch& batch) const {
  std::vector<std::unique_ptr<RunNoise>> streams;
  for (const auto& set : sets_of(batch)) {
    streams.push_back(
        std::make_unique<RunNoise>(seed_rule_of(*set.own), torch::Device(model_.device)));
  }
  return std::make_unique<SampleNoise>(std::move(streams));
}

torch::Tensor BatchDrawer::starts_of_cells(const Batch& batch, SampleNoise& noise) const {
  const auto shape = latent_shape(plan_);
  std::vector<torch::Tensor> starts;
  for (const auto& set : sets_of(batch)) {
    auto& stream = noise.of(starts.size());
    auto start = start_latents_of(*set.own, shape).batch(0, 1, stream);
    starts.push_back(start ? *start : stream.of_batch(0).randn({1, shape[0], shape[1], shape[2]}));
  }
  return at::cat(starts);
}

}  // namespace sd::cli
