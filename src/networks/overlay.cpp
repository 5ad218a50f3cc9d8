#include <fmt/format.h>

#include <cstddef>
#include <unordered_map>
#include <utility>

#include "kernels/huge_buffer.h"
#include "networks/module_reader.h"
#include "networks/widen_base.h"
#include "sd/networks/apply.h"

namespace sd {
namespace {

struct Change {
  std::shared_ptr<const BoundNetwork> network;
  double multiplier = 1;
};

class MergedSource final : public TensorSource {
 public:
  MergedSource(std::unique_ptr<TensorSource> model, const ModelConfig& config,
               const std::vector<AppliedNetwork>& networks)
      : model_(std::move(model)) {
    for (const auto& applied : networks) {
      const auto bound = bind_network(applied.network, *model_, config);
      for (const auto& parameter : bound->parameters()) {
        const double multiplier = applied.multiplier_for(parameter);
        if (multiplier != 0.0) changes_[parameter].push_back({bound, multiplier});
      }
    }
  }

  const std::vector<std::string>& names() const override { return model_->names(); }
  bool contains(std::string_view name) const override { return model_->contains(name); }
  const std::string& label() const override { return model_->label(); }
  StoredAs stored(std::string_view name) const override { return model_->stored(name); }

  TensorView describe(std::string_view name) const override {
    auto view = model_->describe(name);
    if (!changes_.contains(std::string(name))) return view;
    view.dtype = DType::kF32;
    view.strides.clear();
    view.bytes = {};
    view.owner = nullptr;
    view.mapping = nullptr;
    return view;
  }

  TensorView at(std::string_view name) const override {
    auto view = model_->at(name);
    const auto found = changes_.find(std::string(name));
    if (found == changes_.end()) return view;
    const auto count = static_cast<std::size_t>(elements_of(view.shape));
    const auto buffer = std::make_shared<kernels::HugeBuffer>(count * sizeof(float));
    const std::span values(buffer->as<float>(), count);
    widen_base(view, values);
    for (const auto& [network, multiplier] : found->second)
      network->merge(name, values, multiplier);
    TensorView merged;
    merged.dtype = DType::kF32;
    merged.shape = std::move(view.shape);
    merged.bytes = std::as_bytes(values);
    merged.owner = buffer;
    return merged;
  }

 private:
  std::unique_ptr<TensorSource> model_;
  std::unordered_map<std::string, std::vector<Change>> changes_;  // by parameter, in their order
};

}  // namespace

std::unique_ptr<TensorSource> with_networks(std::unique_ptr<TensorSource> model,
                                            const ModelConfig& config,
                                            const std::vector<AppliedNetwork>& networks) {
  if (networks.empty()) return model;
  return std::make_unique<MergedSource>(std::move(model), config, networks);
}

}  // namespace sd
