#include "trainer/eval_prompts.h"

#include <algorithm>

#include "sd/core/error.h"
#include "trainer/scene_draw.h"

namespace sd::train {
namespace {

constexpr uint64_t kPromptSeed = 0xe7a1;
constexpr uint64_t kSwapSeed = 0x5a9;
constexpr int64_t kFive = 5, kPairsOfFive = 2;
// Untinted combinations are few: drawn freely, each would come five times among 500.
constexpr int64_t kMostRepeats = 3;
// About one in 17 scenes of all kinds is held out; of three kinds there may be none.
constexpr int kMostDraws = 1'000'000;
constexpr int kTries = 100;  // a choice of two kinds has few combinations

/// Draws until a scene of these kinds fits that is held out and can be seen.
SceneSpec draw_held_out(const SceneGenerator& scenes, SceneRandom& random, std::size_t objects,
                        const std::vector<int>& kinds) {
  const auto known = [&](const ObjectSpec& object) {
    return kinds.empty() || std::find(kinds.begin(), kinds.end(), object.kind) != kinds.end();
  };
  for (int tries = 0; tries < kMostDraws; ++tries) {
    auto spec = draw_spec(random, objects, /*empty_captions=*/0);
    spec.phrasing = {};
    spec.gradient = Gradient::kPlain;
    if (std::all_of(spec.objects.begin(), spec.objects.end(), known) && held_out(spec) &&
        !scenes.clashes(spec)) {
      return spec;
    }
  }
  throw UsageError(
      "--kinds: none of the combinations of these kinds is held out from training\nName more of "
      "them, or leave the option out.");
}

}  // namespace

std::vector<SceneSpec> evaluation_prompts(const SceneGenerator& scenes, int64_t n,
                                          const std::vector<int>& kinds) {
  std::vector<SceneSpec> prompts;
  for (int64_t i = 0; i < n; ++i) {
    SceneRandom random(kPromptSeed, static_cast<uint64_t>(i));
    const std::size_t objects = i % kFive < kPairsOfFive ? 2 : 1;
    auto spec = draw_held_out(scenes, random, objects, kinds);
    for (int tries = 0;
         tries < kTries && std::count(prompts.begin(), prompts.end(), spec) >= kMostRepeats;
         ++tries) {
      spec = draw_held_out(scenes, random, objects, kinds);
    }
    prompts.push_back(std::move(spec));
  }
  return prompts;
}

std::vector<SwapPair> swap_pairs(const SceneGenerator& scenes, int64_t n,
                                 const std::vector<int>& kinds) {
  const auto all = static_cast<int>(object_kinds().size());
  std::vector<SwapPair> pairs;
  for (int64_t i = 0; i < n; ++i) {
    SceneRandom random(kSwapSeed, static_cast<uint64_t>(i));
    SwapPair pair{draw_held_out(scenes, random, 1, kinds), {}};
    do {
      pair.target = pair.source;
      auto& kind = pair.target.objects.front().kind;
      kind = kinds.empty()
                 ? random.below(all)
                 : kinds[static_cast<std::size_t>(random.below(static_cast<int>(kinds.size())))];
    } while (pair.target.objects == pair.source.objects || scenes.clashes(pair.target));
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

}  // namespace sd::train
