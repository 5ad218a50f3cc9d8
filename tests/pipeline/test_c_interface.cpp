// The C interface as a C program calls it, on the tiny model.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "sd/image/read.h"
#include "sd/pipeline/txt2img.h"
#include "sd/pipeline/word_swap.h"
#include "sd/sd.h"
#include "support/embedding_bytes.h"
#include "support/temp_folder.h"
#include "support/tiny_model.h"

namespace sd {
namespace {

constexpr const char* kPrompt = "a red circle above a blue square";
constexpr const char* kTarget = "a green circle above a blue square";

struct Free {
  void operator()(sd_model* model) const { sd_model_free(model); }
  void operator()(sd_drawing* drawing) const { sd_drawing_free(drawing); }
};
using Drawing = std::unique_ptr<sd_drawing, Free>;

bool says(const std::string& text) {
  return std::string(sd_error()).find(text) != std::string::npos;
}

sd_model* tiny() {
  static const auto model = [] {
    static const auto checkpoint = test::data("tiny-v1.ckpt").string();
    static const auto config = test::data("tiny-v1.yaml").string();
    sd_load_options options = SD_LOAD_OPTIONS_INIT;
    options.checkpoint = checkpoint.c_str();
    options.config = config.c_str();
    static const auto device = test::device().str();
    options.device = device.c_str();
    options.dtype = "f32";
    sd_model* loaded = nullptr;
    EXPECT_EQ(sd_load(&options, &loaded), SD_OK) << sd_error();
    return std::unique_ptr<sd_model, Free>(loaded);
  }();
  return model.get();
}

sd_draw_options small() {
  sd_draw_options options = SD_DRAW_OPTIONS_INIT;
  options.prompt = kPrompt;
  options.width = options.height = 64;
  options.steps = 2;
  return options;
}

Drawing drawn(const sd_draw_options& options) {
  sd_drawing* drawing = nullptr;
  EXPECT_EQ(sd_draw(tiny(), &options, &drawing), SD_OK) << sd_error();
  return Drawing(drawing);
}

TEST(CInterface, DrawsWhatTheLibraryDraws) {
  const auto drawing = drawn(small());
  Txt2ImgRequest request;
  request.prompts = {kPrompt};
  request.width = request.height = 64;
  request.steps = 2;
  const auto expected = draw_prompts(test::tiny_model(), request).pictures.front();
  ASSERT_EQ(sd_drawing_count(drawing.get()), 1U);
  ASSERT_EQ(sd_drawing_width(drawing.get()), 64);
  ASSERT_EQ(sd_drawing_height(drawing.get()), 64);
  const auto* bytes = sd_drawing_rgb(drawing.get(), 0);
  EXPECT_TRUE(std::equal(expected.pixels.begin(), expected.pixels.end(), bytes));
}

TEST(CInterface, DrawsWithEmbeddingsByTheirNames) {
  const test::TempFolder folder;
  const auto file = (folder / "ink.safetensors").string();
  test::write_text(file, test::embedding_bytes("emb_params", 2, 32));
  auto options = small();
  options.prompt = "a circle, ink";
  options.maps = 1;
  const auto without = drawn(options);
  const std::array files = {file.c_str()};
  options.embeddings = files.data();
  options.embedding_count = files.size();
  const auto with = drawn(options);
  const auto* one = sd_drawing_rgb(with.get(), 0);
  EXPECT_FALSE(std::equal(one, one + std::size_t{64} * 64 * 3, sd_drawing_rgb(without.get(), 0)));
  std::vector<float> map(64);
  EXPECT_EQ(sd_drawing_word_map(with.get(), 0, "ink", map.data(), map.size()), SD_OK) << sd_error();

  const std::array missing = {"nowhere.pt"};
  options.embeddings = missing.data();
  sd_drawing* drawing = nullptr;
  EXPECT_EQ(sd_draw(tiny(), &options, &drawing), SD_IO);
  EXPECT_TRUE(says("nowhere.pt")) << sd_error();
}

TEST(CInterface, WhatMakesItFasterIsPassedOn) {
  auto options = small();
  options.steps = 4;
  options.deepcache = 2;
  options.guidance_end = 0.5;
  const auto drawing = drawn(options);
  Txt2ImgRequest request;
  request.prompts = {kPrompt};
  request.width = request.height = 64;
  request.steps = 4;
  const auto exact = draw_prompts(test::tiny_model(), request).pictures.front();
  request.deepcache = 2;
  request.guidance_interval = {0, 0.5};
  const auto expected = draw_prompts(test::tiny_model(), request).pictures.front();
  const auto* bytes = sd_drawing_rgb(drawing.get(), 0);
  EXPECT_TRUE(std::equal(expected.pixels.begin(), expected.pixels.end(), bytes));
  EXPECT_FALSE(std::equal(exact.pixels.begin(), exact.pixels.end(), bytes));
}

TEST(CInterface, WhatMakesItFasterHasItsRanges) {
  const auto refuses = [](auto change, const char* why) {
    auto options = small();
    change(options);
    sd_drawing* drawing = nullptr;
    EXPECT_EQ(sd_draw(tiny(), &options, &drawing), SD_USAGE);
    EXPECT_TRUE(says(why)) << sd_error();
  };
  refuses([](auto& o) { o.token_merging = 0.8; }, "token_merging is 0.8, expected 0 to 0.75");
  refuses([](auto& o) { o.token_merging = NAN; }, "token_merging is nan");
  refuses([](auto& o) { o.deepcache = 0; }, "deepcache is 0, expected 1 to 1000");
  refuses([](auto& o) { o.guidance_end = 1.5; }, "guidance_end is 1.5, expected 0 to 1");
  refuses([](auto& o) { o.guidance_begin = 0.5, o.guidance_end = 0.25; },
          "guidance_begin is 0.5, expected 0 to 0.25");
}

TEST(CInterface, WeightsAreHeldAsAsked) {
  const auto checkpoint = test::data("tiny-v1.ckpt").string();
  const auto config = test::data("tiny-v1.yaml").string();
  sd_load_options options = SD_LOAD_OPTIONS_INIT;
  options.checkpoint = checkpoint.c_str();
  options.config = config.c_str();
  options.device = "cpu";
  options.dtype = "f32";
  options.weights = "int8";
  options.exact_conv = options.low_memory = 1;
  sd_model* model = nullptr;
  ASSERT_EQ(sd_load(&options, &model), SD_OK) << sd_error();
  const std::unique_ptr<sd_model, Free> rounded(model);
  const auto request = small();
  sd_drawing* out = nullptr;
  ASSERT_EQ(sd_draw(model, &request, &out), SD_OK) << sd_error();
  const Drawing drawing(out), exact = drawn(request);
  const auto* bytes = sd_drawing_rgb(drawing.get(), 0);
  EXPECT_FALSE(std::equal(bytes, bytes + 64 * 64 * 3, sd_drawing_rgb(exact.get(), 0)));
  options.weights = "int4";
  EXPECT_EQ(sd_load(&options, &model), SD_USAGE);
  EXPECT_TRUE(says("sd_load_options.weights: 'int4' is unknown, expected auto or int8"))
      << sd_error();
}

TEST(CInterface, MapsOfAllTokensAddUpToOne) {
  auto options = small();
  options.maps = 1;
  const auto drawing = drawn(options);
  const auto size = static_cast<std::size_t>(sd_drawing_map_width(drawing.get()) *
                                             sd_drawing_map_height(drawing.get()));
  ASSERT_EQ(size, 64U);
  std::vector<float> sum(size), map(size);
  for (int token = 0; token < 77; ++token) {
    const auto word = "@" + std::to_string(token);
    ASSERT_EQ(sd_drawing_word_map(drawing.get(), 0, word.c_str(), map.data(), size), SD_OK)
        << sd_error();
    for (std::size_t i = 0; i < size; ++i) sum[i] += map[i];
  }
  // Bicubic resizing of coarser layers overshoots below 0, which is cut off.
  for (const float value : sum) EXPECT_NEAR(value, 1, 0.05);
}

TEST(CInterface, SwapGivesTargetsThenTheSource) {
  auto options = small();
  options.prompt = nullptr;
  options.samples = 2;
  options.maps = 1;
  const std::array<const char*, 1> targets = {kTarget}, blend = {"circle"};
  sd_swap_options swap = SD_SWAP_OPTIONS_INIT;
  swap.source = kPrompt;
  swap.targets = targets.data();
  swap.target_count = 1;
  swap.local_blend = blend.data();
  swap.local_blend_count = 1;
  sd_drawing* made = nullptr;
  ASSERT_EQ(sd_swap(tiny(), &options, &swap, &made), SD_OK) << sd_error();
  const Drawing drawing(made);
  ASSERT_EQ(sd_drawing_count(made), 4U);
  std::vector<float> map(64);
  EXPECT_EQ(sd_drawing_word_map(made, 0, "green", map.data(), map.size()), SD_OK) << sd_error();
  EXPECT_EQ(sd_drawing_word_map(made, 2, "red", map.data(), map.size()), SD_OK) << sd_error();
  EXPECT_EQ(sd_drawing_word_map(made, 2, "green", map.data(), map.size()), SD_USAGE);
}

TEST(CInterface, PicturesAreWritten) {
  const test::TempFolder folder;
  const auto path = (folder.path() / "picture.png").string();
  const auto drawing = drawn(small());
  ASSERT_EQ(sd_drawing_write(drawing.get(), 0, path.c_str()), SD_OK) << sd_error();
  EXPECT_EQ(read_image(path).width, 64);
  EXPECT_EQ(sd_drawing_write(drawing.get(), 0, "picture.gif"), SD_USAGE);
  EXPECT_TRUE(says(".png")) << sd_error();
}

TEST(CInterface, TheCallbackHearsOfEveryStepAndStopsTheRun) {
  auto options = small();
  int64_t steps = 0;
  options.user = &steps;
  options.on_progress = [](void* user, int stage, int64_t done, int64_t) {
    if (stage == SD_STAGE_SAMPLE) *static_cast<int64_t*>(user) = done;
    return stage == SD_STAGE_SAMPLE && done == 1 ? 1 : 0;
  };
  sd_drawing* drawing = nullptr;
  EXPECT_EQ(sd_draw(tiny(), &options, &drawing), SD_CANCELLED);
  EXPECT_EQ(drawing, nullptr);
  EXPECT_EQ(steps, 1);
}

TEST(CInterface, WhatACallbackThrowsBecomesACode) {
  auto options = small();
  options.on_progress = [](void*, int, int64_t, int64_t) -> int {
    throw std::runtime_error("thrown by the caller");
  };
  sd_drawing* drawing = nullptr;
  EXPECT_EQ(sd_draw(tiny(), &options, &drawing), SD_FAILED);
  EXPECT_TRUE(says("thrown by the caller")) << sd_error();
}

TEST(CInterface, ACallbackThatDrawsIsRefusedAndDoesNotWaitForItself) {
  auto options = small();
  int code = SD_OK;
  options.user = &code;
  options.on_progress = [](void* user, int, int64_t, int64_t) {
    auto inner = small();
    sd_drawing* drawing = nullptr;
    *static_cast<int*>(user) = sd_draw(tiny(), &inner, &drawing);
    return 1;
  };
  sd_drawing* drawing = nullptr;
  EXPECT_EQ(sd_draw(tiny(), &options, &drawing), SD_CANCELLED);
  EXPECT_EQ(code, SD_USAGE);
}

TEST(CInterface, NullIsAnErrorThatNamesTheArgument) {
  const auto options = small();
  sd_model* model = nullptr;
  sd_drawing* drawing = nullptr;
  EXPECT_EQ(sd_load(nullptr, &model), SD_USAGE);
  EXPECT_TRUE(says("sd_load_options is NULL")) << sd_error();
  const sd_load_options nothing = SD_LOAD_OPTIONS_INIT;
  EXPECT_EQ(sd_load(&nothing, &model), SD_USAGE);
  EXPECT_TRUE(says("sd_load_options.checkpoint is NULL")) << sd_error();
  EXPECT_EQ(sd_load(&nothing, nullptr), SD_USAGE);
  EXPECT_EQ(sd_draw(nullptr, &options, &drawing), SD_USAGE);
  EXPECT_TRUE(says("model is NULL")) << sd_error();
  EXPECT_EQ(sd_draw(tiny(), nullptr, &drawing), SD_USAGE);
  EXPECT_EQ(sd_draw(tiny(), &options, nullptr), SD_USAGE);
  EXPECT_EQ(sd_drawing_rgb(nullptr, 0), nullptr);
  EXPECT_TRUE(says("drawing is NULL")) << sd_error();
  EXPECT_EQ(sd_drawing_count(nullptr), 0U);
  EXPECT_EQ(sd_drawing_map_width(nullptr), 0);
  sd_model_free(nullptr);
  sd_drawing_free(nullptr);
}

TEST(CInterface, AStructOfAnotherVersionIsRefusedWithBothSizes) {
  auto options = small();
  options.struct_size = 24;
  sd_drawing* drawing = nullptr;
  EXPECT_EQ(sd_draw(tiny(), &options, &drawing), SD_USAGE);
  EXPECT_TRUE(says("sd_draw_options.struct_size is 24")) << sd_error();
  EXPECT_TRUE(says(std::to_string(sizeof(sd_draw_options)))) << sd_error();
}

TEST(CInterface, WrongSizesAreRefused) {
  auto options = small();
  sd_drawing* drawing = nullptr;
  options.width = 65;
  EXPECT_EQ(sd_draw(tiny(), &options, &drawing), SD_USAGE);
  EXPECT_TRUE(says("width is 65")) << sd_error();
  options.width = INT64_MAX;
  EXPECT_EQ(sd_draw(tiny(), &options, &drawing), SD_USAGE);
  options = small();
  options.samples = 0;
  EXPECT_EQ(sd_draw(tiny(), &options, &drawing), SD_USAGE);
  EXPECT_TRUE(says("samples is 0")) << sd_error();
}

TEST(CInterface, WhatIsNotThereIsNamed) {
  sd_load_options options = SD_LOAD_OPTIONS_INIT;
  options.checkpoint = "/no/such/model.ckpt";
  sd_model* model = nullptr;
  EXPECT_EQ(sd_load(&options, &model), SD_IO);
  EXPECT_EQ(model, nullptr);
  EXPECT_TRUE(says("/no/such/model.ckpt")) << sd_error();
  auto draw = small();
  draw.sampler = "pencil";
  sd_drawing* drawing = nullptr;
  EXPECT_EQ(sd_draw(tiny(), &draw, &drawing), SD_USAGE);
  EXPECT_TRUE(says("'pencil' is none; there are ddim, plms")) << sd_error();
}

TEST(CInterface, MapRoomIsChecked) {
  auto options = small();
  const auto without = drawn(options);
  std::vector<float> map(64);
  EXPECT_EQ(sd_drawing_word_map(without.get(), 0, "red", map.data(), map.size()), SD_USAGE);
  EXPECT_TRUE(says("sd_draw_options.maps")) << sd_error();
  options.maps = 1;
  const auto drawing = drawn(options);
  EXPECT_EQ(sd_drawing_word_map(drawing.get(), 0, "red", map.data(), 63), SD_USAGE);
  EXPECT_TRUE(says("room for 63 floats, and 8 x 8")) << sd_error();
  EXPECT_EQ(sd_drawing_word_map(drawing.get(), 1, "red", map.data(), map.size()), SD_USAGE);
  EXPECT_TRUE(says("there is no picture 1")) << sd_error();
}

}  // namespace
}  // namespace sd
