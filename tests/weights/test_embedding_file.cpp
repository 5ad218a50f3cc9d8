#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "sd/core/error.h"
#include "sd/weights/embedding_file.h"
#include "support/checkpoint_writer.h"
#include "support/expect_error.h"
#include "support/safetensors_writer.h"
#include "support/temp_folder.h"

namespace sd {
namespace {

using test::as_bytes;
using test::expect_error;

std::string floats(const std::vector<float>& values) {
  std::string bytes(values.size() * sizeof(float), '\0');
  if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

const std::vector<float> kSix = {1, 2, 3, 4, 5, 6};

test::PickledTensor two_by_three() { return {"FloatStorage", "0", 6, 0, {2, 3}, {3, 1}}; }

std::string archive(const std::string& pickle, const std::vector<float>& values = kSix) {
  test::Checkpoint checkpoint;
  checkpoint.storages = {{"0", floats(values)}};
  return test::write_checkpoint(checkpoint, pickle);
}

/// What the web UI's trainer saves, with `param` as the value of string_to_param.
std::string trained(const std::function<void(test::PickleWriter&)>& param,
                    const std::vector<float>& values = kSix) {
  test::PickleWriter pickle;
  pickle.op("}(").text("string_to_token").op("}").text("*").integer(265).op("s");
  pickle.text("string_to_param");
  param(pickle);
  pickle.text("name").text("ink").text("step").integer(1500);
  pickle.text("sd_checkpoint").text("cc6cb27103").text("sd_checkpoint_name").text("v1-5");
  return archive(pickle.op("u").done(), values);
}

void plain_param(test::PickleWriter& pickle) {
  pickle.op("}").text("*").tensor(two_by_three()).op("s");
}

std::string safetensors(const std::string& name, const std::string& shape,
                        const std::vector<float>& values = kSix) {
  const auto bytes = floats(values);
  return test::write_safetensors("{\"" + name + R"(":{"dtype":"F32","shape":)" + shape +
                                     R"(,"data_offsets":[0,)" + std::to_string(bytes.size()) +
                                     "]}}",
                                 bytes);
}

EmbeddingFile parse(const std::string& bytes) {
  return parse_embedding_weights(as_bytes(bytes), "ink.pt");
}

void expect_refused(const std::string& bytes, std::string_view part, std::string_view more = "") {
  expect_error<CheckpointError>([&] { parse(bytes); }, "ink.pt", part, more);
}

TEST(EmbeddingFile, ReadsWhatTheWebUiTrained) {
  const auto read = parse(trained(plain_param));
  EXPECT_EQ(read.vectors, 2);
  EXPECT_EQ(read.width, 3);
  EXPECT_EQ(read.values, kSix);
  EXPECT_EQ(read.layout, "A1111 .pt");
  EXPECT_EQ(read.step, 1500);
  EXPECT_EQ(read.trained_on, "v1-5");
  EXPECT_EQ(read.trained_on_hash, "cc6cb27103");
}

TEST(EmbeddingFile, ReadsTheParametersOfAParameterDict) {
  const auto bytes = trained([](test::PickleWriter& pickle) {
    pickle.global("torch.nn.modules.container", "ParameterDict").op(")\x81");
    pickle.op("}(").text("training").op("\x88").text("_parameters");
    pickle.global("collections", "OrderedDict").op(")R(");
    pickle.text("*").tensor(two_by_three()).op("uub");
  });
  EXPECT_EQ(parse(bytes).values, kSix);
}

TEST(EmbeddingFile, ReadsWhatDiffusersTrainedByItsToken) {
  test::PickleWriter pickle;
  pickle.op("}").text("<cat-toy>").tensor({"FloatStorage", "0", 6, 0, {6}, {1}}).op("s");
  const auto one = parse(archive(pickle.done()));
  EXPECT_EQ(one.vectors, 1);
  EXPECT_EQ(one.width, 6);
  EXPECT_EQ(one.alias, "<cat-toy>");
  const auto several = parse(safetensors("<cat-toy>", "[2,3]"));
  EXPECT_EQ(several.vectors, 2);
  EXPECT_EQ(several.alias, "<cat-toy>");
  EXPECT_EQ(several.layout, "diffusers");
}

TEST(EmbeddingFile, ReadsConvertedFilesAndAnyOtherTensorThatIsAlone) {
  const auto converted = parse(safetensors("emb_params", "[2,3]"));
  EXPECT_EQ(converted.values, kSix);
  EXPECT_EQ(converted.alias, "");
  EXPECT_EQ(converted.layout, "A1111 .safetensors");
  const auto alone = parse(safetensors("weight", "[2,3]"));
  EXPECT_EQ(alone.values, kSix);
  EXPECT_EQ(alone.alias, "");  // no word that anybody means
}

TEST(EmbeddingFile, WidensHalfPrecision) {
  const auto file = test::write_safetensors(
      R"({"emb_params":{"dtype":"F16","shape":[1,2],"data_offsets":[0,4]}})",
      std::string("\x00\x3c\x00\xc0", 4));
  EXPECT_EQ(parse(file).values, (std::vector<float>{1, -2}));
}

TEST(EmbeddingFile, RefusesAnotherFamilysByName) {
  const std::string header = R"({"clip_g":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},)"
                             R"("clip_l":{"dtype":"F32","shape":[1,1],"data_offsets":[4,8]}})";
  expect_refused(test::write_safetensors(header, floats({1, 2})), "Stable Diffusion XL");
}

TEST(EmbeddingFile, RefusesValuesThatAreNoNumbers) {
  auto values = kSix;
  values[4] = std::numeric_limits<float>::quiet_NaN();
  expect_refused(trained(plain_param, values), "NaN", "vector 2 of 2");
  values[4] = std::numeric_limits<float>::infinity();
  expect_refused(safetensors("emb_params", "[2,3]", values), "infinite");
}

TEST(EmbeddingFile, RefusesShapesOfNoEmbedding) {
  expect_refused(safetensors("emb_params", "[1,2,3]"), "found [1, 2, 3]");
  expect_refused(safetensors("emb_params", "[0,3]", {}), "found [0, 3]");
  expect_refused(safetensors("emb_params", "[76,1]", std::vector<float>(76)),
                 "an embedding of 76 vectors", "room for 75");
}

TEST(EmbeddingFile, RefusesOtherFiles) {
  expect_refused("", "empty");
  const auto whole = trained(plain_param);
  expect_refused(whole.substr(0, whole.size() / 2), "truncated");
  const auto tensors = safetensors("emb_params", "[2,3]");
  expect_refused(tensors.substr(0, tensors.size() - 4), "truncated");
  const std::string header = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                             R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})";
  expect_refused(test::write_safetensors(header, floats({1, 2})), "found 2 tensors");
  expect_refused(trained([](test::PickleWriter& pickle) { pickle.op("}"); }), "without a tensor");
  const auto words = trained([](test::PickleWriter& pickle) {
    pickle.op("}(").text("a").tensor(two_by_three()).text("b").tensor(two_by_three()).op("u");
  });
  expect_refused(words, "of 2 words");
  expect_refused(
      test::write_safetensors(R"({"emb_params":{"dtype":"I32","shape":[1],"data_offsets":[0,4]}})",
                              floats({1})),
      "is I32");
}

TEST(EmbeddingFile, IsToldFromAModel) {
  const test::TempFolder folder;
  const auto looks = [&](const std::string& bytes) {
    test::write_text(folder / "x.pt", bytes);
    return looks_like_embedding(folder / "x.pt");
  };
  EXPECT_TRUE(looks(trained(plain_param)));
  EXPECT_TRUE(looks(safetensors("<toy>", "[2,3]")));
  EXPECT_TRUE(looks(safetensors("any", "[768]", std::vector<float>(768))));
  EXPECT_FALSE(looks(safetensors("w", "[2,3]")));
  EXPECT_FALSE(looks("neither"));
}

}  // namespace
}  // namespace sd
