#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "cli/draw/batch_drawer.h"
#include "cli/draw/draw.h"
#include "cli/draw/picture_writer.h"
#include "cli/draw/prompt_words.h"
#include "cli/draw/run_words.h"
#include "cli/plan/model_fit.h"
#include "cli/plan/prompt_chunks.h"
#include "cli/shell/interrupt.h"
#include "cli/shell/json_lines.h"
#include "cli/shell/memory_words.h"
#include "cli/shell/text_output.h"
#include "pipeline/decoder_memory.h"

namespace sd::cli {
namespace {

/// With a list a batch that fails is reported and the rest go on; what would fail again ends the
/// run.
bool ends_run(const DrawPlan& plan, const Error& error) {
  return !plan.options.lists_prompts() || error.code() == ExitCode::kInterrupted ||
         error.code() == ExitCode::kMemory ||
         error.code() == ExitCode::kInputOutput;  // the model's file changed
}

void report_failed(const DrawPlan& plan, const Batch& batch, const Error& error) {
  const auto& listed = plan.prompts.listed;
  const auto& first = listed[batch.first];
  const auto& last = listed[batch.first + batch.size - 1];
  const auto lines = first.line == last.line ? prompt_label(first)
                                             : fmt::format("lines {} to {}", first.line, last.line);
  auto where = nlohmann::ordered_json::object();
  for (std::size_t i = batch.first; i < batch.first + batch.size; ++i) {
    if (listed[i].line != 0) where["lines"].push_back(listed[i].line);
  }
  report_error(fmt::format("{}: {}", lines, error.what()), static_cast<int>(error.code()),
               plan.options.json, where);
}

/// One run of the drawing half: a plan drawn in batches as the original scripts form them.
class PlanRun {
 public:
  /// Everything that can fail without the model, before seconds are spent on loading it.
  PlanRun(const Drawing& drawing, KeptModel& kept)
      : drawing_(drawing),
        plan_(drawing.plan),
        kept_(kept),
        words_(plan_),
        inputs_(read_inputs(plan_, [this](const std::string& text) { words_.say(text); })),
        attn_(plan_.options.attn, plan_.options.steps),
        writer_(drawing, inputs_, attn_, kept, words_) {}

  ExitCode run() {
    // Not before: until here Ctrl-C may simply end the process.
    const InterruptGuard guard;
    try {
      const auto& model = load();
      if (writer_.finds_all()) return ExitCode::kDone;
      announce_prompts(plan_, model, kept_);
      draw_batches(model);
    } catch (...) {
      words_.clear();
      writer_.finish_early();
      throw;
    }
    writer_.finish();
    return conclude();
  }

 private:
  const LoadedModel& load() {
    const auto began = std::chrono::steady_clock::now();
    auto request = load_request(plan_);
    request.on_progress = [this](const Progress& progress) { return words_.on_loading(progress); };
    const auto& model = kept_.load(request);
    load_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    words_.clear();
    writer_.know_model(model);
    say_loaded(model);
    const auto shape = latent_shape(plan_);
    attn_.prepare(model, reader_of_maps(plan_.options, plan_.reader), shape[1], shape[2]);
    return model;
  }

  void say_loaded(const LoadedModel& model) {
    const auto no_step = no_step_notice(plan_.options.input, plan_.options.steps);
    if (!no_step.empty()) words_.say(plan_.label() + no_step);
    if (plan_.follows()) return;
    if (model.prediction_assumed) {
      words_.say(
          prediction_notice(*model.config.prediction, plan_.model->files.checkpoint.string()));
    }
    if (plan_.options.verbose == 0) return;
    const auto& run = writer_.run();
    words_.say(fmt::format("{} ({}) loaded in {:.1f} s, computing in {} on {} with {}",
                           run.model_name, run.model_format, load_seconds_, run.dtype, run.device,
                           counted(static_cast<std::size_t>(run.threads), "thread")));
    say_bands(model);
  }

