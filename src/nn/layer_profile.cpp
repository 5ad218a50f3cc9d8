#include "nn/layer_profile.h"

#include <utility>

namespace sd {

std::atomic<LayerProfile*> LayerProfile::active_ = nullptr;

LayerProfile::LayerProfile() { active_ = this; }

LayerProfile::~LayerProfile() { active_ = nullptr; }

void LayerProfile::add(LayerEvent event) {
  const std::lock_guard lock(adding_);
  events_.push_back(std::move(event));
}

std::vector<LayerEvent> LayerProfile::events() const {
  const std::lock_guard lock(adding_);
  return events_;
}

void TimedLayer::begin(const torch::nn::Module& layer, std::string_view kind,
                       const torch::Tensor& x, double flops) {
  event_ = {&layer, kind, x.sizes().vec(), LayerEvent::Clock::now(), {}, flops};
}

void TimedLayer::end() {
  event_.end = LayerEvent::Clock::now();
  profile_->add(std::move(event_));
}

}  // namespace sd
