#include "sd/models/unet_gradients.h"

#include <memory>
#include <utility>

#include "nn/checkpoint.h"
#include "sd/models/unet.h"
#include "sd/nn/forward_edits.h"

namespace sd {
namespace {

using Wanted = std::function<bool(const AttentionSite&)>;

/// Takes the probabilities of the wanted layers out of an evaluation.
class MapWatch final : public AttentionController {
 public:
  explicit MapWatch(const Wanted& wanted) : wanted_(wanted) {}

  // Not kObserve: the gradients of maps and prediction go through the same probabilities.
  AttentionUse use(const AttentionCall& call) const override {
    const bool seen = call.site.kind == AttentionKind::kCross && wanted_(call.site);
    return seen ? AttentionUse::kChange : AttentionUse::kNone;
  }
  torch::Tensor apply(torch::Tensor probs, const AttentionCall& call) override {
    maps_.push_back({call.site, call.height, call.width, probs});
    return probs;
  }
  std::vector<CrossMap> take() { return std::exchange(maps_, {}); }

 private:
  const Wanted& wanted_;
  std::vector<CrossMap> maps_;
};

/// One evaluation, block by block. Blocks return what they make, then their maps.
class Evaluation {
 public:
  Evaluation(const ForwardContext& run, const GradientChoice& choice)
      : run_(run), choice_(std::make_shared<const GradientChoice>(choice)) {
    run_.controller = nullptr;
    run_.prompt = nullptr;  // what it keeps was made without gradients
    run_.times = nullptr;
    run_.time_row = std::nullopt;
    run_.same_as.clear();
    if (run.edits == nullptr) return;
    // The way back comes when the caller's are gone.
    ForwardEdits edits;
    edits.freeu = run.edits->freeu;
    edits.time_condition = run.edits->time_condition;
    edits_ = std::make_shared<const ForwardEdits>(std::move(edits));
    run_.edits = edits_.get();
  }

  using Block = std::function<torch::Tensor(const Tensors&, const ForwardContext&)>;

  torch::Tensor through(const Block& block, const Tensors& inputs) {
    const auto places = std::make_shared<std::vector<CrossMap>>();
    auto whole = [block, places, choice = choice_, edits = edits_,
                  run = run_](const Tensors& given) mutable {
      MapWatch watch(choice->maps);
      if (choice->maps) run.controller = &watch;
      Tensors made = {block(given, run)};
      *places = watch.take();
      for (auto& map : *places) made.push_back(std::exchange(map.probs, {}));
      return made;
    };
    const auto made = choice_->checkpoints ? checkpointed(whole, inputs) : whole(inputs);
    for (std::size_t i = 0; i < places->size(); ++i) {
      maps_.push_back(places->at(i));
      maps_.back().probs = made.at(i + 1);
    }
    return made.front();
  }

  const ForwardContext& run() const { return run_; }
  std::vector<CrossMap> take_maps() { return std::move(maps_); }

 private:
  ForwardContext run_;
  std::shared_ptr<const GradientChoice> choice_;
  std::shared_ptr<const ForwardEdits> edits_;
  std::vector<CrossMap> maps_;
};

}  // namespace

/// How many output blocks must be computed.
std::size_t UNetImpl::output_blocks_for(const GradientChoice& choice) const {
  if (choice.output) return output_stages_.size();
  for (std::size_t count = output_stages_.size(); count > 0; --count) {
    const auto& transformer = output_stages_[count - 1].transformer;
    if (transformer && choice.maps && choice.maps(transformer->site())) return count;
  }
  return 0;
}

GradientOutputs UNetImpl::forward_with_gradients(const torch::Tensor& x, const torch::Tensor& t,
                                                 const torch::Tensor& context,
                                                 const ForwardContext& run,
                                                 const GradientChoice& choice) {
  Evaluation evaluation(run, choice);
  const auto time = time_of(t, context.scalar_type(), evaluation.run());
  const auto stage_block = [&](Stage& stage) {
    return [this, &stage, time](const Tensors& in, const ForwardContext& own) {
      return apply(stage, in[0], time, in[1], own);
    };
  };
  std::vector<torch::Tensor> skips;
  auto h = x;
  for (auto& stage : input_stages_) {
    h = evaluation.through(stage_block(stage), {h, context});
    skips.push_back(h);
  }
  h = evaluation.through(
      [this, time](const Tensors& in, const ForwardContext& own) {
        return apply_middle(in[0], time, in[1], own);
      },
      {h, context});
  const auto count = output_blocks_for(choice);
  for (std::size_t i = 0; i < count; ++i) {
    auto& stage = output_stages_[i];
    h = evaluation.through(
        [this, i, &stage, time](const Tensors& in, const ForwardContext& own) {
          return apply(stage, joined(i, in[0], in[2], own), time, in[1], own);
        },
        {h, context, skips.back()});
    skips.pop_back();
  }
  GradientOutputs result;
  if (choice.output) {
    result.output = evaluation.through(
        [this](const Tensors& in, const ForwardContext&) {
          return conv_out_->forward(in[0].to(at::kFloat), {.norm = norm_out_.get()});
        },
        {h});
  }
  result.maps = evaluation.take_maps();
  return result;
}

}  // namespace sd
