#pragma once

#include <string_view>

#include "weights/pickle_stack.h"

namespace sd::pickle {

/// Names a class or function. Throws CheckpointError, by name, for dangerous ones (see
/// pickle_globals.h).
void push_global(Stack& stack, std::string_view module, std::string_view name);

/// What stands for `callable(*arguments)`: the tensor, dictionary or shape that an allowed one
/// makes, else a Placeholder.
void push_result(Stack& stack, Id callable, Id arguments);

/// A persistent id: ("storage", torch.HalfStorage, key, device, count), before PyTorch 1.6 with
/// (view's key, begin, count) or None behind it, or ("module", class, …) for a whole object's class.
void push_storage(Stack& stack, Id persistent_id);

}  // namespace sd::pickle
