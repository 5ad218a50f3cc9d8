#include "weights/pickle_globals.h"

#include <algorithm>
#include <array>
#include <utility>

namespace sd::pickle {
namespace {

using namespace std::string_view_literals;

struct Row {
  std::string_view module;
  std::string_view name;
  Callable callable;
};

constexpr std::array kCallables = {
    Row{"collections", "OrderedDict", Callable::kOrderedDict},
    Row{"torch._utils", "_rebuild_tensor", Callable::kRebuildTensor},
    Row{"torch._utils", "_rebuild_tensor_v2", Callable::kRebuildTensor},
    Row{"torch._utils", "_rebuild_tensor_v3", Callable::kRebuildTensor},
    Row{"torch._utils", "_rebuild_parameter", Callable::kRebuildParameter},
    Row{"torch._utils", "_rebuild_parameter_with_state", Callable::kRebuildParameter},
    Row{"torch", "Size", Callable::kSize},
};

// Whole modules (with what lies below them): processes, files, network, and ways to load or run
// code.
constexpr std::array kDangerousModules = {
    "os"sv,
    "posix"sv,
    "nt"sv,
    "subprocess"sv,
    "_posixsubprocess"sv,
    "commands"sv,
    "popen2"sv,
    "pty"sv,
    "platform"sv,
    "sys"sv,
    "shutil"sv,
    "tempfile"sv,
    "socket"sv,
    "_socket"sv,
    "ssl"sv,
    "ftplib"sv,
    "smtplib"sv,
    "telnetlib"sv,
    "urllib"sv,
    "urllib2"sv,
    "http"sv,
    "httplib"sv,
    "requests"sv,
    "webbrowser"sv,
    "asyncio"sv,
    "multiprocessing"sv,
    "threading"sv,
    "_thread"sv,
    "importlib"sv,
    "imp"sv,
    "runpy"sv,
    "pkgutil"sv,
    "zipimport"sv,
    "code"sv,
    "codeop"sv,
    "pdb"sv,
    "bdb"sv,
    "timeit"sv,
    "profile"sv,
    "cProfile"sv,
    "trace"sv,
    "ctypes"sv,
    "_ctypes"sv,
    "cffi"sv,
    "marshal"sv,
    "pickle"sv,
    "_pickle"sv,
    "cPickle"sv,
    "dill"sv,
    "cloudpickle"sv,
    "pip"sv,
    "setuptools"sv,
    "distutils"sv,
    "signal"sv,
    "gc"sv,
    "inspect"sv,
};

constexpr std::array kDangerousBuiltins = {
    "eval"sv,    "exec"sv,   "execfile"sv,  "compile"sv,    "open"sv,
    "file"sv,    "input"sv,  "raw_input"sv, "apply"sv,      "reload"sv,
    "globals"sv, "locals"sv, "vars"sv,      "breakpoint"sv, "__import__"sv,
};

// Single names of modules that have an honest use otherwise.
constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kDangerousNames = {{
    {"types", "CodeType"},
    {"types", "FunctionType"},
    {"types", "LambdaType"},
    {"torch", "load"},
    {"torch.serialization", "load"},
    {"torch.hub", "load"},
    {"torch.jit", "load"},
    {"numpy", "load"},
    {"numpy.testing._private.utils", "runstring"},
    {"io", "open"},
}};

template <typename Names, typename Name>
bool holds(const Names& names, const Name& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

constexpr std::array<std::pair<std::string_view, DType>, 10> kStorages = {{
    {"DoubleStorage", DType::kF64},
    {"FloatStorage", DType::kF32},
    {"HalfStorage", DType::kF16},
    {"BFloat16Storage", DType::kBF16},
    {"LongStorage", DType::kI64},
    {"IntStorage", DType::kI32},
    {"ShortStorage", DType::kI16},
    {"CharStorage", DType::kI8},
    {"ByteStorage", DType::kU8},
    {"BoolStorage", DType::kBool},
}};

constexpr std::array<std::pair<std::string_view, std::size_t>, 6> kOtherStorages = {{
    {kBytesStorage, 1},
    {"ComplexFloatStorage", 8},
    {"ComplexDoubleStorage", 16},
    {"QInt8Storage", 1},
    {"QUInt8Storage", 1},
    {"QInt32Storage", 4},
}};

}  // namespace

Callable classify(std::string_view module, std::string_view name) {
  for (const Row& row : kCallables) {
    if (row.module == module && row.name == name) return row.callable;
  }
  return Callable::kInert;
}

bool is_dangerous(std::string_view module, std::string_view name) {
  const auto root = module.substr(0, module.find('.'));
  if (holds(kDangerousModules, root)) return true;
  if (module == "builtins" || module == "__builtin__") {
    // STACK_GLOBAL may name an attribute of one: "eval.__call__".
    return holds(kDangerousBuiltins, name.substr(0, name.find('.')));
  }
  return holds(kDangerousNames, std::pair{module, name});
}

std::optional<DType> storage_dtype(std::string_view type) {
  for (const auto& [name, dtype] : kStorages) {
    if (name == type) return dtype;
  }
  return std::nullopt;
}

std::optional<std::size_t> storage_element_size(std::string_view type) {
  if (const auto dtype = storage_dtype(type)) return size_of(*dtype);
  for (const auto& [name, size] : kOtherStorages) {
    if (name == type) return size;
  }
  return std::nullopt;
}

}  // namespace sd::pickle
