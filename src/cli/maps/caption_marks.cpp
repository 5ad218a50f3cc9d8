#include "cli/maps/caption_marks.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string_view>

#include "text/sequence_matcher.h"

namespace sd::cli {
namespace {

struct Words {
  std::vector<int64_t> ids;      // equal words have equal ones
  std::vector<TextMark> places;  // where they stand
};

class WordTable {
 public:
  Words read(std::string_view text) {
    Words words;
    for (std::size_t at = 0; at < text.size();) {
      at = text.find_first_not_of(kBlanks, at);
      if (at == std::string_view::npos) break;
      const auto end = std::min(text.find_first_of(kBlanks, at), text.size());
      const auto last = text.substr(at, end - at).find_last_not_of(",.;:");
      const auto stop = last == std::string_view::npos ? end : at + last + 1;
      const std::string word(text.substr(at, stop - at));
      words.ids.push_back(ids_.emplace(word, static_cast<int64_t>(ids_.size())).first->second);
      words.places.push_back({at, stop});
      at = end;
    }
    return words;
  }

 private:
  static constexpr std::string_view kBlanks = " \t\r\n";

  std::map<std::string, int64_t> ids_;
};

/// What stays of `common` in `other`.
std::vector<int64_t> shared(const std::vector<int64_t>& common, const std::vector<int64_t>& other) {
  std::vector<int64_t> kept;
  for (const auto& edit : find_edits(common, other)) {
    if (edit.kind != EditKind::kEqual) continue;
    kept.insert(kept.end(), common.begin() + static_cast<std::ptrdiff_t>(edit.a_begin),
                common.begin() + static_cast<std::ptrdiff_t>(edit.a_end));
  }
  return kept;
}

}  // namespace

std::vector<Label> marked_differences(const std::vector<std::string>& texts) {
  WordTable table;
  std::vector<Words> words;
  for (const auto& text : texts) words.push_back(table.read(text));
  std::vector<int64_t> common = words.empty() ? std::vector<int64_t>() : words.front().ids;
  for (const auto& text : words) common = shared(common, text.ids);
  std::vector<Label> labels;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    Label label(texts[i]);
    if (!common.empty()) {
      for (const auto& edit : find_edits(common, words[i].ids)) {
        if (edit.kind == EditKind::kEqual) continue;
        label.marks.insert(label.marks.end(),
                           words[i].places.begin() + static_cast<std::ptrdiff_t>(edit.b_begin),
                           words[i].places.begin() + static_cast<std::ptrdiff_t>(edit.b_end));
      }
    }
    labels.push_back(std::move(label));
  }
  return labels;
}

}  // namespace sd::cli
