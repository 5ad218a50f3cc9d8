#include "pipeline/image_rows.h"

#include <algorithm>
namespace sd {

const ImageAttention* ImageRows::at(int64_t step, int64_t num_steps, int64_t first, int64_t count) {
  std::vector<bool> followed;
  for (const auto& prompt : prompts_) followed.push_back(prompt->is_followed(step, num_steps));
  if (std::find(followed.begin(), followed.end(), true) == followed.end()) return nullptr;
  const auto [entry, is_new] = made_.try_emplace({followed, first, count});
  auto& images = entry->second;
  if (is_new) {
    const auto begin = sights_.begin() + first;
    const std::vector<ImageSight> some(begin, begin + count);
    for (std::size_t i = 0; i < prompts_.size(); ++i) {
      if (followed[i]) prompts_[i]->add_keys(some, dtype_, images);
    }
  }
  return &images;
}

}  // namespace sd
