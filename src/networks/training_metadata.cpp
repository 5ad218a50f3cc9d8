#include "networks/training_metadata.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>
#include <unordered_map>

namespace sd {
namespace {

// In the order in which they are shown.
constexpr std::array<std::string_view, 38> kTrainingKeys = {"modelspec.title",
                                                            "modelspec.author",
                                                            "modelspec.description",
                                                            "modelspec.license",
                                                            "modelspec.usage_hint",
                                                            "modelspec.resolution",
                                                            "ss_sd_model_name",
                                                            "ss_sd_model_hash",
                                                            "ss_new_sd_model_hash",
                                                            "ss_base_model_version",
                                                            "ss_v2",
                                                            "ss_network_module",
                                                            "ss_network_dim",
                                                            "ss_network_alpha",
                                                            "ss_network_args",
                                                            "ss_network_dropout",
                                                            "ss_resolution",
                                                            "ss_enable_bucket",
                                                            "ss_num_train_images",
                                                            "ss_num_reg_images",
                                                            "ss_num_epochs",
                                                            "ss_epoch",
                                                            "ss_steps",
                                                            "ss_max_train_steps",
                                                            "ss_total_batch_size",
                                                            "ss_gradient_accumulation_steps",
                                                            "ss_optimizer",
                                                            "ss_lr_scheduler",
                                                            "ss_learning_rate",
                                                            "ss_unet_lr",
                                                            "ss_text_encoder_lr",
                                                            "ss_clip_skip",
                                                            "ss_noise_offset",
                                                            "ss_min_snr_gamma",
                                                            "ss_mixed_precision",
                                                            "ss_seed",
                                                            "ss_training_comment",
                                                            "ss_training_finished_at"};

/// Sums the counts of {"folder": {"tag": count}} without building a tree.
class TagCounter : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override {
    constexpr auto kMost = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
    return add(static_cast<int64_t>(std::min<uint64_t>(value, kMost)));
  }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return ++depth_ <= kDeepest; }
  bool key(string_t& name) override {
    key_ = name;
    return true;
  }
  bool end_object() override {
    --depth_;
    return true;
  }
  bool start_array(std::size_t) override { return false; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

  std::unordered_map<std::string, int64_t> counts;

 private:
  static constexpr int kDeepest = 2;
  bool add(int64_t count) {
    if (depth_ != kDeepest || count <= 0) return true;
    auto& sum = counts[key_];
    if (__builtin_add_overflow(sum, count, &sum)) sum = std::numeric_limits<int64_t>::max();
    return true;
  }

  int depth_ = 0;
  std::string key_;
};

std::vector<std::pair<std::string, int64_t>> trigger_words(const std::string& frequencies) {
  TagCounter counter;
  // What is no such object says nothing; the file may be good for all that.
  if (!nlohmann::json::sax_parse(frequencies, &counter)) return {};
  std::vector<std::pair<std::string, int64_t>> words;
  for (const auto& [text, count] : counter.counts) {
    const auto first = text.find_first_not_of(" \t\n");
    if (first == text.npos) continue;
    words.emplace_back(text.substr(first, text.find_last_not_of(" \t\n") + 1 - first), count);
  }
  std::sort(words.begin(), words.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  return words;
}

}  // namespace

void read_training(const std::vector<std::pair<std::string, std::string>>& metadata,
                   NetworkInfo& info) {
  std::unordered_map<std::string_view, std::string_view> values;
  for (const auto& [key, value] : metadata) values.emplace(key, value);
  const auto value_of = [&](std::string_view key) {
    const auto found = values.find(key);
    return found == values.end() || found->second == "None" ? std::string()
                                                            : std::string(found->second);
  };
  for (const auto key : kTrainingKeys) {
    if (auto value = value_of(key); !value.empty())
      info.training.emplace_back(key, std::move(value));
  }
  info.output_name = value_of("ss_output_name");
  if (info.output_name.empty()) info.output_name = value_of("modelspec.title");
  info.trigger_words = trigger_words(value_of("ss_tag_frequency"));
  // What its author says counts before what is counted.
  if (auto phrase = value_of("modelspec.trigger_phrase"); !phrase.empty())
    info.trigger_words.emplace(info.trigger_words.begin(), std::move(phrase), 0);
}

}  // namespace sd
