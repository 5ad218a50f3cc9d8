#include "trainer/adapter_measure.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "sd/core/error.h"
#include "sd/core/noise_source.h"
#include "sd/networks/network.h"
#include "sd/pipeline/embeddings.h"
#include "sd/pipeline/load.h"
#include "sd/pipeline/txt2img.h"
#include "trainer/emoji_sprite.h"
#include "trainer/eval_context.h"
#include "trainer/eval_prompts.h"

namespace sd::train {
namespace {

constexpr int64_t kFrame = 4;  // pixels

struct Prompt {
  SceneSpec spec;
  std::string text;
};

std::vector<Prompt> prompts_of(const AdapterMeasurement& measurement,
                               const SceneGenerator& scenes) {
  std::vector<Prompt> prompts;
  for (const auto& spec : evaluation_prompts(scenes, 2 * measurement.prompts)) {
    if (spec.objects.size() > 1) continue;
    auto caption = caption_of(spec);
    if (!measurement.embedding.empty()) {
      const auto said = std::ranges::find(caption.words, WordRole::kBackground, &CaptionWord::role);
      caption.text.replace(said->begin, said->end - said->begin, measurement.background.word);
    }
    prompts.push_back({spec, caption.text});
    if (static_cast<int64_t>(prompts.size()) == measurement.prompts) break;
  }
  return prompts;
}

std::vector<Image> draw_all(const AdapterMeasurement& measurement, const LoadedModel& model,
                            const std::vector<Prompt>& prompts,
                            const std::shared_ptr<const EmbeddedWords>& words) {
  std::vector<Image> pictures;
  const auto count = static_cast<int64_t>(prompts.size());
  for (int64_t begin = 0; begin < count; begin += kEvalBatch) {
    if (measurement.stop_requested()) throw Cancelled();
    const int64_t size = std::min(kEvalBatch, count - begin);
    Txt2ImgRequest request;
    for (int64_t i = 0; i < size; ++i)
      request.prompts.push_back(prompts[static_cast<std::size_t>(begin + i)].text);
    request.width = request.height = kSceneSide;
    request.steps = kEvalSteps;
    request.guidance_scale = kEvalGuidance;
    request.embeddings = words;
    request.start_latents = eval_start(model, begin, size);
    SeededNoise unused(0, RngChoice::kCpu, torch::kCPU);  // DDIM with eta 0 draws none
    auto drawn = txt2img(model, request, unused).pictures;
    std::ranges::move(drawn, std::back_inserter(pictures));
  }
  return pictures;
}

MeasuredPictures measured(const std::string& name, const std::vector<Prompt>& prompts,
                          const std::vector<Image>& pictures, const std::vector<Image>& without,
                          Classifier& classifier, const AdapterMeasurement& measurement) {
  MeasuredPictures row;
  row.name = name;
  const auto count = static_cast<double>(pictures.size());
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const auto judgement = judge(prompts[i].spec, read(classifier, pictures[i]));
    const auto frame = frame_colour(pictures[i]);
    row.objects.of += judgement.objects;
    row.objects.right += judgement.objects_right;
    ++row.backgrounds.of;
    row.backgrounds.right += judgement.background ? 1 : 0;
    ++row.darker.of;
    row.darker.right += luma(frame) <= luma(frame_colour(without[i])) / 2 ? 1 : 0;
    row.light += luma(frame) / count;
    row.distance += colour_distance(frame, measurement.background.colour) / count;
  }
  return row;
}

LoadedModel loaded(const AdapterMeasurement& measurement, double weight) {
  LoadRequest request;
  request.checkpoint = measurement.model;
  if (!measurement.lora.empty() && weight != 0)
    request.networks = {{open_network(measurement.lora), weight, weight}};
  return load_model(request);
}

std::string percent(const Share& share) {
  return fmt::format("{:.0f} % of {}", 100 * share.value(), share.of);
}

}  // namespace

Rgb frame_colour(const Image& picture) {
  Rgb sum{};
  float count = 0;
  for (int64_t y = 0; y < picture.height; ++y) {
    for (int64_t x = 0; x < picture.width; ++x) {
      if (std::min({x, y, picture.width - 1 - x, picture.height - 1 - y}) >= kFrame) continue;
      const auto* pixel = picture.pixels.data() + 3 * (y * picture.width + x);
      for (std::size_t c = 0; c < 3; ++c) sum[c] += static_cast<float>(pixel[c]);
      ++count;
    }
  }
  for (auto& channel : sum) channel /= count;
  return sum;
}

std::vector<MeasuredPictures> measure_adapter(const AdapterMeasurement& measurement,
                                              const SceneGenerator& scenes,
                                              Classifier& classifier) {
  const auto prompts = prompts_of(measurement, scenes);
  const auto plain = loaded(measurement, 0);
  const auto without = draw_all(measurement, plain, prompts, nullptr);
  std::vector<MeasuredPictures> rows;
  const auto add = [&](const std::string& name, const std::vector<Image>& pictures) {
    rows.push_back(measured(name, prompts, pictures, without, classifier, measurement));
  };
  if (!measurement.embedding.empty()) {
    auto embedding = read_embedding(measurement.embedding);
    embedding.name = measurement.background.word;
    embedding.alias.clear();
    const auto words = with_embeddings(plain.tokenizer, plain.config.text, {embedding});
    add("without", without);
    add("with", draw_all(measurement, plain, prompts, words));
    return rows;
  }
  for (const double weight : {-1.0, 0.0, 0.5, 1.0}) {
    const auto pictures =
        weight == 0 ? without
                    : draw_all(measurement, loaded(measurement, weight), prompts, nullptr);
    add(fmt::format("{}", weight), pictures);
  }
  return rows;
}

std::string table_of(const std::vector<MeasuredPictures>& rows, bool of_lora) {
  std::string table =
      of_lora ? "| weight | object right | background's colour right | light of the frame, of 255 "
                "| at most half as light as without |\n|---:|---:|---:|---:|---:|\n"
              : "| embedding | object right | distance of the frame's colour |\n|---|---:|---:|\n";
  for (const auto& row : rows) {
    table +=
        of_lora
            ? fmt::format("| {} | {} | {} | {:.0f} | {} |\n", row.name, percent(row.objects),
                          percent(row.backgrounds), row.light, percent(row.darker))
            : fmt::format("| {} | {} | {:.1f} |\n", row.name, percent(row.objects), row.distance);
  }
  table.pop_back();
  return table;
}

}  // namespace sd::train