  void say_bands(const LoadedModel& model) {
    if (model.device != "cpu" || model.taesd) return;
    const auto bytes = decoder_memory(model.config.vae, plan_.height(), plan_.width(),
                                      c10::elementSize(model.compute_dtype));
    if (!bytes.in_bands()) return;
    words_.say(
        fmt::format("pictures are decoded in bands of rows: {} at a time, whole they would take {}",
                    memory_text(bytes.planned), memory_text(bytes.whole)));
  }

  void draw_batches(const LoadedModel& model) {
    BatchDrawer drawer(drawing_, model, inputs_, attn_, words_);
    words_.begin(model);
    for_each_batch(plan_, [&](const Batch& batch) {
      if (InterruptGuard::requested()) throw Cancelled();
      if (wants_any(plan_, batch)) {
        draw(batch, drawer);
      } else {
        drawer.skip(batch);
      }
    });
    words_.end();
  }

  void draw(const Batch& batch, BatchDrawer& drawer) {
    words_.begin_batch();
    DrawResult result;
    try {
      result = drawer.draw(batch);
    } catch (const Error& error) {
      if (ends_run(plan_, error)) throw;
      words_.clear();
      report_failed(plan_, batch, error);
      failed_ += batch.size * plan_.prompts.targets();
      return;
    }
    timing_.sample += result.timing.sample;
    timing_.decode += result.timing.decode;
    timing_.unet_calls += result.timing.unet_calls;
    if (result.decoder_overflowed) announce_overflow();
    const double seconds = words_.end_batch();
    writer_.write(batch, std::move(result), drawer.blend(), seconds);
  }

  void announce_overflow() {
    if (plan_.options.quiet || std::exchange(kept_.told_overflow, true)) return;
    words_.say(plan_.label() +
               "the autoencoder's values go beyond half precision: decoded again in float32");
  }

  ExitCode conclude() {
    if (plan_.options.verbose > 0) {
      // scripts/bench_peers.py reads this line.
      words_.say(fmt::format("timing: load={:.3f}s sample={:.3f}s evals={} decode={:.3f}s",
                             load_seconds_, timing_.sample, timing_.unet_calls, timing_.decode));
    }
    const std::size_t bad = failed_ + plan_.prompts.bad_lines.size();
    if (bad == 0) return ExitCode::kDone;
    words_.say(fmt::format("{} could not be drawn; {} done", counted(bad, "prompt"),
                           counted(writer_.saved(), "picture")));
    return ExitCode::kPartOfBatch;
  }

  const Drawing& drawing_;
  const DrawPlan& plan_;
  KeptModel& kept_;
  RunWords words_;
  const RunInputs inputs_;
  AttnRun attn_;
  PictureWriter writer_;
  DrawTiming timing_;  // of all batches
  double load_seconds_ = 0;
  std::size_t failed_ = 0;
};

ExitCode draw(const Drawing& drawing, KeptModel& kept) {
  remember_need(drawing.plan.memory);
  return PlanRun(drawing, kept).run();
}

}  // namespace

LoadRequest load_request(const DrawPlan& plan) {
  const auto& files = plan.model->files;
  LoadRequest request;
  request.checkpoint = files.checkpoint;
  request.config = files.config;
  request.separate = files.separate;
  request.prediction = files.prediction;
  request.ema = plan.options.ema;
  request.device = plan.options.device;
  request.dtype = plan.options.dtype;
  request.weights = plan.options.weights;
  request.exact_convolutions = plan.options.exact_conv;
  request.low_memory = plan.options.low_memory;
  request.in_background = true;
  request.threads = static_cast<int>(plan.options.threads);
  return request;
}

ExitCode draw_plan(const DrawPlan& plan, KeptModel& kept, DrawOutcome& outcome) {
  return draw({plan, nullptr, {&outcome}}, kept);
}

ExitCode draw_cells(const GridCells& cells, KeptModel& kept, std::vector<DrawOutcome>& outcomes) {
  const auto plan = shared_plan(cells);
  std::vector<DrawOutcome*> of_cells;
  for (auto& outcome : outcomes) of_cells.push_back(&outcome);
  return draw({plan, &cells, std::move(of_cells)}, kept);
}

}  // namespace sd::cli
