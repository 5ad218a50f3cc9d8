#include <c10/core/DeviceGuard.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/draw/added_inputs.h"
#include "cli/draw/batch_drawer.h"
#include "cli/draw/draw.h"
#include "cli/draw/picture_writer.h"
#include "cli/draw/prompt_words.h"
#include "cli/draw/run_controls.h"
#include "cli/draw/run_words.h"
#include "cli/plan/lanes.h"
#include "cli/plan/model_fit.h"
#include "cli/plan/prompt_chunks.h"
#include "cli/shell/interrupt.h"
#include "cli/shell/json_lines.h"
#include "cli/shell/memory_words.h"
#include "cli/shell/text_output.h"
#include "cli/shell/turns.h"
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

/// A device, and what draws batches of the run on it.
struct Lane {
  Lane(const DrawPlan& plan, KeptModel& keeps, const DeviceChoice& where)
      : device(where), kept(keeps), words(plan), attn(plan.options.attn, plan.options.steps) {}

  DeviceChoice device;
  KeptModel& kept;
  RunWords words;
  AttnRun attn;
  const LoadedModel* model = nullptr;
  std::vector<std::shared_ptr<const LoadedControl>> nets;
};

/// While alive, a lane speaks as the turn of a batch allows.
class InTurn {
 public:
  InTurn(RunWords& words, Turn& turn) : words_(words), before_(words.use(&turn)) {}
  ~InTurn() { words_.use(before_); }
  InTurn(const InTurn&) = delete;
  InTurn& operator=(const InTurn&) = delete;

 private:
  RunWords& words_;
  Turn* before_;
};

/// The lanes of a run: its place's own, or all, but no more than it has batches.
std::vector<std::unique_ptr<Lane>> make_lanes(const DrawPlan& plan, KeptModels& kept) {
  std::vector<std::unique_ptr<Lane>> lanes;
  const auto own = plan.place ? plan.place->lane : std::nullopt;
  if (own || plan.options.only) {
    lanes.push_back(std::make_unique<Lane>(plan, kept.of(own.value_or(0)), plan.options.device));
    return lanes;
  }
  for (const auto& device : lanes_of(plan.options)) {
    if (!lanes.empty() && static_cast<int64_t>(lanes.size()) >= batch_count(plan)) break;
    lanes.push_back(std::make_unique<Lane>(plan, kept.of(lanes.size()), device));
  }
  return lanes;
}

/// One run of the drawing half: a plan drawn in batches as the original scripts form them.
class PlanRun {
 public:
  /// Everything that can fail without the model, before seconds are spent on loading it.
  PlanRun(const Drawing& drawing, KeptModels& kept)
      : drawing_(drawing),
        plan_(drawing.plan),
        told_(kept.told),
        lanes_(make_lanes(plan_, kept)),
        words_(lanes_.front()->words),
        inputs_(read_inputs(plan_, [this](const std::string& text) { words_.say(text); })),
        controls_(plan_),
        writer_(drawing, inputs_, lanes_.front()->kept, words_) {}

  ExitCode run() {
    // Not before: until here Ctrl-C may simply end the process.
    const InterruptGuard guard;
    auto& first = *lanes_.front();
    try {
      load_first();
      if (writer_.finds_all()) return ExitCode::kDone;
      words_.tell([&] { announce_prompts(plan_, *first.model, told_); });
      if (overlaps(*first.model)) {
        lanes_.push_back(std::make_unique<Lane>(plan_, first.kept, first.device));
        if (plan_.options.verbose > 0) words_.say("batches are decoded while the next are sampled");
      }
      if (lanes_.size() == 1) {
        draw_batches(first);
      } else {
        divide_batches();
      }
      if (!words_.take()) throw Cancelled();
    } catch (...) {
      words_.clear();
      words_.take();
      writer_.finish_early();
      throw;
    }
    writer_.finish();
    return conclude();
  }

 private:
  void load(Lane& lane) {
    auto request = load_request(plan_);
    request.device = lane.device;
    request.on_progress = [&](const Progress& progress) {
      const bool speaks = &lane == lanes_.front().get();
      return speaks ? lane.words.on_loading(progress) : !InterruptGuard::requested();
    };
    lane.model = &lane.kept.load(request);
    lane.nets = lane.kept.load_controls(control_files(plan_.options.nets));
    lane.words.clear();
  }

  void prepare_maps(Lane& lane) {
    const auto shape = latent_shape(plan_);
    lane.attn.prepare(*lane.model, reader_of_maps(plan_.options, plan_.reader), shape[1], shape[2]);
  }

  void load_first() {
    auto& lane = *lanes_.front();
    const auto began = std::chrono::steady_clock::now();
    load(lane);
    load_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    writer_.know_model(*lane.model);
    say_loaded(*lane.model);
    prepare_maps(lane);
  }

