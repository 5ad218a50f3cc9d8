#pragma once

#include <string_view>

#include "weights/pickle_stack.h"

namespace sd::pickle {

/// Names a class or function; one that is not known is noted in the document. Throws
/// CheckpointError, by name, for what trust_of (pickle_trust.h) refuses.
void push_global(Stack& stack, std::string_view module, std::string_view name);

/// How a pickle makes an object.
enum class Making {
  kCall,      // REDUCE: callable(*arguments)
  kInstance,  // NEWOBJ: callable.__new__(callable, *arguments)
};

/// Pushes the result of a call. An allowed callable gives its tensor, dictionary or shape; any
/// other one gives a Placeholder. Throws CheckpointError, naming the callable, unless the call only
/// makes data. Refused are unknown functions, unknown classes with arguments that could be
/// commands, and callables that the pickle itself has made.
void push_result(Stack& stack, Id callable, Id arguments, Making making);

/// The ways to call that no checkpoint is known to use: NEWOBJ_EX, INST and OBJ. Throws
/// CheckpointError naming `callable`.
[[noreturn]] void refuse_call(Stack& stack, Id callable);

/// BUILD gives `state` to the object on top; a Placeholder keeps it. Throws CheckpointError, by
/// name, where that is a class or function itself, whose attributes would be others for the whole
/// program.
void give_state(Stack& stack, Id state);

/// A persistent id: ("storage", torch.HalfStorage, key, device, count), before PyTorch 1.6 with
/// (view's key, begin, count) or None behind it, or ("module", class, …) for a whole object's
/// class.
void push_storage(Stack& stack, Id persistent_id);

}  // namespace sd::pickle
