#include "sd/nn/prompt_cache.h"

#include <utility>

#include "nn/kernel_attention.h"

namespace sd {

/// The context is held so that no other tensor can take its place.
struct PromptCache::Entry {
  torch::Tensor context;
  HeldKeys keys;
};

PromptCache::PromptCache() = default;
PromptCache::~PromptCache() = default;
PromptCache::PromptCache(PromptCache&&) noexcept = default;
PromptCache& PromptCache::operator=(PromptCache&&) noexcept = default;

const HeldKeys* PromptCache::find(const void* layer, const torch::Tensor& context) const {
  const auto found = entries_.find(layer);
  if (found == entries_.end() || !found->second->context.is_same(context)) return nullptr;
  return &found->second->keys;
}

const HeldKeys& PromptCache::keep(const void* layer, const torch::Tensor& context, HeldKeys keys) {
  auto& entry = entries_[layer];
  entry = std::make_unique<Entry>(Entry{context, std::move(keys)});
  return entry->keys;
}

}  // namespace sd
