// Prompt syntax through the binary on the tiny model.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cli/tiny_run.h"
#include "sd/image/metadata.h"

namespace sd {
namespace {

using test::contains;
using test::TinyRun;
using Names = std::vector<std::string>;

Names with(Names arguments) {
  const Names small = {"--n_samples", "1", "--n_iter", "1", "--skip_grid", "--steps", "4"};
  arguments.insert(arguments.end(), small.begin(), small.end());
  return arguments;
}

test::Finished command(const TinyRun& run, const std::string& name, const Names& arguments) {
  auto setup = run.setup(arguments);
  setup.arguments.front() = name;
  return test::run_program(setup);
}

TEST(PromptBinary, EmphasisAndChangesDrawOtherPictures) {
  const TinyRun run;
  for (const char* prompt :
       {"a red cat", "a (red:1) cat", "a (red:1.4) cat", "a [red:blue:0.5] cat"}) {
    ASSERT_EQ(run(with({"--prompt", prompt})).code, 0) << prompt;
  }
  const auto plain = run.sample("00000.png").pixels;
  EXPECT_EQ(run.sample("00001.png").pixels, plain);
  EXPECT_NE(run.sample("00002.png").pixels, plain);
  EXPECT_NE(run.sample("00003.png").pixels, plain);
  const auto text = read_metadata(run.outdir() / "samples" / "00002.png").parameters.value_or("");
  EXPECT_TRUE(text.starts_with("a (red:1.4) cat\n")) << text;
}

TEST(PromptBinary, ControlsFindTheirWordsInMarkupAndInLaterChunks) {
  const TinyRun run;
  const std::string prompt = "a (red:1.2) cat BREAK on a sofa";
  ASSERT_EQ(run(with({"--prompt", prompt})).code, 0);
  ASSERT_EQ(run(with({"--prompt", prompt, "--reweight", "sofa=6"})).code, 0);
  ASSERT_EQ(run(with({"--prompt", prompt, "--reweight", "red=6"})).code, 0);
  EXPECT_NE(run.sample("00001.png").pixels, run.sample("00000.png").pixels);
  EXPECT_NE(run.sample("00002.png").pixels, run.sample("00001.png").pixels);
  EXPECT_EQ(command(run, "attn", with({"--prompt", prompt, "--words", "sofa,red"})).code, 0);
  for (const Names& mode : {Names{}, Names{"--mode", "p2p"}}) {
    Names swap = {"--sprompt", "a (red:1.2) cat BREAK on a sofa", "--prompt", "a dog"};
    swap.insert(swap.end(), mode.begin(), mode.end());
    const auto finished = command(run, "swap", with(swap));
    EXPECT_EQ(finished.code, 0) << finished.err;
  }
}

TEST(PromptBinary, NothingOfALongPromptIsLostInTheWebUisSyntax) {
  const TinyRun run;
  std::string prompt;
  for (int i = 0; i < 90; ++i) prompt += "very ";
  const auto cut = run(with({"--prompt", prompt + "red"}));
  EXPECT_TRUE(contains(cut.err, "the rest is left out")) << cut.err;
  const auto whole = run(with({"--prompt", prompt + "red", "--prompt-syntax", "a1111"}));
  EXPECT_EQ(whole.code, 0) << whole.err;
  EXPECT_FALSE(contains(whole.err, "left out")) << whole.err;
}

TEST(PromptBinary, ALongPlainPromptIsToldHowItIsKept) {
  const TinyRun run;
  std::string prompt;
  for (int i = 0; i < 90; ++i) prompt += "very ";
  const auto list = run.file("list.txt", prompt + "red\n" + prompt + "blue\n");
  const auto cut = run(with({"--from-file", list}));
  EXPECT_TRUE(contains(cut.err, "line 2 has 91 tokens")) << cut.err;
  const auto first = cut.err.find("To keep it, give --prompt-syntax a1111, or write BREAK");
  EXPECT_NE(first, std::string::npos) << cut.err;
  EXPECT_EQ(cut.err.find("To keep it", first + 1), std::string::npos) << cut.err;  // once is enough
}

TEST(PromptBinary, TagsOfNetworksAreLeftOutAndSaid) {
  const TinyRun run;
  const std::string tag = "<hypernet:foo(v2):0.8>";
  ASSERT_EQ(run(with({"--prompt", "a red cat", "--negative-prompt", "fog"})).code, 0);
  const auto tagged =
      run(with({"--prompt", "a red cat " + tag, "--negative-prompt", "fog <lora:bar:1>"}));
  EXPECT_EQ(tagged.code, 0);
  EXPECT_EQ(run.sample("00001.png").pixels, run.sample("00000.png").pixels);
  EXPECT_TRUE(contains(tagged.err,
                       tag + ", <lora:bar:1>: hypernetworks are not supported, and LoRAs stand in "
                             "prompts, not in the negative one; the tags are left out"))
      << tagged.err;
  // The same command draws it again.
  const auto text = read_metadata(run.outdir() / "samples" / "00001.png").parameters.value_or("");
  EXPECT_TRUE(text.starts_with("a red cat " + tag + "\n")) << text;
  const auto plain = run(with({"--prompt", "a red cat " + tag, "--prompt-syntax", "plain"}));
  EXPECT_FALSE(contains(plain.err, "not supported")) << plain.err;
  EXPECT_NE(run.sample("00002.png").pixels, run.sample("00000.png").pixels);
}

TEST(PromptBinary, TagsOfNetworksAreNoWordsOfASwap) {
  const TinyRun run;
  const auto swap = [&](const std::string& source, const std::string& target, const Names& more) {
    Names arguments = {"--mode", "p2p", "--sprompt", source, "--prompt", target};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto finished = command(run, "swap", with(arguments));
    EXPECT_EQ(finished.code, 0) << finished.err;
    return finished;
  };
  swap("a red cat", "a red dog", {});
  const auto tagged = swap("a red cat <hypernet:x:1>", "a red dog", {});
  EXPECT_TRUE(contains(tagged.err, "<hypernet:x:1>: ")) << tagged.err;
  EXPECT_EQ(run.sample("00001.png").pixels, run.sample("00000.png").pixels);
  const auto dry = swap("a red cat", "a red dog <hypernet:x:1>", {"--dry-run"});
  EXPECT_TRUE(contains(dry.out, "p2p, replacement")) << dry.out;  // three words and three
  EXPECT_TRUE(contains(dry.err, "<hypernet:x:1>: ")) << dry.err;
}

TEST(PromptBinary, WordsThatTheModelNeverLearntAreSaidWithThoseItKnows) {
  const TinyRun run;
  const Names demo = {"--ckpt", SD_SOURCE_DIR "/models/demo", "--steps", "1"};
  const auto drawn = [&](Names arguments) {
    arguments.insert(arguments.end(), demo.begin(), demo.end());
    return run(arguments).err;
  };
  const auto list =
      run.file("list.txt", "--prompt \"a samurai cat\"\n--prompt \"a cyberpunk cat\"\n");
  const auto said = drawn(with({"--from-file", list}));
  EXPECT_TRUE(contains(said, "line 1, the model never learnt samurai: ")) << said;
  EXPECT_TRUE(contains(said, "line 2, the model never learnt cyberpunk: ")) << said;
  const auto known = said.find("It knows 8");
  EXPECT_NE(known, std::string::npos) << said;
  EXPECT_TRUE(contains(said, "camera, car, carrot, castle, cat, clock")) << said;
  EXPECT_EQ(said.find("It knows", known + 1), std::string::npos) << said;  // once a run
  EXPECT_FALSE(contains(drawn(with({"--prompt", "a blue cat"})), "never learnt"));
}

TEST(PromptBinary, MalformedMarkupIsTextAndWhatCannotBeIsSaid) {
  const TinyRun run;
  for (const char* prompt : {"(a:x) cat", "((a cat", "a) cat]", "[a:b", "()"}) {
    EXPECT_EQ(run(with({"--prompt", prompt})).code, 0) << prompt;
  }
  const std::vector<std::pair<Names, std::string>> wrong = {
      {{"--prompt", "a cat", "--clip-skip", "3"}, "clip skip 3"},
      {{"--prompt", "a cat", "--clip-skip", "0"}, "--clip-skip"},
      {{"--prompt", "a [cat:cheshire cat:0.5] smiles", "--reweight", "smiles=2"}, "moves when"},
      {{"--prompt", "a cat", "--prompt-syntax", "comfy"}, "auto, plain, a1111"}};
  for (const auto& [arguments, part] : wrong) {
    const auto finished = run(with(arguments));
    EXPECT_EQ(finished.code, 2) << finished.err;
    EXPECT_TRUE(contains(finished.err, part)) << finished.err;
  }
}

}  // namespace
}  // namespace sd
