#include "trainer/eval_swap.h"

#include <ATen/ops/cat.h>
#include <fmt/format.h>

#include <algorithm>

#include "sd/control/chain.h"
#include "sd/control/local_blend.h"
#include "sd/control/prompt_to_prompt.h"
#include "sd/control/self_injection.h"
#include "sd/core/noise_source.h"
#include "sd/image/label.h"
#include "sd/pipeline/swap.h"
#include "sd/pipeline/txt2img.h"
#include "sd/text/alignment.h"
#include "trainer/latent_cache.h"

namespace sd::train {
namespace {

// Boxes are told from cells of 8 pixels, and the autoencoder blurs edges by about as much.
constexpr double kBoxMargin = 6;
// The published 0.3 is for outlines, whose edges fade: maps of a filled box end sharply, and the
// lower threshold leaves crumbs of the new object around it. Chosen on other pairs than those here.
constexpr double kBlendThreshold = 0.5;
constexpr std::size_t kSheetPairs = 30;
constexpr int64_t kSheetColumns = 10;
// Other starts than the pictures'.
constexpr int64_t kFirstStart = 100'000;

BlendTokens object_tokens(const Caption& caption, const TokenizedPrompt& prompt) {
  BlendTokens tokens;
  for (std::size_t t = 0; t < prompt.tokens.size(); ++t) {
    if (group_of(caption.words, prompt.tokens[t]) == TokenGroup::kObject0) {
      tokens.push_back(static_cast<int64_t>(t) + 1);  // after the start token
    }
  }
  return tokens;
}

class UncontrolledSwap final : public SwapDrawer {
 public:
  std::string name() const override { return "without control"; }

  Pictures draw(const LoadedModel& model, const std::vector<SwapPrompts>& prompts,
                const torch::Tensor& start) override {
    Txt2ImgRequest request;
    for (const auto& pair : prompts) request.prompts.push_back(pair.source.text);
    for (const auto& pair : prompts) request.prompts.push_back(pair.target.text);
    request.width = request.height = model.config.default_pixels();
    request.steps = kEvalSteps;
    request.guidance_scale = kEvalGuidance;
    request.start_latents = at::cat({start, start});
    SeededNoise unused(0, RngChoice::kCpu, torch::kCPU);  // DDIM with eta 0 draws none
    auto drawn = txt2img(model, request, unused).pictures;
    const auto middle = drawn.begin() + static_cast<std::ptrdiff_t>(prompts.size());
    return {{std::make_move_iterator(drawn.begin()), std::make_move_iterator(middle)},
            {std::make_move_iterator(middle), std::make_move_iterator(drawn.end())}};
  }
};

class ControlledSwap final : public SwapDrawer {
 public:
  std::string name() const override { return "with control"; }

