#include <gtest/gtest.h>

#include <string>

#include "sd/core/error.h"
#include "support/expect_error.h"
#include "support/pickle_writer.h"
#include "support/temp_folder.h"
#include "weights/pickle_machine.h"

namespace sd::pickle {
namespace {

using namespace std::string_literals;
using test::as_bytes;
using test::expect_error;
using test::PickleWriter;

/// The text must outlive the document, whose values point into it.
template <typename T>
T root_of(const std::string& pickle) {
  const Document document = read(as_bytes(pickle), "m.ckpt");
  const T* value = document.get_if<T>(document.root);
  EXPECT_NE(value, nullptr);
  return value ? *value : T{};
}

void expect_refused(const std::string& pickle, std::string_view part) {
  expect_error<CheckpointError>([&] { read(as_bytes(pickle), "m.ckpt"); }, "m.ckpt", part);
}

TEST(PickleMachine, ReadsIntegersOfEverySize) {
  EXPECT_EQ(root_of<int64_t>("\x80\x02K\xff."s), 255);
  EXPECT_EQ(root_of<int64_t>("\x80\x02M\xff\xff."s), 65535);
  EXPECT_EQ(root_of<int64_t>("\x80\x02J\xff\xff\xff\xff."s), -1);
  EXPECT_EQ(root_of<int64_t>("\x80\x02\x8a\x00."s), 0);
  EXPECT_EQ(root_of<int64_t>("\x80\x02\x8a\x01\x80."s), -128);
  EXPECT_EQ(root_of<int64_t>("\x80\x02\x8a\x02\xff\x7f."s), 32767);
  EXPECT_EQ(root_of<int64_t>("\x80\x02\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f."s), INT64_MAX);
}

TEST(PickleMachine, ReadsFloatsHighByteFirst) {
  EXPECT_EQ(root_of<double>("\x80\x02G\x3f\xf8\x00\x00\x00\x00\x00\x00."s), 1.5);
}

TEST(PickleMachine, ReadsProtocol4FramesAndItsMemo) {
  // pickle.dumps(["ab", "ab"], 4), in which the second text comes from the memo.
  const auto list =
      "\x80\x04\x95\x0c\x00\x00\x00\x00\x00\x00\x00]\x94(\x8c\x02"s
      "ab\x94h\x01"
      "e."s;
  const Document document = read(as_bytes(list), "m.ckpt");
  const auto& items = document.get_if<List>(document.root)->items;
  ASSERT_EQ(items.size(), 2u);
  EXPECT_EQ(items[0], items[1]);
  EXPECT_EQ(document.get_if<Text>(items[0])->utf8, "ab");
}

TEST(PickleMachine, ReadsAnOrderedDictOfEitherKind) {
  PickleWriter filled;
  filled.global("collections", "OrderedDict")
      .op(")R(")
      .text("a")
      .integer(1)
      .text("b")
      .integer(2)
      .op("u");
  EXPECT_EQ(root_of<Dict>(filled.done()).items.size(), 2u);
  PickleWriter pairs;
  pairs.global("collections", "OrderedDict").op("]]").text("a").op("a").integer(1).op("aa\x85R");
  EXPECT_EQ(root_of<Dict>(pairs.done()).items.size(), 1u);
}

TEST(PickleMachine, ReadsATensor) {
  const auto pickle = PickleWriter().tensor({"HalfStorage", "7", 20, 4, {2, 3}, {3, 1}}).done();
  const Document document = read(as_bytes(pickle), "m.ckpt");
  const auto* tensor = document.get_if<Tensor>(document.root);
  ASSERT_NE(tensor, nullptr);
  EXPECT_EQ(tensor->offset, 4);
  EXPECT_EQ(tensor->shape, (std::vector<int64_t>{2, 3}));
  const auto* storage = document.get_if<Storage>(tensor->storage);
  EXPECT_EQ(storage->type, "HalfStorage");
  EXPECT_EQ(storage->key, "7");
  EXPECT_EQ(storage->count, 20);
}

TEST(PickleMachine, AParameterIsItsTensor) {
  PickleWriter writer;
  writer.global("torch._utils", "_rebuild_parameter")
      .op("(")
      .tensor({"FloatStorage", "0", 1, 0, {1}, {1}});
  writer.op("\x88").global("collections", "OrderedDict").op(")RtR");
  EXPECT_EQ(root_of<Tensor>(writer.done()).shape, (std::vector<int64_t>{1}));
}

TEST(PickleMachine, UnknownClassesBecomeInertPlaceholders) {
  PickleWriter writer;
  // An object made, given a state and filled: nothing of it happens.
  writer.global("pytorch_lightning.callbacks", "ModelCheckpoint")
      .op(")\x81}")
      .text("k")
      .integer(1)
      .op("sb");
  writer.op("(").text("a").integer(1).op("u");
  const auto bytes = writer.done();  // what names point into
  const auto placeholder = root_of<Placeholder>(bytes);
  EXPECT_EQ(placeholder.name, "ModelCheckpoint");
}

TEST(PickleMachine, ACommandIsRefusedByName) {
  // What os.system is on Linux: pickle.dumps of an object whose __reduce__ returns (os.system,
  // ("touch /tmp/x",)).
  expect_refused("\x80\x02"s + "cposix\nsystem\nX\x0c\x00\x00\x00touch /tmp/x\x85R."s,
                 "'posix.system'");
  expect_refused("\x80\x04\x8c\x02os\x8c\x06system\x93."s, "'os.system'");
  expect_refused(PickleWriter().global("builtins", "eval").text("1").op("\x85R").done(),
                 "'builtins.eval'");
  expect_refused(PickleWriter().global("__builtin__", "__import__").text("os").op("\x85R").done(),
                 "__import__");
  expect_refused(PickleWriter().global("subprocess", "Popen").text("sh").op("\x85R").done(),
                 "'subprocess.Popen'");
  expect_refused(PickleWriter().global("importlib._bootstrap", "_load").op(")R").done(),
                 "importlib");
  expect_refused(
      "\x80\x04\x8c\x08"
      "builtins"
      "\x8c\x0d"
      "eval.__call__"
      "\x93."s,
      "eval.__call__");
}

TEST(PickleMachine, HonestNamesNearDangerousOnesPass) {
  for (const auto& [module, name] : {std::pair{"builtins", "set"},
                                     {"pathlib", "PosixPath"},
                                     {"_codecs", "encode"},
                                     {"numpy.core.multiarray", "scalar"}}) {
    EXPECT_EQ(root_of<Placeholder>(PickleWriter().global(module, name).op(")R").done()).name, name);
  }
}

TEST(PickleMachine, OpcodesThatCheckpointsDoNotUseAreRefused) {
  expect_refused("\x80\x02\x82\x01."s, "extension registry");  // EXT1
  expect_refused("\x80\x02P1\n."s, "opcode 0x50");             // PERSID
  expect_refused("\x80\x01N."s, "protocol 1");
}

TEST(PickleMachine, BrokenStacksAreRefused) {
  expect_refused("\x80\x02."s, "empty stack");
  expect_refused("\x80\x02"s + "0."s, "empty stack");
  expect_refused("\x80\x02t."s, "no mark");
  expect_refused("\x80\x02]Na"s, "cut short");
  expect_refused("\x80\x02N(Na."s, "empty stack");  // what lies below a mark is out of reach
  expect_refused("\x80\x02NNa."s, "no list");
  expect_refused("\x80\x02}(Nu."s, "no dictionary");
  expect_refused("\x80\x02h\x05."s, "memo entry 5");
  expect_refused("\x80\x02NNR."s, "no function");
  expect_refused("\x80\x02NQ."s, "no storage");
}

TEST(PickleMachine, LengthsBeyondTheFileAreRefused) {
  expect_refused("\x80\x02X\xff\xff\xff\xffx."s, "cut short");
  expect_refused("\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\xffx."s, "cut short");
  expect_refused("\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7fN."s, "frame");
  expect_refused("\x80\x02Nr\xff\xff\xff\xff."s, "memo entry 4294967295");
}

TEST(PickleMachine, MoreValuesThanTheLimitAreRefused) {
  expect_refused("\x80\x02("s + std::string(kMaxValues + 1, 'N') + "t."s,
                 "more than 2000000 values");
  expect_refused("\x80\x02("s + std::string(kMaxValues + 1, '2') + "t."s, "empty stack");
  expect_refused("\x80\x02N"s + std::string(kMaxValues + 1, '2') + "."s, "values on its stack");
  expect_refused("\x80\x02"s + std::string(kMaxDepth + 1, '(') + "."s, "nested");
}

TEST(PickleMachine, ADeepListNeedsNoStackOfOurs) {
  // [[[…]]] a million deep, each appended to the one around it.
  std::string deep = "\x80\x02"s + std::string(1'000'000, ']') + std::string(999'999, 'a') + ".";
  EXPECT_EQ(root_of<List>(deep).items.size(), 1u);
}

TEST(PickleMachine, AListThatHoldsItselfIsRead) {
  const Document document = read(as_bytes("\x80\x02]q\x00h\x00"
                                          "a."s),
                                 "m.ckpt");
  EXPECT_EQ(document.get_if<List>(document.root)->items.front(), document.root);
}

TEST(PickleMachine, OneListNamedAgainAndAgainIsBounded) {
  // A thousand pairs, made into an OrderedDict ten thousand times.
  std::string pickle = "\x80\x02](";
  for (int i = 0; i < 1000; ++i) pickle += "NN\x86";
  pickle +=
      "eq\x01"
      "0ccollections\nOrderedDict\nq\x02"
      "0";
  for (int i = 0; i < 10'000; ++i) pickle += "h\x02h\x01\x85R0";
  expect_refused(pickle + "N.", "dictionary entries");
}

TEST(PickleMachine, MalformedTensorsAreRefused) {
  PickleWriter no_arguments;
  expect_refused(no_arguments.global("torch._utils", "_rebuild_tensor_v2").op(")R").done(),
                 "malformed");
  expect_refused(PickleWriter().tensor({"FloatStorage", "0", 1, 0, {1, 1}, {1}}).done(),
                 "malformed");
  expect_refused(
      PickleWriter().tensor({"FloatStorage", "0", 1, 0, std::vector<int64_t>(17, 1), {}}).done(),
      "shape");
}

}  // namespace
}  // namespace sd::pickle
