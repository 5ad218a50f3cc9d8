// What must hold of a source that is an inverted picture, and of targets that have not left it,
// with every method and every sampler that it is defined for.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/inverted_picture.h"
#include "sd/control/reweight.h"
#include "sd/pipeline/attend_and_excite.h"
#include "sd/pipeline/box_guidance.h"
#include "support/sampler_cases.h"

namespace sd {
namespace {

using test::drawn;
using test::edit_along;
using test::inversion_request;
using test::kSource;
using test::kTarget;
using test::relative_difference;
using enum InversionMethod;

struct Way {
  InversionMethod method;
  SamplerKind sampler;
};

std::vector<Way> all_ways() {
  std::vector<Way> ways;
  for (const auto method : kInversionMethods) {
    for (const auto sampler : test::all_sampler_kinds()) {
      if (why_not_sampled(method, sampler).empty()) ways.push_back({method, sampler});
    }
  }
  return ways;
}

std::string name_of_way(const Way& way) {
  std::string name;
  for (const char c : name_of(way.method)) {
    if (c != '-') name += c;
  }
  return name + "_" + test::case_name(way.sampler);
}

const Inversion& picture_by(const Way& way) {
  static std::map<std::string, Inversion> made;  // null-text takes seconds
  const auto name = name_of_way(way);
  if (const auto known = made.find(name); known != made.end()) return known->second;
  auto request = inversion_request(way.method, way.method == kNullText ? 2 : 4);
  request.sampler = way.sampler;
  return made
      .emplace(name, way.method == kDdcm ? consistent_inversion(test::deep_model(), request)
                                         : test::inverted(request))
      .first->second;
}

/// A target of the source's own prompt beside another one's, guided as the source is.
DrawRequest with_own_prompt(const Way& way) {
  auto request = edit_along(picture_by(way), way.method);
  request.targets = {{kSource}, {kTarget}};
  if (way.method == kEditFriendly || way.method == kNullText)
    request.guidance_scale = request.inversion->guidance;
  if (way.method == kDdcm) request.guidance_scale = 1;
  return request;
}

class InvertedSource : public testing::TestWithParam<Way> {};

TEST_P(InvertedSource, ATargetOfItsPromptIsItAfterEveryStep) {
  auto request = with_own_prompt(GetParam());
  const test::Recorded recorded(request);
  drawn(request);
  ASSERT_GE(recorded.latents.size(), 2u);
  for (const auto& latents : recorded.latents) EXPECT_TRUE(latents[0].equal(latents[2]));
  const auto& last = recorded.latents.back();
  EXPECT_GT(relative_difference(last[1], last[2]), 1e-3);
}

TEST_P(InvertedSource, ATargetDoesNotDependOnOneOfTheSourcesPrompt) {
  auto request = with_own_prompt(GetParam());
  const auto beside = drawn(request).latents[1];
  request.targets = {{kTarget}};
  EXPECT_LT(relative_difference(drawn(request).latents[0], beside), 1e-5);  // of other products
}

std::vector<std::shared_ptr<LatentGuide>> guides(double size) {
  AttendAndExciteOptions excite;
  excite.words = {{{3}, {6, 7}}};
  BoxGuidanceOptions boxes;
  boxes.words = {{{{3}, {{0.5, 0.25, 1, 0.8}}}}};
  boxes.until = 0.5;
  excite.downsampling = boxes.downsampling = 2;
  excite.rounds = boxes.rounds = 1;
  excite.scale = boxes.scale = size;
  return {std::make_shared<AttendAndExcite>(excite), std::make_shared<BoxGuidance>(boxes)};
}

TEST_P(InvertedSource, GuidesMoveTargetsAndLeaveItWhereItWas) {
  auto plain = with_own_prompt(GetParam());
  auto guided = plain, still = plain;
  guided.guides = guides(400);
  still.guides = guides(0);
  const auto unmoved = drawn(plain).latents, moved = drawn(guided).latents;
  EXPECT_TRUE(moved[2].equal(unmoved[2]));
  EXPECT_GT(relative_difference(moved[0], unmoved[0]), 1e-3);
  EXPECT_GT(relative_difference(moved[1], unmoved[1]), 1e-3);
  EXPECT_TRUE(moved.isfinite().all().item<bool>());
  EXPECT_TRUE(drawn(still).latents.equal(unmoved));
}

INSTANTIATE_TEST_SUITE_P(Ways, InvertedSource, testing::ValuesIn(all_ways()),
                         [](const auto& tested) { return name_of_way(tested.param); });

TEST(InvertedSourceOfDirectInversion, ATargetOfItsPromptEndsAsThePictureToTheBit) {
  for (const auto& way : all_ways()) {
    if (way.method != kDirect) continue;
    const auto request = with_own_prompt(way);
    EXPECT_TRUE(drawn(request).latents[0].equal(request.inversion->picture_latents()))
        << info_of(way.sampler).name;
  }
}

TEST(InvertedSourceOfDirectInversion, AReweightingThatBeginsLaterBeginsOnThePath) {
  Reweight reweight({.weights = {{6, {8}}}, .steps = {0.4, 1}});
  auto request = edit_along(test::inverted(inversion_request(kDirect)), kDirect);
  request.targets = {{kSource}};
  request.controller = &reweight;
  const test::Recorded recorded(request);
  drawn(request);
  ASSERT_EQ(recorded.latents.size(), 5u);
  const auto& path = request.inversion->path;
  for (std::size_t step = 0; step < 5; ++step) {
    const auto& kept = path[static_cast<int64_t>(step) + 1];
    EXPECT_EQ(recorded.latents[step][0].equal(kept), step < 2) << step;
    EXPECT_TRUE(recorded.latents[step][1].equal(kept)) << step;
  }
}

}  // namespace
}  // namespace sd