  Pictures draw(const LoadedModel& model, const std::vector<SwapPrompts>& prompts,
                const torch::Tensor& start) override {
    SwapRequest request;
    PromptToPromptOptions edit;
    edit.boxes.clear();
    LocalBlendOptions where;
    where.downsampling = 1;
    where.threshold = kBlendThreshold;
    where.source_words.clear();
    where.target_words.clear();
    request.targets.resize(1);
    for (const auto& [from, to] : prompts) {
      request.targets.front().push_back(to.text);
      request.source.push_back(from.text);
      const auto source = model.tokenizer->encode(from.text);
      const auto target = model.tokenizer->encode(to.text);
      if (prompt_to_prompt_mode(from.text, to.text) == AlignmentMode::kReplace) {
        edit.edits.emplace_back(replace_words({from.text, source}, {to.text, target}));
      } else {
        edit.edits.emplace_back(refine_tokens(source, target));
      }
      edit.boxes.push_back(object_tokens(from, source));
      where.source_words.push_back(edit.boxes.back());
      where.target_words.push_back(object_tokens(to, target));
    }
    const auto blend = std::make_shared<LocalBlend>(where);
    Chain control(
        {std::make_shared<PromptToPrompt>(edit), std::make_shared<SelfInjection>(), blend});
    request.controller = &control;
    request.latent_edit = blend.get();
    request.width = request.height = model.config.default_pixels();
    request.steps = kEvalSteps;
    request.guidance_scale = kEvalGuidance;
    request.start_latents = start;
    SeededNoise unused(0, RngChoice::kCpu, torch::kCPU);
    auto drawn = draw_swap(model, request, unused);
    return {std::move(drawn.source.pictures), std::move(drawn.targets.front().pictures)};
  }
};

void add(SwapScores& scores, const SwapJudgement& judgement) {
  ++scores.pairs;
  scores.background += judgement.background;
  scores.iou += judgement.iou;
  scores.keeps_background += judgement.keeps_background();
  scores.renamed += judgement.renamed;
  scores.in_place += judgement.in_place();
  scores.both += judgement.keeps_background() && judgement.in_place();
}

void finish(SwapScores& scores) {
  const auto pairs = static_cast<double>(std::max<int64_t>(1, scores.pairs));
  for (auto* value : {&scores.background, &scores.iou, &scores.keeps_background, &scores.renamed,
                      &scores.in_place, &scores.both}) {
    *value /= pairs;
  }
}

std::string verdict_of(const SwapJudgement& judgement) {
  return fmt::format("{}{:.1f}, {:.2f}", judgement.renamed ? "" : "not it, ", judgement.background,
                     judgement.iou);
}

}  // namespace

std::unique_ptr<SwapDrawer> make_uncontrolled_swap() {
  return std::make_unique<UncontrolledSwap>();
}

std::unique_ptr<SwapDrawer> make_controlled_swap() { return std::make_unique<ControlledSwap>(); }

SwapJudgement judge_swap(const SwapPair& pair, const Image& source, const PictureReading& was,
                         const Image& target, const PictureReading& is) {
  SwapJudgement judgement;
  std::vector<PixelBox> boxes;
  for (const auto* reading : {&was, &is}) {
    if (!reading->objects.empty()) boxes.push_back(reading->objects.front().box);
  }
  judgement.background = background_error(source, target, boxes, kBoxMargin);
  if (boxes.size() == 2) judgement.iou = box_iou(boxes[0], boxes[1]);
  judgement.renamed =
      !is.objects.empty() && is.objects.front().kind == pair.target.objects.front().kind;
  return judgement;
}

SwapScores measure_swap(const EvalContext& context, SwapDrawer& drawer, int64_t n, Image& sheet) {
  SwapScores scores;
  scores.drawer = drawer.name();
  const auto pairs = swap_pairs(context.scenes, n, context.kinds);
  constexpr int64_t kBatch = kEvalBatch / 2;
  std::vector<LabelledImage> cells;
  for (int64_t begin = 0; begin < n; begin += kBatch) {
    check_stop(context);
    const int64_t count = std::min(kBatch, n - begin);
    std::vector<SwapPrompts> prompts;
    for (int64_t i = begin; i < begin + count; ++i) {
      const auto& pair = pairs[static_cast<std::size_t>(i)];
      prompts.push_back({caption_of(pair.source), caption_of(pair.target)});
    }
    const auto drawn =
        drawer.draw(context.model, prompts, eval_start(context.model, kFirstStart + begin, count));
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      const auto& pair = pairs[static_cast<std::size_t>(begin) + i];
      const auto was = read(context.classifier, drawn.source[i]);
      const auto is = read(context.classifier, drawn.target[i]);
      const auto judgement = judge_swap(pair, drawn.source[i], was, drawn.target[i], is);
      add(scores, judgement);
      if (cells.size() == 2 * kSheetPairs) continue;
      cells.push_back({drawn.source[i], prompts[i].source.text});
      cells.push_back({drawn.target[i], verdict_of(judgement)});
    }
    context.say(fmt::format("swap {}: {} of {}", scores.drawer, begin + count, n));
  }
  finish(scores);
  sheet = labelled_sheet(cells, kSheetColumns);
  return scores;
}

}  // namespace sd::train