  /// Whether a second lane draws on the same GPU: while one decodes and writes pictures, the other
  /// samples. Recorded evaluations take turns.
  bool overlaps(const LoadedModel& model) const {
    const bool tested =
        std::getenv("SD_TEST_OVERLAP") != nullptr;  // on a CPU, which has no use of it
    return (model.recorded != nullptr || tested) && lanes_.size() == 1 && !plan_.options.only &&
           !(plan_.place && plan_.place->lane) && !plan_.options.attn.draws() &&
           batch_count(plan_) > 1;
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
                           run.model_name, run.model_format, load_seconds_, run.dtype,
                           devices_text(),
                           counted(static_cast<std::size_t>(run.threads), "thread")));
    say_bands(model);
  }

  std::string devices_text() const {
    return lanes_of(plan_.options).size() == 1 ? lanes_.front()->model->device
                                               : lanes_text(lanes_of(plan_.options));
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

  /// All batches on one device, one after the other.
  void draw_batches(Lane& lane) {
    const c10::DeviceGuard current{torch::Device(lane.model->device)};
    BatchDrawer drawer(drawing_, *lane.model, inputs_, lane.nets, controls_, lane.attn, lane.words);
    lane.words.begin(*lane.model);
    for_each_batch(plan_, [&](const Batch& batch) {
      if (InterruptGuard::requested()) throw Cancelled();
      if (wants_any(plan_, batch)) {
        draw(batch, lane, drawer);
      } else {
        drawer.skip(batch);
      }
    });
    lane.words.end();
  }

  /// Each batch on the next device that is free. What a batch writes and says comes when all before
  /// it is told.
  void divide_batches() {
    std::vector<Batch> batches;
    for_each_batch(plan_, [&](const Batch& batch) { batches.push_back(batch); });
    Turns turns(batches.size(), lanes_.size());
    side_by_side(lanes_.size(), turns,
                 [&](std::size_t i) { draw_share(*lanes_[i], batches, turns); });
    words_.end();
  }

  void draw_share(Lane& lane, const std::vector<Batch>& batches, Turns& turns) {
    if (lane.model == nullptr) {
      load(lane);
      prepare_maps(lane);
    }
    const torch::Device device(lane.model->device);
    const c10::DeviceGuard current{device};
    std::optional<c10::StreamGuard> stream;
    if (&lane != lanes_.front().get() && device.is_cuda()) {
      stream.emplace(c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device));
    }
    BatchDrawer drawer(drawing_, *lane.model, inputs_, lane.nets, controls_, lane.attn, lane.words);
    lane.words.begin(*lane.model, lanes_.size());
    std::size_t passed = 0;  // batches whose random numbers are behind
    while (const auto unit = turns.begin()) {
      Turn turn(turns, *unit);
      const InTurn in_turn(lane.words, turn);
      try {
        for (; passed < *unit; ++passed) drawer.skip(batches[passed]);
        ++passed;
        draw(batches[*unit], lane, drawer);
      } catch (...) {
        lane.words.clear();
        if (turn.take()) throw;
        return;  // an earlier one ended the run
      }
      if (!turn.take()) return;
      turns.pass();
    }
  }

  void draw(const Batch& batch, Lane& lane, BatchDrawer& drawer) {
    if (InterruptGuard::requested()) throw Cancelled();
    lane.words.begin_batch();
    DrawResult result;
    try {
      result = drawer.draw(batch);
    } catch (const Error& error) {
      if (ends_run(plan_, error)) throw;
      lane.words.clear();
      lane.words.tell([this, batch, error] {
        report_failed(plan_, batch, error);
        failed_ += batch.size * plan_.prompts.targets();
      });
      return;
    }
    lane.words.clear();
    const auto drawn = std::make_shared<DrawnBatch>(
        DrawnBatch{batch, std::move(result), drawer.blend(), drawer.masks(), lane.words.end_batch(),
                   lane.attn, lane.words});
    lane.words.tell([this, drawn] { write(*drawn); });
    // Its maps are recorded until the next batch begins.
    if (plan_.options.attn.draws() && !lane.words.take()) throw Cancelled();
  }

  void write(DrawnBatch& drawn) {
    const auto& result = drawn.result;
    timing_.sample += result.timing.sample;
    timing_.decode += result.timing.decode;
    timing_.unet_calls += result.timing.unet_calls;
    if (result.decoder_overflowed) announce_overflow(drawn.words);
    writer_.write(drawn);
  }

  void announce_overflow(RunWords& words) {
    if (plan_.options.quiet || std::exchange(told_.overflow, true)) return;
    words.say(plan_.label() +
              "the autoencoder's values go beyond half precision: decoded again in float32");
  }

  ExitCode conclude() {
    if (timing_.unet_calls > 0) controls_.report(words_);
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
  ToldOfModels& told_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  RunWords& words_;  // of the first lane: the run's own
  const RunInputs inputs_;
  RunControls controls_;
  PictureWriter writer_;
  DrawTiming timing_;  // of all batches
  double load_seconds_ = 0;
  std::size_t failed_ = 0;
};

ExitCode draw(const Drawing& drawing, KeptModels& kept) {
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
  request.networks = plan.networks.merged_networks();
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

ExitCode draw_plan(const DrawPlan& plan, KeptModels& kept, DrawOutcome& outcome) {
  return draw({plan, nullptr, {&outcome}}, kept);
}

ExitCode draw_cells(const GridCells& cells, KeptModels& kept, std::vector<DrawOutcome>& outcomes) {
  const auto plan = shared_plan(cells);
  std::vector<DrawOutcome*> of_cells;
  for (auto& outcome : outcomes) of_cells.push_back(&outcome);
  return draw({plan, &cells, std::move(of_cells)}, kept);
}

}  // namespace sd::cli
