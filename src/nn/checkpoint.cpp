#include "nn/checkpoint.h"

#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

namespace sd {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// What a graph's node holds of a block.
struct Block : torch::CustomClassHolder {
  explicit Block(std::function<Tensors(const Tensors&)> of) : run(std::move(of)) {}
  std::function<Tensors(const Tensors&)> run;
};

class Checkpoint : public torch::autograd::Function<Checkpoint> {
 public:
  static variable_list forward(AutogradContext* context, const c10::intrusive_ptr<Block>& block,
                               at::TensorList inputs) {
    context->saved_data["block"] = c10::IValue::make_capsule(block);
    context->save_for_backward(inputs.vec());
    return block->run(inputs.vec());
  }

  static variable_list backward(AutogradContext* context, variable_list changes) {
    const auto held = context->saved_data["block"].toCapsule();
    const auto block = c10::static_intrusive_pointer_cast<Block>(held);
    Tensors inputs, asking;
    for (const auto& saved : context->get_saved_variables()) {
      inputs.push_back(saved.detach());
      if (!saved.requires_grad()) continue;
      inputs.back().requires_grad_();
      asking.push_back(inputs.back());
    }
    Tensors ends, end_changes;
    {
      const c10::AutoGradMode on(true);
      const auto outputs = block->run(inputs);
      for (std::size_t i = 0; i < outputs.size(); ++i) {
        if (!changes[i].defined() || !outputs[i].requires_grad()) continue;
        ends.push_back(outputs[i]);
        end_changes.push_back(changes[i]);
      }
    }
    variable_list result(inputs.size() + 1);  // one for the block, which has none
    if (ends.empty() || asking.empty()) return result;
    const auto found = torch::autograd::grad(ends, asking, end_changes, /*retain_graph=*/false,
                                             /*create_graph=*/false, /*allow_unused=*/true);
    std::size_t next = 0;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i].requires_grad()) result[i + 1] = found[next++];
    }
    return result;
  }
};

}  // namespace

Tensors checkpointed(std::function<Tensors(const Tensors&)> block, const Tensors& inputs) {
  return Checkpoint::apply(c10::make_intrusive<Block>(std::move(block)), at::TensorList(inputs));
}

}  // namespace sd
