#include "weights/pickle_calls.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "sd/core/error.h"
#include "weights/float8.h"
#include "weights/pickle_globals.h"
#include "weights/pickle_machine.h"
#include "weights/pickle_trust.h"

namespace sd::pickle {
namespace {

/// OrderedDict() or, as Python 2 wrote it, OrderedDict([[key, value], …]).
void push_ordered_dict(Stack& stack, const Tuple& arguments) {
  std::vector<std::pair<Id, Id>> items;
  if (!arguments.items.empty()) {
    const auto* list = stack.get<List>(arguments.items.front());
    if (!list) stack.fail("an OrderedDict made of what is no list");
    stack.charge(list->items.size());
    for (const Id item : list->items) {
      const auto* as_list = stack.get<List>(item);
      const auto* as_tuple = stack.get<Tuple>(item);
      const bool is_pair =
          as_list ? as_list->items.size() == 2 : as_tuple && as_tuple->items.size() == 2;
      if (!is_pair) stack.fail("an OrderedDict whose entries are no pairs");
      const auto& pair = as_list ? as_list->items : as_tuple->items;
      items.emplace_back(pair[0], pair[1]);
    }
  }
  stack.push(Dict{std::move(items)});
}

/// The numbers of a shape or of strides.
std::vector<int64_t> integers(Stack& stack, Id id) {
  const auto* tuple = stack.get<Tuple>(id);
  if (!tuple || tuple->items.size() > kMaxDimensions) {
    stack.fail(fmt::format("a shape that is no tuple of at most {} numbers", kMaxDimensions));
  }
  std::vector<int64_t> numbers;
  for (const Id item : tuple->items) {
    const auto* number = stack.get<int64_t>(item);
    if (!number) stack.fail("a shape that is not of integers");
    numbers.push_back(*number);
  }
  return numbers;
}

/// What torch dtype `id` names; empty for anything else.
std::string_view dtype_name(Stack& stack, Id id) {
  const auto* global = stack.get<Global>(id);
  return global && global->module == "torch" ? global->name : std::string_view();
}

/// (storage, offset, shape, strides, …): what follows concerns training only, but for the dtype
/// that _rebuild_tensor_v3 is given last but for metadata.
void push_tensor(Stack& stack, const Tuple& arguments) {
  constexpr std::string_view kMalformed = "a tensor with malformed arguments";
  if (arguments.items.size() < 4) stack.fail(kMalformed);
  const Id storage = arguments.items[0];
  if (const auto* inert = stack.get<Placeholder>(storage)) {
    // Of a storage that is not read: an error only if this tensor is wanted.
    stack.push(Placeholder(*inert));
    return;
  }
  const auto* offset = stack.get<int64_t>(arguments.items[1]);
  const auto* stored = stack.get<Storage>(storage);
  if (!stored || !offset) stack.fail(kMalformed);
  constexpr std::size_t kDType = 6;
  std::string_view dtype;
  if (stored->type == kBytesStorage && arguments.items.size() > kDType)
    dtype = dtype_name(stack, arguments.items[kDType]);
  if (!storage_dtype(stored->type) && !float8_of_torch(dtype)) {
    stack.push(Placeholder{"torch", dtype.empty() ? stored->type : dtype});
    return;
  }
  Tensor tensor{storage, *offset, integers(stack, arguments.items[2]),
                integers(stack, arguments.items[3]), dtype};
  if (tensor.shape.size() != tensor.strides.size()) stack.fail(kMalformed);
  stack.push(std::move(tensor));
}

/// A name in letters that steer no terminal and look like no others, cut where it is long.
std::string shown(std::string_view name) {
  constexpr std::size_t kMost = 200;
  std::string text;
  for (const char c : name.substr(0, kMost)) {
    const bool plain = c >= ' ' && c <= '~';
    text += plain ? std::string(1, c) : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  return name.size() > kMost ? text + "…" : text;
}

[[noreturn]] void refuse(const Stack& stack, std::string_view what, std::string_view module,
                         std::string_view name) {
  throw CheckpointError(fmt::format(
      "{}: a Python program that loads this pickle would {} '{}.{}'; refusing to read it.\n"
      "    An honest checkpoint does not do that. Delete the file, and take a .safetensors from a "
      "source you trust.",
      stack.label(), what, shown(module), shown(name)));
}

bool is_number(Stack& stack, Id id) {
  return stack.get<int64_t>(id) || stack.get<bool>(id) || stack.get<double>(id) ||
         stack.get<None>(id) || stack.get<BigInteger>(id);
}

/// Whether an unknown class may be called with these arguments. Numbers are allowed, since
/// enumerations and sizes are stored so. One text is allowed if the class belongs to a package
/// whose enumerations have texts as values.
bool is_plain_data(Stack& stack, std::string_view module, const Tuple& arguments) {
  const auto& items = arguments.items;
  if (takes_a_text(module) && items.size() == 1 && stack.get<Text>(items[0])) return true;
  return std::all_of(items.begin(), items.end(), [&](Id item) { return is_number(stack, item); });
}

/// The trust in what `id` names, known where it names nothing.
Trust trust_of_value(Stack& stack, Id id) {
  const auto* global = stack.get<Global>(id);
  return global ? trust_of(global->module, global->name) : Trust::kKnown;
}

/// A few that are known call what they are given, or hand out what is in it.
bool is_known_use(Stack& stack, const Global& callable, const Tuple& arguments) {
  const auto global_at = [&](std::size_t place) {
    return place < arguments.items.size() ? stack.get<Global>(arguments.items[place]) : nullptr;
  };
  if (callable.name == "getitem") {  // how typing's List[int] is stored
    const auto* of = global_at(0);
    return of && trust_of(of->module, of->name) == Trust::kType;
  }
  if (callable.name == "_reconstructor") {  // (class, the base whose __init__ is called, …)
    const auto* base = global_at(1);
    return base && base->name == "object";
  }
  if (callable.name.starts_with("_rebuild_from_type")) {  // (function, type, its arguments, …)
    const auto* function = global_at(0);
    return function && function->module == "torch._utils";
  }
  return std::all_of(arguments.items.begin(), arguments.items.end(),
                     [&](Id item) { return trust_of_value(stack, item) != Trust::kFunction; });
}

void check_call(Stack& stack, const Global& callable, const Tuple& arguments, Making making) {
  bool allowed = false;
  switch (trust_of(callable.module, callable.name)) {
    case Trust::kKnown:
      allowed = is_known_use(stack, callable, arguments);
      break;
    case Trust::kClass:
      allowed = making == Making::kInstance || is_plain_data(stack, callable.module, arguments);
      break;
    case Trust::kType:
    case Trust::kFunction:
    case Trust::kRefused:
      break;
  }
  if (!allowed) refuse(stack, "call", callable.module, callable.name);
}

}  // namespace

void push_global(Stack& stack, std::string_view module, std::string_view name) {
  switch (trust_of(module, name)) {
    case Trust::kRefused:
      refuse(stack, is_plain_name(module, name) ? "name" : "name, in no plain letters,", module,
             name);
    case Trust::kClass:
    case Trust::kFunction:
      stack.note_foreign(module, name);
      break;
    case Trust::kKnown:
    case Trust::kType:
      break;
  }
  stack.push(Global{module, name});
}

void push_result(Stack& stack, Id callable, Id arguments, Making making) {
  const auto* global = stack.get<Global>(callable);
  const auto* tuple = stack.get<Tuple>(arguments);
  if (!global) refuse_call(stack, callable);
  if (!tuple) stack.fail("it calls a function with what are no arguments");
  check_call(stack, *global, *tuple, making);
  switch (classify(global->module, global->name)) {
    case Callable::kInert:
      stack.push(Placeholder{global->module, global->name});
      return;
    case Callable::kOrderedDict:
      push_ordered_dict(stack, *tuple);
      return;
    case Callable::kRebuildTensor:
      push_tensor(stack, *tuple);
      return;
    case Callable::kRebuildParameter:
    case Callable::kSize:  // both stand for their first argument
      if (tuple->items.empty()) {
        stack.fail(fmt::format("{}.{} without arguments", global->module, global->name));
      }
      stack.push_id(tuple->items.front());
      return;
  }
}

void refuse_call(Stack& stack, Id callable) {
  if (const auto* made = stack.get<Placeholder>(callable))
    refuse(stack, "call what it made of", made->module, made->name);
  if (const auto* global = stack.get<Global>(callable))
    refuse(stack, "call", global->module, global->name);
  stack.fail("it calls what is no function");
}

void give_state(Stack& stack, Id state) {
  if (const auto* global = stack.get<Global>(stack.top()))
    refuse(stack, "change", global->module, global->name);
  if (auto* made = stack.get<Placeholder>(stack.top())) made->state = state;
}

void push_storage(Stack& stack, Id persistent_id) {
  constexpr std::string_view kNoStorage = "a persistent id that is no storage";
  const auto* tuple = stack.get<Tuple>(persistent_id);
  if (!tuple || tuple->items.size() < 4) stack.fail(kNoStorage);
  const auto* kind = stack.get<Text>(tuple->items[0]);
  const auto* type = stack.get<Global>(tuple->items[1]);
  if (kind && kind->utf8 == "module" && type) {  // ("module", class, file name, source text)
    stack.push(Placeholder{type->module, type->name});
    return;
  }
  const auto* key = stack.get<Text>(tuple->items[2]);
  const auto* count = tuple->items.size() > 4 ? stack.get<int64_t>(tuple->items[4]) : nullptr;
  if (!kind || kind->utf8 != "storage" || !type || !key || !count) stack.fail(kNoStorage);
  const bool bytes = type->name == kBytesStorage && type->module == "torch.storage";
  if (type->module != "torch" && !bytes) {
    stack.push(Placeholder{type->module, type->name});
    return;
  }
  Storage storage{type->name, key->utf8, *count, 0, *count};
  if (tuple->items.size() > 5 && !stack.get<None>(tuple->items[5])) {
    const auto* view = stack.get<Tuple>(tuple->items[5]);  // (key of the view, begin, count)
    if (!view || view->items.size() != 3) stack.fail(kNoStorage);
    const auto* begin = stack.get<int64_t>(view->items[1]);
    const auto* size = stack.get<int64_t>(view->items[2]);
    if (!begin || !size) stack.fail(kNoStorage);
    storage.view_begin = *begin;
    storage.view_count = *size;
  }
  stack.push(storage);
}

}  // namespace sd::pickle
