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

/// A persistent id, which in a checkpoint is always ("storage", torch.HalfStorage, key, device,
/// count).
void push_storage(Stack& stack, Id persistent_id);

}  // namespace sd::pickle
