#pragma once

#include <torch/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string_view>
#include <vector>

namespace torch::nn {
class Module;
}

namespace sd {

/// A layer that ran once.
struct LayerEvent {
  using Clock = std::chrono::steady_clock;

  const torch::nn::Module* layer = nullptr;
  std::string_view kind;       // "linear", "conv2d", …
  std::vector<int64_t> input;  // shape
  Clock::time_point begin, end;
  double flops = 0;  // of its products, as a direct computation does them
};

/// Notes every layer that runs in this process while it lives. One at a time; nothing is noted
/// where there is none, at the cost of one look at a pointer a layer.
class LayerProfile {
 public:
  LayerProfile();
  ~LayerProfile();
  LayerProfile(const LayerProfile&) = delete;
  LayerProfile& operator=(const LayerProfile&) = delete;

  static LayerProfile* active() noexcept { return active_.load(std::memory_order_relaxed); }

  void add(LayerEvent event);
  /// In the order in which layers ended.
  std::vector<LayerEvent> events() const;

 private:
  static std::atomic<LayerProfile*> active_;
  mutable std::mutex adding_;
  std::vector<LayerEvent> events_;
};

/// Of products of `inputs` values with a weight [out,in,...], each value as often as there are
/// weights for it.
inline double product_flops(int64_t inputs, const torch::Tensor& weight) {
  return 2.0 * static_cast<double>(inputs) * static_cast<double>(weight.numel() / weight.size(1));
}

/// While alive, a layer runs: the first line of its `forward`. `flops` is called where somebody
/// notes it.
class TimedLayer {
 public:
  template <typename Flops>
  TimedLayer(const torch::nn::Module& layer, std::string_view kind, const torch::Tensor& x,
             const Flops& flops)
      : profile_(LayerProfile::active()) {
    if (profile_ == nullptr) [[likely]]
      return;
    begin(layer, kind, x, flops());
  }
  TimedLayer(const torch::nn::Module& layer, std::string_view kind, const torch::Tensor& x)
      : TimedLayer(layer, kind, x, [] { return 0.0; }) {}
  ~TimedLayer() {
    if (profile_ != nullptr) [[unlikely]]
      end();
  }
  TimedLayer(const TimedLayer&) = delete;
  TimedLayer& operator=(const TimedLayer&) = delete;

 private:
  void begin(const torch::nn::Module& layer, std::string_view kind, const torch::Tensor& x,
             double flops);
  void end();

  LayerProfile* profile_;
  LayerEvent event_{};
};

}  // namespace sd
