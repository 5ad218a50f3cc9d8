#include "weights/pickle_calls.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "sd/core/error.h"
#include "weights/float8.h"
#include "weights/pickle_globals.h"
#include "weights/pickle_machine.h"

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

}  // namespace

void push_global(Stack& stack, std::string_view module, std::string_view name) {
  if (is_dangerous(module, name)) {
    throw CheckpointError(fmt::format(
        "{}: this pickle would run '{}.{}' when a Python program loads it; refusing to read it.\n"
        "    An honest checkpoint never does that. Delete the file, and take a .safetensors from a "
        "source you trust.",
        stack.label(), module, name));
  }
  stack.push(Global{module, name});
}

void push_result(Stack& stack, Id callable, Id arguments) {
  if (const auto* inert = stack.get<Placeholder>(callable)) {
    stack.push(Placeholder(*inert));
    return;
  }
  const auto* global = stack.get<Global>(callable);
  const auto* tuple = stack.get<Tuple>(arguments);
  if (!global || !tuple) stack.fail("it calls what is no function");
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
