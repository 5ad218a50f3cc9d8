// What pickles may name and call: attacks are refused by name, what training programs leave in
// their checkpoints is read and reported.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "sd/core/error.h"
#include "support/expect_error.h"
#include "support/legacy_writer.h"
#include "support/pickle_writer.h"
#include "support/temp_folder.h"
#include "weights/ckpt_source.h"
#include "weights/legacy_ckpt_source.h"
#include "weights/pickle_machine.h"
#include "weights/pickle_trust.h"

namespace sd::pickle {
namespace {

using namespace std::string_literals;
using test::as_bytes;
using test::expect_error;
using test::PickleWriter;

struct Name {
  const char* module;
  const char* name;
};

std::string called(const Name& name) {
  return PickleWriter().global(name.module, name.name).text("touch x").op("\x85R").done();
}

void expect_refused(const std::string& pickle, std::string_view part) {
  expect_error<CheckpointError>([&] { read(as_bytes(pickle), "m.ckpt"); }, "m.ckpt", part);
}

std::vector<std::string> foreign(const std::string& pickle) {
  return read(as_bytes(pickle), "m.ckpt").foreign;
}

/// Known ways to a shell, to code, files or the network: refused as soon as they are named.
constexpr Name kNamed[] = {
    {"os", "system"},
    {"posix", "system"},
    {"nt", "system"},
    {"os", "popen"},
    {"os", "execv"},
    {"os.path", "join"},
    {"posixpath", "join"},
    {"subprocess", "Popen"},
    {"subprocess", "check_output"},
    {"_posixsubprocess", "fork_exec"},
    {"pty", "spawn"},
    {"builtins", "eval"},
    {"builtins", "exec"},
    {"builtins", "compile"},
    {"builtins", "open"},
    {"builtins", "getattr"},
    {"builtins", "setattr"},
    {"builtins", "__import__"},
    {"builtins", "map"},
    {"builtins", "type"},
    {"builtins", "print"},
    {"__builtin__", "eval"},
    {"__builtin__", "apply"},
    {"io", "open"},
    {"_io", "FileIO"},
    {"codecs", "open"},
    {"shutil", "rmtree"},
    {"tempfile", "mkdtemp"},
    {"pathlib", "fspath"},
    {"importlib", "import_module"},
    {"importlib.util", "spec_from_file_location"},
    {"imp", "load_source"},
    {"runpy", "run_path"},
    {"pkgutil", "resolve_name"},
    {"zipimport", "zipimporter"},
    {"pickle", "loads"},
    {"_pickle", "loads"},
    {"marshal", "loads"},
    {"shelve", "open"},
    {"dill", "loads"},
    {"cloudpickle", "loads"},
    {"joblib", "load"},
    {"types", "CodeType"},
    {"types", "FunctionType"},
    {"code", "InteractiveInterpreter"},
    {"codeop", "compile_command"},
    {"timeit", "timeit"},
    {"cProfile", "run"},
    {"profile", "run"},
    {"trace", "Trace"},
    {"pdb", "run"},
    {"bdb", "Bdb"},
    {"doctest", "debug_script"},
    {"pydoc", "pipepager"},
    {"ensurepip", "_run_pip"},
    {"venv", "create"},
    {"idlelib.pyshell", "ModifiedInterpreter"},
    {"lib2to3.pgen2.pgen", "ParserGenerator"},
    {"ctypes", "CDLL"},
    {"operator", "attrgetter"},
    {"operator", "methodcaller"},
    {"_operator", "attrgetter"},
    {"functools", "reduce"},
    {"itertools", "starmap"},
    {"logging.config", "listen"},
    {"logging", "FileHandler"},
    {"asyncio", "create_subprocess_shell"},
    {"multiprocessing", "Process"},
    {"concurrent.futures", "ThreadPoolExecutor"},
    {"threading", "Thread"},
    {"_thread", "start_new_thread"},
    {"socket", "create_connection"},
    {"urllib.request", "urlopen"},
    {"http.server", "HTTPServer"},
    {"ftplib", "FTP"},
    {"webbrowser", "open"},
    {"antigravity", "geohash"},
    {"requests", "get"},
    {"sqlite3", "connect"},
    {"signal", "signal"},
    {"atexit", "register"},
    {"sys", "setprofile"},
    {"gc", "get_objects"},
    {"inspect", "getattr_static"},
    {"site", "addsitedir"},
    {"test.support.script_helper", "assert_python_ok"},
    {"pip", "main"},
    {"setuptools", "setup"},
    {"IPython", "start_ipython"},
    {"copyreg", "add_extension"},
    {"torch", "load"},
    {"torch", "save"},
    {"torch.serialization", "load"},
    {"torch.storage", "_load_from_bytes"},
    {"torch.hub", "load"},
    {"torch.hub", "load_state_dict_from_url"},
    {"torch.hub", "_get_torch_home"},
    {"torch.jit", "load"},
    {"torch.utils.cpp_extension", "load_inline"},
    {"torch.utils.collect_env", "run"},
    {"torch.utils._config_module", "load_config"},
    {"torch.distributed.rpc", "rpc_sync"},
    {"torch.fx.graph_module", "reduce_graph_module"},
    {"numpy", "load"},
    {"numpy", "memmap"},
    {"numpy.testing._private.utils", "runstring"},
    {"osgeo", "system"},
    {"somebody", "run"},
};

TEST(PickleGadgets, WhatRunsSomethingIsRefusedWhereItIsNamed) {
  for (const auto& name : kNamed) {
    const auto full = fmt::format("'{}.{}'", name.module, name.name);
    expect_refused(called(name), full);
    expect_refused(PickleWriter().op("}").text("a").global(name.module, name.name).op("s").done(),
                   full);
  }
}

TEST(PickleGadgets, NamesThatAreNoPlainOnesAreRefused) {
  const std::vector<std::pair<std::string, std::string>> names = {
      {"collections", "OrderedDict.fromkeys"},
      {"collections", "OrderedDict.__init__.__globals__"},
      {"torch", "nn.Module"},
      {"\xce\xbfs", "system"},  // a Greek omicron
      {"os\xe2\x80\x8b", "system"},
      {"os ", "system"},
      {"os\r", "system"},
      {"os\nposix", "system"},
      {"os", "system\n"},
      {"", "system"},
      {"os", ""},
      {".os", "system"},
      {"os.", "system"},
      {"a..b", "C"},
      {"os;x", "C"},
      {"a\x1b[2J", "C"},
      {"a", "B\0C"s},
      {std::string(201, 'a'), "C"},
      {"a", std::string(201, 'B')},
  };
  for (const auto& [module, name] : names) {
    EXPECT_EQ(trust_of(module, name), Trust::kRefused) << module << " " << name;
    expect_refused(PickleWriter().text(module).text(name).op("\x93").done(), "refusing to read it");
  }
}

TEST(PickleGadgets, ANameIsShownInLettersThatSteerNothing) {
  const auto pickle = PickleWriter().text("\x1b[2J\xce\xbfs").text("a\nb").op("\x93").done();
  expect_refused(pickle, R"('\x1b[2J\xce\xbfs.a\x0ab')");
}

TEST(PickleGadgets, AComputedNameIsRefused) {
  expect_refused("\x80\x04\x8c\x02os\x8c\x06systemK\x01\x85\x93."s,
                 "a global whose name is no text");
  expect_refused("\x80\x04NN\x93."s, "a global whose name is no text");
}

TEST(PickleGadgets, OldAndRareWaysToCallAreRefusedByName) {
  expect_refused("\x80\x02(Nicollections\nOrderedDict\n."s, "'collections.OrderedDict'");   // INST
  expect_refused("\x80\x02(ccollections\nOrderedDict\nNo."s, "'collections.OrderedDict'");  // OBJ
  expect_refused("\x80\x02(iposix\nsystem\n."s, "'posix.system'");
  expect_refused(
      "\x80\x04"
      "cdata\nSet\n)}\x92."s,
      "'data.Set'");  // NEWOBJ_EX
  for (const char* ext : {"\x82\x01.", "\x83\x01\x01.", "\x84\x01\x01\x01\x01."})
    expect_refused("\x80\x02"s + ext, "extension registry");
}

TEST(PickleGadgets, WhatThePickleMadeIsNotCalled) {
  expect_refused(PickleWriter().global("data", "Set").op(")\x81)R").done(), "'data.Set'");
  expect_refused(
      PickleWriter().global("functools", "partial").global("data", "Set").op("\x85R)R").done(),
      "'functools.partial'");
}

TEST(PickleGadgets, AClassItselfIsNotGivenAState) {
  expect_refused(PickleWriter().global("collections", "OrderedDict").op("}b").done(),
                 "change 'collections.OrderedDict'");
}

TEST(PickleGadgets, ClassesThatAreNotKnownAreNotCalledWithTexts) {
  expect_refused(called({"netutil", "ProxyCommand"}), "'netutil.ProxyCommand'");
  expect_refused(called({"torch.package", "PackageImporter"}), "'torch.package.PackageImporter'");
  expect_refused(called({"torch.jit", "CompilationUnit"}), "'torch.jit.CompilationUnit'");
  expect_refused(
      PickleWriter().global("transformers", "Tool").text("a").text("b").op("\x86R").done(),
      "'transformers.Tool'");
}

TEST(PickleGadgets, FunctionsAreNotGivenToWhatCallsThem) {
  expect_refused(PickleWriter()
                     .global("functools", "partial")
                     .global("torch.nn.functional", "gelu")
                     .op("\x85R")
                     .done(),
                 "'functools.partial'");
  expect_refused(PickleWriter()
                     .global("torch._tensor", "_rebuild_from_type_v2")
                     .global("netutil", "ProxyCommand")
                     .op("\x85R")
                     .done(),
                 "'torch._tensor._rebuild_from_type_v2'");
  expect_refused(PickleWriter()
                     .global("copyreg", "_reconstructor")
                     .global("data", "Set")
                     .global("netutil", "ProxyCommand")
                     .text("touch x")
                     .op("\x87R")
                     .done(),
                 "'copyreg._reconstructor'");
  expect_refused(PickleWriter().global("_operator", "getitem").op("}").text("a").op("\x86R").done(),
                 "'_operator.getitem'");
  expect_refused(called({"typing", "ForwardRef"}), "'typing.ForwardRef'");
}

/// What training programs leave in checkpoints.
TEST(PickleGadgets, ClassesThatOnlyHoldDataAreReadAndReported) {
  PickleWriter writer;
  writer.op("](");
  writer.global("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint");  // as a key
  for (const auto& [module, name] : {std::pair{"omegaconf.dictconfig", "DictConfig"},
                                     {"transformers.training_args", "TrainingArguments"},
                                     {"lightning_fabric.utilities.data", "AttributeDict"},
                                     {"my_project.config", "Config"},
                                     {"torch.nn.modules.conv", "Conv2d"}}) {
    writer.global(module, name).op(")\x81}").text("a").integer(1).op("sb");
  }
  writer.global("transformers.trainer_utils", "SchedulerType").text("linear").op("\x85R");
  writer.global("my_project", "Mode").integer(1).op("\x85R");
  writer.global("torch.nn.functional", "gelu");
  writer.op("e");
  EXPECT_EQ(
      foreign(writer.done()),
      (std::vector<std::string>{"lightning_fabric.utilities.data.AttributeDict", "my_project.Mode",
                                "my_project.config.Config", "omegaconf.dictconfig.DictConfig",
                                "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
                                "torch.nn.functional.gelu", "torch.nn.modules.conv.Conv2d",
                                "transformers.trainer_utils.SchedulerType",
                                "transformers.training_args.TrainingArguments"}));
}

TEST(PickleGadgets, ValuesOfPythonAndNumpyAreNotWorthAWord) {
  PickleWriter writer;
  writer.op("](");
  for (const auto& [module, name] : {std::pair{"collections", "OrderedDict"},
                                     {"collections", "defaultdict"},
                                     {"builtins", "set"},
                                     {"argparse", "Namespace"},
                                     {"datetime", "datetime"},
                                     {"pathlib", "PosixPath"},
                                     {"_codecs", "encode"},
                                     {"numpy", "dtype"},
                                     {"numpy", "float64"},
                                     {"numpy.core.multiarray", "scalar"},
                                     {"numpy._core.multiarray", "_reconstruct"},
                                     {"torch", "float32"},
                                     {"torch", "device"},
                                     {"torch", "HalfStorage"},
                                     {"torch.storage", "UntypedStorage"},
                                     {"typing", "Any"}}) {
    writer.global(module, name);
  }
  writer.global("numpy", "dtype").text("f8").op("\x89\x88\x87R");
  writer.global("_codecs", "encode").text("abc").text("latin1").op("\x86R");
  writer.global("collections", "defaultdict").global("builtins", "dict").op("\x85R");
  writer.global("_operator", "getitem")
      .global("typing", "List")
      .global("builtins", "int")
      .op("\x86R");
  writer.op("e");
  EXPECT_EQ(foreign(writer.done()), std::vector<std::string>());
}

TEST(PickleGadgets, EachPickleOfAnOldFileIsLookedAt) {
  const auto open = [](const std::string& bytes) {
    open_legacy_ckpt({as_bytes(bytes), nullptr}, "m.ckpt");
  };
  const auto whole = test::legacy_preamble() + PickleWriter().op("}").done();
  const auto evil = whole + called({"os", "system"});
  expect_error<CheckpointError>([&] { open(evil); }, "'os.system'");
  const auto foreign_keys = whole + PickleWriter().global("my_project", "Keys").done();
  expect_error<CheckpointError>([&] { open(foreign_keys); }, "'my_project.Keys'");
}

TEST(PickleGadgets, AsManyForeignNamesAsAnyFileHas) {
  PickleWriter writer;
  for (std::size_t i = 0; i <= kMaxForeign; ++i) writer.global("a", fmt::format("C{}", i)).op("0");
  expect_refused(writer.op("N").done(), "more than 10000 classes");
}

}  // namespace
}  // namespace sd::pickle
