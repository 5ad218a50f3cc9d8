#include "cli/maps/attn_index.h"

#include <fmt/format.h>

#include <map>

#include "cli/options/choices.h"
#include "sd/image/heatmap.h"

namespace sd::cli {
namespace {

using Json = nlohmann::ordered_json;

/// Every position with its id and what it reads as: "<|startoftext|>", "snowy", "<|endoftext|>".
Json tokens_json(const std::string& prompt, const Tokenizer& tokenizer) {
  const auto encoded = tokenizer.encode(prompt);
  Json tokens = Json::array();
  std::map<std::size_t, Token> own;
  for (std::size_t i = 0; i < encoded.tokens.size(); ++i) {
    own.emplace(static_cast<std::size_t>(encoded.position(i)), encoded.tokens[i]);
  }
  for (std::size_t i = 0; i < encoded.ids.size(); ++i) {
    const auto token = own.find(i);
    const auto text = token != own.end() ? prompt.substr(token->second.begin,
                                                         token->second.end - token->second.begin)
                                         : tokenizer.decode(encoded.ids[i]);
    tokens.push_back({{"position", i}, {"id", encoded.ids[i]}, {"text", text}});
  }
  return tokens;
}

Json layers_json(const std::vector<RecordedLayer>& layers) {
  Json list = Json::array();
  for (const auto& layer : layers) {
    list.push_back(
        {{"part", layer.part}, {"block", layer.block}, {"resolution", layer.resolution}});
  }
  return list;
}

Json word_json(const AttnWord& word, const TokenMaps& maps, const Image& mask) {
  const auto map = mean_map(maps, word.positions);
  const auto statistics = map_statistics(map, maps.height, maps.width);
  int64_t inside = 0;
  for (const auto value : mask.pixels) inside += value != 0;
  const auto file = [&](const char* folder) { return fmt::format("{}/{}.png", folder, word.stem); };
  return {{"word", word.text},
          {"tokens", word.positions},
          {"min", statistics.min},
          {"max", statistics.max},
          {"mean", statistics.mean},
          {"centroid", {statistics.centroid_x, statistics.centroid_y}},
          {"area", static_cast<double>(inside) / static_cast<double>(mask.pixels.size())},
          {"overlay", file("words")},
          {"grey", file("grey")},
          {"mask", file("masks")}};
}

/// A symmetric table in the order of the words.
Json iou_json(const std::vector<WordPictures>& drawn) {
  std::vector<std::vector<double>> table(drawn.size(), std::vector<double>(drawn.size(), 1));
  for (std::size_t a = 0; a < drawn.size(); ++a) {
    for (std::size_t b = 0; b < a; ++b) {
      table[a][b] = table[b][a] = iou(drawn[a].mask, drawn[b].mask);
    }
  }
  return table;
}

Json timeline_json(const std::vector<TimelineHeat>& timeline) {
  Json list = Json::array();
  for (const auto& stretch : timeline) list.push_back({{"timesteps", stretch.timesteps}});
  return list;
}

Json lists_json(const AttnOptions& options) {
  return {{"steps", {options.steps.begin, options.steps.end}},
          {"parts", options.parts},
          {"resolutions", options.resolutions},
          {"heads", options.heads}};
}

}  // namespace

Json attn_index(const DrawnMaps& drawn_maps) {
  const auto& [picture, maps, canvas, drawn, tokenizer] = drawn_maps;
  const auto& options = canvas.options;
  Json words = Json::array();
  for (std::size_t i = 0; i < canvas.words.size(); ++i) {
    words.push_back(word_json(canvas.words[i], maps.whole, drawn[i].mask));
  }
  return {{"version", SD_VERSION},
          {"picture", picture.path.empty() ? Json() : Json(picture.path.string())},
          {"prompt", picture.prompt},
          {"kind", name_of(options.kind)},
          {"rows", options.conditional ? "cond" : "uncond"},
          {"norm", name_of(options.norm)},
          {"colormap", name_of(options.colormap)},
          {"alpha", options.alpha},
          {"asked_for", lists_json(options)},
          {"layers", layers_json(maps.layers)},
          {"timesteps", maps.timesteps},
          {"timeline", timeline_json(maps.timeline)},
          {"maps",
           {{"file", "maps.npy"},
            {"shape", {maps.whole.tokens, maps.whole.height, maps.whole.width}},
            {"unit", "attention probability, summed over the timesteps"}}},
          {"mask_threshold", kMaskThreshold},
          {"words", words},
          {"iou", iou_json(drawn)},
          {"tokens", tokens_json(picture.prompt, tokenizer)},
          {"sheets", {"contact.png", "timeline.png", "layers.png"}}};
}

}  // namespace sd::cli
