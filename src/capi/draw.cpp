// What the C interface draws.
#include <fmt/format.h>

#include <iterator>
#include <type_traits>

#include "capi/call.h"
#include "capi/handles.h"
#include "sd/control/map_recorder.h"
#include "sd/pipeline/embeddings.h"
#include "sd/pipeline/txt2img.h"
#include "sd/pipeline/word_maps.h"
#include "sd/pipeline/word_swap.h"
#include "sd/text/read_prompts.h"

namespace sd::capi {
namespace {

constexpr int64_t kMostSteps = 1000;  // the model's timesteps
constexpr int64_t kMostSamples = 256;
constexpr int64_t kLongestSide = 4096;

constexpr double kMostMerged = 0.75;

template <typename T>
T in_range(T value, const char* field, std::type_identity_t<T> least,
           std::type_identity_t<T> most) {
  if (value >= least && value <= most) return value;
  throw UsageError(
      fmt::format("sd_draw_options.{} is {}, expected {} to {}", field, value, least, most));
}

void read_sampler(const sd_draw_options& options, DrawSettings& settings) {
  if (options.sampler != nullptr) {
    const auto named = find_sampler(options.sampler);
    if (!named) {
      throw UsageError(fmt::format("sd_draw_options.sampler: '{}' is none; there are {}",
                                   options.sampler, fmt::join(sampler_names(), ", ")));
    }
    settings.sampler = named->kind;
    settings.scheduler = named->scheduler;
  }
  if (options.scheduler == nullptr) return;
  settings.scheduler = find_scheduler(options.scheduler);
  if (settings.scheduler) return;
  throw UsageError(fmt::format("sd_draw_options.scheduler: '{}' is none; there are {}",
                               options.scheduler, fmt::join(scheduler_names(), ", ")));
}

/// What both ways of drawing ask for.
DrawSettings settings_of(const sd_draw_options& options) {
  DrawSettings settings;
  if (options.negative_prompt != nullptr) settings.negative_prompt = options.negative_prompt;
  settings.prompt_syntax = PromptSyntax::kAuto;
  settings.width = in_range(options.width, "width", 0, kLongestSide);
  settings.height = in_range(options.height, "height", 0, kLongestSide);
  settings.steps = in_range(options.steps, "steps", 1, kMostSteps);
  settings.guidance_scale = options.scale;
  settings.eta = options.eta;
  settings.seed = options.seed;
  settings.token_merging = in_range(options.token_merging, "token_merging", 0, kMostMerged);
  settings.deepcache = in_range(options.deepcache, "deepcache", 1, kMostSteps);
  const double end = in_range(options.guidance_end, "guidance_end", 0, 1);
  settings.guidance_interval = {in_range(options.guidance_begin, "guidance_begin", 0, end), end};
  read_sampler(options, settings);
  settings.on_progress = progress_of(options.on_progress, options.user);
  return settings;
}

int64_t samples_of(const sd_draw_options& options) {
  return in_range(options.samples, "samples", 1, kMostSamples);
}

std::shared_ptr<const PromptReader> reader_of(const LoadedModel& model,
                                              const DrawSettings& settings, PromptSet prompts) {
  return read_prompts({std::move(prompts)},
                      {settings.prompt_syntax, settings.steps, settings.negative_prompt},
                      tokenizer_of(model, settings));
}

std::vector<std::string> list_of(const char* const* texts, std::size_t count, const char* name) {
  if (count > 0) require(texts, name);
  std::vector<std::string> list;
  for (std::size_t i = 0; i < count; ++i) {
    list.push_back(text_of(texts[i], fmt::format("{}[{}]", name, i).c_str()));
  }
  return list;
}

std::shared_ptr<const EmbeddedWords> embeddings_of(const sd_draw_options& options,
                                                   const LoadedModel& model) {
  if (options.embedding_count == 0) return nullptr;
  std::vector<WordEmbedding> embeddings;
  for (const auto& file :
       list_of(options.embeddings, options.embedding_count, "sd_draw_options.embeddings")) {
    embeddings.push_back(read_embedding(file));
  }
  return with_embeddings(model.tokenizer, model.config.text, std::move(embeddings));
}

std::unique_ptr<sd_drawing> drawn(const LoadedModel& model, const sd_draw_options& options) {
  const auto prompt = text_of(options.prompt, "sd_draw_options.prompt");
  const auto samples = samples_of(options);
  Txt2ImgRequest request;
  static_cast<DrawSettings&>(request) = settings_of(options);
  request.embeddings = embeddings_of(options, model);
  request.prompts.assign(static_cast<std::size_t>(samples), prompt);
  const auto reader = reader_of(model, request, {{prompt}, std::nullopt});
  request.prompt_chunks = reader->chunks();
  MapRecorder recorder;
  if (options.maps != 0) request.controller = &recorder;
  auto result = draw_prompts(model, request);

  auto drawing = std::make_unique<sd_drawing>();
  drawing->pictures = std::move(result.pictures);
  drawing->prompts = std::move(request.prompts);
  drawing->tokenizer = reader;
  for (int64_t row = 0; options.maps != 0 && row < samples; ++row) {
    drawing->maps.push_back(
        token_maps(recorder, row, result.latents.size(2), result.latents.size(3)));
  }
  return drawing;
}

SwapMode mode_of(int32_t mode) {
  if (mode == SD_SWAP_PROMPT_TO_PROMPT) return SwapMode::kPromptToPrompt;
  if (mode == SD_SWAP_FORK) return SwapMode::kFork;
  throw UsageError(fmt::format(
      "sd_swap_options.mode is {}, expected SD_SWAP_PROMPT_TO_PROMPT ({}) "
      "or SD_SWAP_FORK ({})",
      mode, static_cast<int>(SD_SWAP_PROMPT_TO_PROMPT), static_cast<int>(SD_SWAP_FORK)));
}

WordSwapRequest request_of(const sd_draw_options& options, const sd_swap_options& swap) {
  if (options.prompt != nullptr) {
    throw UsageError(
        "sd_draw_options.prompt: a swap draws sd_swap_options.source and .targets; "
        "leave it NULL");
  }
  WordSwapRequest request;
  static_cast<DrawSettings&>(request) = settings_of(options);
  request.source = text_of(swap.source, "sd_swap_options.source");
  request.targets = list_of(swap.targets, swap.target_count, "sd_swap_options.targets");
  request.samples = samples_of(options);
  request.maps = options.maps != 0;
  request.words.mode = mode_of(swap.mode);
  request.words.tthres = swap.tthres;
  request.words.cross_steps = {{"", {swap.cross_begin, swap.cross_end}}};
  request.words.self_steps = {swap.self_begin, swap.self_end};
  request.words.local_blend =
      list_of(swap.local_blend, swap.local_blend_count, "sd_swap_options.local_blend");
  return request;
}

/// Puts a branch's pictures and maps behind those that are there.
void append(sd_drawing& drawing, BranchResult branch, const std::string& prompt,
            const torch::Tensor& maps) {
  drawing.prompts.insert(drawing.prompts.end(), branch.pictures.size(), prompt);
  if (maps.defined()) {
    for (int64_t row = 0; row < maps.size(0); ++row) drawing.maps.push_back(maps[row]);
  }
  std::move(branch.pictures.begin(), branch.pictures.end(), std::back_inserter(drawing.pictures));
}

std::unique_ptr<sd_drawing> swapped(const LoadedModel& model, const sd_draw_options& options,
                                    const sd_swap_options& swap) {
  auto request = request_of(options, swap);
  request.embeddings = embeddings_of(options, model);
  auto result = swap_words(model, request);
  auto drawing = std::make_unique<sd_drawing>();
  drawing->tokenizer = reader_of(model, request, {request.targets, request.source});
  for (std::size_t t = 0; t < request.targets.size(); ++t) {
    append(*drawing, std::move(result.targets[t]), request.targets[t],
           request.maps ? result.target_maps[t] : torch::Tensor());
  }
  append(*drawing, std::move(result.source), request.source, result.source_maps);
  return drawing;
}

/// Draws while nobody else does; the model outlives it, whoever frees its handle meanwhile.
template <typename Draw>
void draw_with(sd_model* model, sd_drawing** drawing, Draw draw) {
  const auto shared = model->shared;
  shared->draw([&](const LoadedModel& loaded) { *drawing = draw(loaded).release(); });
}

}  // namespace
}  // namespace sd::capi

extern "C" int sd_draw(sd_model* model, const sd_draw_options* options, sd_drawing** drawing) {
  return sd::capi::call([&] {
    sd::capi::require(drawing, "drawing");
    *drawing = nullptr;
    sd::capi::require(model, "model");
    const auto& asked = sd::capi::checked(options, "sd_draw_options");
    sd::capi::draw_with(model, drawing,
                        [&](const auto& loaded) { return sd::capi::drawn(loaded, asked); });
  });
}

extern "C" int sd_swap(sd_model* model, const sd_draw_options* options, const sd_swap_options* swap,
                       sd_drawing** drawing) {
  return sd::capi::call([&] {
    sd::capi::require(drawing, "drawing");
    *drawing = nullptr;
    sd::capi::require(model, "model");
    const auto& asked = sd::capi::checked(options, "sd_draw_options");
    const auto& how = sd::capi::checked(swap, "sd_swap_options");
    sd::capi::draw_with(model, drawing,
                        [&](const auto& loaded) { return sd::capi::swapped(loaded, asked, how); });
  });
}
