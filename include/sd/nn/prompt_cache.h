#pragma once

#include <torch/types.h>

#include <map>
#include <memory>

namespace sd {

struct HeldKeys;  // nn/kernel_attention.h

/// Keys and values of a prompt in each cross-attention layer: they are the same in all steps of a
/// run. One run's own; calls must not overlap.
class PromptCache {
 public:
  PromptCache();
  ~PromptCache();
  PromptCache(PromptCache&&) noexcept;
  PromptCache& operator=(PromptCache&&) noexcept;

  /// What `layer` made of this very tensor, or null.
  const HeldKeys* find(const void* layer, const torch::Tensor& context) const;
  const HeldKeys& keep(const void* layer, const torch::Tensor& context, HeldKeys keys);

 private:
  struct Entry;
  std::map<const void*, std::unique_ptr<Entry>> entries_;
};

}  // namespace sd
