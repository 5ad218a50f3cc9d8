#include <gtest/gtest.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "cli/tiny_run.h"
#include "sd/weights/open.h"
#include "support/checkpoint_writer.h"
#include "support/gguf_writer.h"
#include "support/safetensors_copy.h"

namespace sd {
namespace {

using test::Finished;
using test::read_text;
using test::run_sd;
using test::TinyRun;
using Names = std::vector<std::string>;

const std::string kTinyCheckpoint = SD_TEST_DATA "/tiny-v1.ckpt";

void expect_failure(const Finished& finished, int code, const std::vector<std::string>& parts) {
  EXPECT_EQ(finished.code, code) << finished.err;
  EXPECT_EQ(finished.out, "");
  for (const auto& part : parts)
    EXPECT_NE(finished.err.find(part), std::string::npos) << part << "\n" << finished.err;
  EXPECT_EQ(finished.err.rfind("sd: ", 0), 0u) << finished.err;
}

/// The tiny model as .safetensors, `spoiled` with half of its first dimension.
std::string with_half_a_tensor(const std::string& spoiled) {
  return test::copy_as_safetensors(*open_model(kTinyCheckpoint).tensors,
                                   [&](const std::string& name, TensorView& view) {
                                     if (name != spoiled) return;
                                     view.shape[0] /= 2;
                                     view.bytes = view.bytes.first(view.bytes.size() / 2);
                                   });
}

TEST(BadInput, MissingCheckpoint) {
  const TinyRun run;
  expect_failure(run({"--ckpt", run.path("absent.ckpt")}), 5,
                 {"--ckpt:", "absent.ckpt does not exist"});
}

TEST(BadInput, TruncatedZip) {
  const TinyRun run;
  const auto whole = read_text(kTinyCheckpoint);
  const auto cut = run.file("cut.ckpt", whole.substr(0, whole.size() / 2));
  expect_failure(run({"--ckpt", cut}), 4, {"cut.ckpt"});
}

TEST(BadInput, WhatIsNoModelOfTheFamilyIsNamed) {
  const TinyRun run;
  const auto lora = test::write_safetensors(
      R"({"lora_unet_x.lora_up.weight":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "x");
  const auto optimiser = test::write_checkpoint(
      {}, test::PickleWriter().op("}(").text("param_groups").op("]u").done());
  const auto language = test::GgufWriter()
                            .text("general.architecture", "llama")
                            .tensor({"blk.0.attn_q.weight", {1}, 0, "1234"})
                            .done();
  const std::string onnx("\x08\x07\x12\x07pytorch", 11);
  expect_failure(run({"--ckpt", run.file("a.safetensors", lora)}), 4, {"a.safetensors", "LoRA"});
  expect_failure(run({"--ckpt", run.file("a.pt", optimiser)}), 4, {"a.pt", "an optimiser"});
  expect_failure(run({"--ckpt", run.file("a.gguf", language)}), 4, {"a.gguf", "language model"});
  expect_failure(run({"--ckpt", run.file("a.onnx", onnx)}), 4, {"a.onnx", "ONNX", "not supported"});
}

TEST(BadInput, PickleThatCallsTheSystemIsRefusedAndNotObeyed) {
  const TinyRun run;
  const auto victim = run.path("victim").string();
  const std::string command = "touch " + victim;
  test::PickleWriter pickle;
  pickle.op("}(").text("state_dict").global("os", "system").op("(").text(command).op("tRu");
  const auto evil = run.file("evil.ckpt", test::write_checkpoint({}, pickle.done()));
  expect_failure(run({"--ckpt", evil}), 4, {"evil.ckpt", "os.system"});
  EXPECT_FALSE(std::filesystem::exists(victim));
}

TEST(BadInput, WrongShapes) {
  const TinyRun run;
  const std::string name = "model.diffusion_model.middle_block.0.in_layers.2.bias";
  const auto spoiled = run.file("spoiled.safetensors", with_half_a_tensor(name));
  expect_failure(run({"--ckpt", spoiled, "--config", SD_TEST_DATA "/tiny-v1.yaml"}), 4,
                 {name, "[32]", "[64]"});
}

TEST(BadInput, UnknownArgumentAndValue) {
  const TinyRun run;
  expect_failure(run({"--ddim_step", "20"}), 2,
                 {"unknown option '--ddim_step'", "Did you mean '--ddim_steps'?"});
  expect_failure(run({"--precision", "ful"}), 2,
                 {"'ful' is none of full, autocast", "Did you mean 'full'?"});
  expect_failure(run({"--device", "gpu"}), 2, {"gpu"});
  expect_failure(run_sd({"txt2img", "--seed"}), 2, {"--seed"});
  expect_failure(run_sd({"txt2imgs"}), 2,
                 {"unknown command 'txt2imgs'", "Did you mean 'txt2img'?"});
  expect_failure(run_sd({"--quiet", "txt2img"}), 2, {"unknown option '--quiet'"});
}

TEST(BadInput, SizeThatIsNoMultipleOf64) {
  const TinyRun run;
  expect_failure(run({"--H", "500"}), 2, {"height must be a multiple of 64 (nearest: 512)"});
}

TEST(BadInput, OutdirThatCannotBeWritten) {
  const TinyRun run;
  const auto file = run.file("file", "");
  expect_failure(run({"--outdir", file + "/out"}), 5, {"file"});
  expect_failure(run({"--outdir", "/proc/out"}), 5, {"/proc/out"});
}

TEST(BadInput, EmptyListOfPrompts) {
  const TinyRun run;
  expect_failure(run({"--from-file", run.file("empty.txt", "# nothing\n")}), 2,
                 {"holds no prompt"});
}

TEST(BadInput, FullDiskKeepsWhatIsDone) {
  const TinyRun run;
  const auto disk = run.path("disk");
  std::filesystem::create_directory(disk);
  // Room for one picture of random weights (about 45 kB) but not for two.
  if (mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=80k") != 0) {
    GTEST_SKIP() << "a small disk cannot be mounted here: " << std::strerror(errno);
  }
  const auto finished = run({"--outdir", disk, "--n_samples", "1", "--n_iter", "9"});
  Names left;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(disk)) {
    if (entry.is_regular_file()) left.push_back(entry.path());
  }
  const auto first = left.empty() ? Image{} : read_image(left.front());
  umount(disk.c_str());
  EXPECT_EQ(finished.code, 5) << finished.err;
  EXPECT_NE(finished.err.find("No space left"), std::string::npos) << finished.err;
  EXPECT_EQ(left, finished.lines()) << "nothing but the finished pictures may be left";
  EXPECT_EQ(first.width, 128);
}

TEST(BadInput, StandardOutputOnAFullDisk) {
  const TinyRun run;
  auto setup = run.setup({"--n_samples", "1", "--n_iter", "1"});
  setup.stdout_path = "/dev/full";
  const auto finished = run_program(setup);
  EXPECT_EQ(finished.code, 5);
  EXPECT_NE(finished.err.find("standard output"), std::string::npos) << finished.err;
  EXPECT_EQ(run.samples().size(), 1u);
}

/// The setup of a run that may have so much address space; ulimit counts in 1024 bytes.
test::ProcessSetup limited(test::ProcessSetup setup, int64_t megabytes) {
  std::vector<std::string> arguments = {
      "-c", "ulimit -v " + std::to_string(megabytes * 1000) + " && exec \"$0\" \"$@\"",
      setup.binary.string()};
  arguments.insert(arguments.end(), setup.arguments.begin(), setup.arguments.end());
  setup.binary = "/bin/sh";
  setup.arguments = std::move(arguments);
  return setup;
}

/// A sanitizer takes terabytes of it for itself.
bool can_limit_address_space() {
#ifdef __SANITIZE_ADDRESS__
  return false;
#else
  return true;
#endif
}

TEST(LackOfMemory, EndsWithItsExitCodeWhereverItStrikes) {
  if (!can_limit_address_space()) GTEST_SKIP();
  const TinyRun run;
  // The model cannot be mapped, LibTorch cannot, its static objects have no room.
  for (const int64_t megabytes : {25, 200, 380, 420}) {
    const auto finished = test::run_program(limited(run.setup({"--prompt", "a"}), megabytes));
    expect_failure(finished, 6, {"ulimit -v", "needed"});
    EXPECT_EQ(run.samples(), Names());
  }
}

TEST(LackOfMemory, ToldByWhatIsNeededIsEnough) {
  if (!can_limit_address_space()) GTEST_SKIP();
  const TinyRun run;
  const auto refused = test::run_program(limited(run.setup({"--prompt", "a"}), 400));
  constexpr std::string_view kRemedy = "starts: ulimit -v ";
  const auto at = refused.err.find(kRemedy);
  ASSERT_NE(at, std::string::npos) << refused.err;
  const auto needed = std::stoll(refused.err.substr(at + kRemedy.size()));
  const auto finished =
      test::run_program(limited(run.setup({"--prompt", "a"}), (needed + 999) / 1000));
  EXPECT_EQ(finished.code, 0) << finished.err;
}

TEST(LackOfMemory, OfOneTaskLeavesTheNextOne) {
  if (!can_limit_address_space()) GTEST_SKIP();
  const TinyRun run;
  const auto list = run.file("tasks.jsonl",
                             "{\"prompt\": \"a\", \"H\": 4096, \"W\": 4096, \"n_samples\": 8}\n"
                             "{\"prompt\": \"b\", \"n_samples\": 1, \"n_iter\": 1}\n");
  const auto finished = test::run_program(limited(run.setup({"--from-file", list}), 1500));
  EXPECT_EQ(finished.code, 3) << finished.err;
  EXPECT_NE(finished.err.find("line 1: "), std::string::npos) << finished.err;
  EXPECT_NE(finished.err.find("out of memory"), std::string::npos) << finished.err;
  EXPECT_EQ(run.samples().size(), 1u);
}

TEST(ChangingModel, IsNamedAndFinishedPicturesStay) {
  const TinyRun run;
  const std::string model = run.path("model.safetensors");  // in f32, used where it lies
  ASSERT_EQ(run_sd({"convert", kTinyCheckpoint, model, "--dtype", "f32", "--quiet"}).code, 0);
  test::Process process(run.setup(
      {"--ckpt", model, "--prompt", "a", "--n_samples", "1", "--n_iter", "100", "--skip_grid"}));
  ASSERT_TRUE(process.wait_until([&] { return !run.samples().empty(); }));
  std::filesystem::resize_file(model, 5000);
  const auto finished = process.wait();
  EXPECT_EQ(finished.code, 5) << finished.err;
  EXPECT_NE(finished.err.find("model.safetensors: the file was changed"), std::string::npos)
      << finished.err;
  EXPECT_FALSE(run.samples().empty());
}

}  // namespace
}  // namespace sd
