#include "sd/pipeline/attend_and_excite.h"

#include <utility>

#include "sd/core/error.h"

namespace sd {

AttendAndExcite::AttendAndExcite(AttendAndExciteOptions options)
    : RefiningGuide(options), words_(std::move(options.words)) {
  for (const auto& row : words_) {
    for (const auto& word : row) {
      if (word.empty()) throw UsageError("attend and excite: a word has no tokens");
    }
  }
}

const std::vector<std::vector<int64_t>>& AttendAndExcite::words_of(int64_t row) const {
  return words_.size() == 1 ? words_.front() : words_.at(static_cast<std::size_t>(row));
}

RefiningGuide::Loss AttendAndExcite::loss(const std::vector<CrossMap>& maps, int64_t row) const {
  const auto most = word_shares(maps, words_of(row), options()).amax({1, 2});
  const auto loss = (1 - most).clamp_min(0).max();
  return {loss, loss.item<double>()};
}

}  // namespace sd
