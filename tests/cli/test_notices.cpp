#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cli/plan/draw_notices.h"
#include "cli/sd_home.h"

namespace sd::cli {
namespace {

using test::SdHome;
using Lines = std::vector<std::string>;

/// A machine without a GPU that multiplies bf16.
Machine cpu_machine() {
  Machine machine;
  machine.bf16 = true;
  return machine;
}

Machine gpu_machine() {
  auto machine = cpu_machine();
  machine.gpu_node = machine.libtorch_cuda = true;
  return machine;
}

/// The sizes of Stable Diffusion v1, which are ModelConfig's own.
const ModelConfig kModel;

bool one_begins(const Lines& lines, const std::string& start) {
  return lines.size() == 1 && lines.front().starts_with(start);
}

TEST(Notices, UsualChoicesCauseNone) {
  EXPECT_EQ(draw_notices(DrawOptions(), kModel, cpu_machine()), Lines());
}

TEST(Notices, AStrengthWithoutAPictureChangesNothing) {
  DrawOptions options;
  options.task = DrawTask::kSwap;
  options.input.strength = 0.99;
  EXPECT_TRUE(one_begins(draw_notices(options, kModel, gpu_machine()),
                         "--strength 0.99 changes nothing without --init-img"));
  EXPECT_EQ(draw_notices(options, kModel, gpu_machine(), /*follows=*/true), Lines());
  options.input.init_img = "start.png";
  EXPECT_EQ(draw_notices(options, kModel, gpu_machine()), Lines());
}

TEST(Notices, NetsOfNoStepSayThatTheyChangeNothing) {
  DrawOptions options;
  options.steps = 25;
  options.nets.inputs = {{.net = "nets/canny.safetensors", .picture = "edges.png"}};
  options.image_prompts.adapters = {{.adapter = "plus.safetensors", .picture = "cat.png"}};
  EXPECT_EQ(draw_notices(options, kModel, gpu_machine()), Lines());
  options.nets.inputs[0].start = 0.5;
  options.nets.inputs[0].end = 0.55;  // step 13 ends at 0.56
  EXPECT_TRUE(one_begins(draw_notices(options, kModel, gpu_machine()),
                         "--control canny.safetensors: 0.5:0.55 of 25 steps is none"));
  options.nets.inputs[0].end = 0.56;
  EXPECT_EQ(draw_notices(options, kModel, gpu_machine()), Lines());
  options.image_prompts.adapters[0].steps = {0.5, 0.51};
  EXPECT_TRUE(one_begins(draw_notices(options, kModel, gpu_machine()),
                         "--ip-adapter plus.safetensors: 0.5:0.51 of 25 steps is none"));
}

TEST(Notices, ManyStepsOnACpuOnly) {
  DrawOptions options;
  options.steps = 101;
  EXPECT_TRUE(one_begins(draw_notices(options, kModel, cpu_machine()), "101 steps on a CPU"));
  EXPECT_EQ(draw_notices(options, kModel, gpu_machine()), Lines());
  options.device.kind = DeviceChoice::Kind::kCpu;
  EXPECT_EQ(draw_notices(options, kModel, gpu_machine()).size(), 1u);
}

TEST(Notices, SamplersThatCallTheModelTwice) {
  DrawOptions options;
  options.steps = 20;
  options.sampler = SamplerKind::kHeun;
  EXPECT_TRUE(one_begins(draw_notices(options, kModel, cpu_machine()),
                         "heun calls the UNet 2 times a step, so 20 steps take as long as 40"));
}

TEST(Notices, HalfPrecisionOnACpu) {
  DrawOptions options;
  options.dtype = DTypeChoice::kF16;
  EXPECT_TRUE(one_begins(draw_notices(options, kModel, cpu_machine()), "f16 is for GPUs"));
  EXPECT_EQ(draw_notices(options, kModel, gpu_machine()), Lines());
}

TEST(Notices, FullPrecisionOfAFullModelWhereBf16IsFaster) {
  DrawOptions options;
  options.dtype = DTypeChoice::kF32;
  EXPECT_TRUE(one_begins(draw_notices(options, kModel, cpu_machine()), "f32 of a full-size model"));
  auto without_bf16 = cpu_machine();
  without_bf16.bf16 = false;
  EXPECT_EQ(draw_notices(options, kModel, without_bf16), Lines());
  auto small = kModel;
  small.unet.model_channels = 32;
  EXPECT_EQ(draw_notices(options, small, cpu_machine()), Lines());
}

TEST(Notices, SidesFarFromThoseOfTraining) {
  const auto notices = [](int64_t width, int64_t height) {
    DrawOptions options;
    options.W = width;
    options.H = height;
    return draw_notices(options, kModel, cpu_machine());
  };
  EXPECT_TRUE(one_begins(notices(320, 64), "320x64: the model was trained on 512x512; below half"));
  EXPECT_TRUE(one_begins(notices(1088, 512), "1088x512: the model was trained on 512x512; beyond"));
  EXPECT_TRUE(notices(1088, 512).front().ends_with("\nWithout --W and --H it draws 512x512."));
  EXPECT_EQ(notices(1024, 256), Lines());
}

TEST(Notices, AreSaidOnStderrUnlessQuiet) {
  SdHome home;
  home.add_model("tiny.ckpt");  // of 128x128
  const std::vector<std::string> odd = {"txt2img", "--ckpt",   "tiny",         "--W",
                                        "320",     "--H",      "64",           "--device",
                                        "cpu",     "--outdir", "/proc/nowhere"};
  EXPECT_NE(home(odd).err.find("sd: 320x64: the model was trained"), std::string::npos);
  auto quiet = odd;
  quiet.emplace_back("-q");
  EXPECT_EQ(home(quiet).err.find("320x64"), std::string::npos);
}

}  // namespace
}  // namespace sd::cli
