#include "cli/draw/bench.h"

#include <ATen/Parallel.h>
#include <ATen/ops/randn.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <memory>
#include <optional>
#include <utility>

#include "cli/draw/bench_clock.h"
#include "cli/draw/bench_report.h"
#include "cli/draw/draw.h"
#include "cli/options/seed_rule.h"
#include "cli/shell/json_lines.h"
#include "cli/shell/text_output.h"
#include "core/model_flops.h"
#include "pipeline/encode.h"
#include "pipeline/gpu_use.h"
#include "pipeline/guard.h"
#include "pipeline/layer_trace.h"
#include "sd/image/png.h"
#include "sd/pipeline/run_noise.h"
#include "sd/pipeline/txt2img.h"

namespace sd::cli {
namespace {

using Clock = std::chrono::steady_clock;
using Stage = Progress::Stage;

/// Time and page faults since its start.
class Stopwatch {
 public:
  Measured measured() const {
    return {std::chrono::duration<double>(Clock::now() - began_).count(),
            process_use().page_faults - faults_, 0};
  }

 private:
  Clock::time_point began_ = Clock::now();
  int64_t faults_ = process_use().page_faults;
};

/// What the plan draws, as many samples at a time as it says.
Txt2ImgRequest request_of(const DrawPlan& plan) {
  const auto& options = plan.options;
  Txt2ImgRequest request;
  static_cast<PictureSettings&>(request) = options;
  request.prompts.assign(static_cast<std::size_t>(options.n_samples), options.prompt);
  request.prompt_chunks = plan.reader->chunks();
  request.width = plan.width();
  request.height = plan.height();
  request.sampler = options.chosen_sampler();
  request.seed = path_seed_of(options, 0);
  return request;
}

/// Writes as a picture is written and keeps nothing: the file has no name.
void write_and_drop(const Image& picture) {
  const auto bytes = encode_png(picture);
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::tmpfile(), std::fclose);
  const bool written = file &&
                       std::fwrite(bytes.data(), 1, bytes.size(), file.get()) == bytes.size() &&
                       std::fflush(file.get()) == 0;
  if (!written) throw IoError("bench: no picture can be written to the folder of temporary files");
}

class Bench {
 public:
  Bench(const DrawPlan& plan, const BenchSettings& settings, KeptModel& kept)
      : plan_(plan), settings_(settings), load_began_(), model_(kept.load(load_request(plan))) {
    load_ = load_began_.measured();
    latents_ = at::randn(
        {1, model_.config.latent_channels(), plan.height() / factor(), plan.width() / factor()});
  }

  void run() {
    if (settings_.profile && model_.device != "cpu") {
      throw UsageError(
          "--profile: tells when layers ran on a CPU; on a GPU they run behind the program\n"
          "Give --device cpu.");
    }
    warm_up();
    BenchReport report;
    measure_limits(report.limits);
    phases_ = {{"load", {load_}},
               {"text", {}, text_work()},
               {"unet", {}, unet_work()},
               {"vae", {}, decoder_flops(model_.config.vae, latents_.size(2), latents_.size(3))},
               {"file"}};
    for (int64_t round = 0; round < settings_.rounds; ++round) {
      if (round == 0 && settings_.profile) {
        draw_profiled(*settings_.profile);
      } else {
        draw_measured();
      }
    }
    measure_limits(report.limits);
    report.phases = std::move(phases_);
    const auto use = process_use();
    report.page_faults = use.page_faults;
    report.peak_rss = use.peak_rss;
    report.peak_gpu_memory = peak_gpu_memory(torch::Device(model_.device));
    print_report(plan_, model_, report);
  }

  void serve() {
    for (std::string word; read_word(word);) {
      if (word == "unet") {
        sample_on_demand();
      } else {
        answer(word);
      }
    }
  }

 private:
  int64_t factor() const { return model_.config.vae.factor(); }
  RunNoise noise() const { return {seed_rule_of(plan_.options), torch::Device(model_.device)}; }

  void measure_limits(BenchLimits& limits) const {
    if (model_.device == "cpu") {
      limits.measure(at::get_num_threads());
    } else if (!limits.gpu) {
      limits.gpu = measure_gpu_limit(torch::Device(model_.device), model_.compute_dtype);
    }
  }

  /// Of a text; what is encoded for a batch is each prompt once, and the negative one.
  double text_work() const {
    auto config = model_.config.text;
    config.layers -= plan_.options.clip_skip - 1;
    return (has_guidance() ? 2 : 1) * static_cast<double>(plan_.reader->chunks()) *
           text_flops(config, config.positions);
  }

  /// Of one evaluation.
  double unet_work() const {
    const int64_t rows = plan_.options.n_samples * (has_guidance() ? 2 : 1);
    return unet_flops(model_.config.unet, rows, latents_.size(2), latents_.size(3),
                      plan_.reader->chunks() * model_.config.text.positions);
  }

  bool has_guidance() const { return plan_.options.guidance_scale != 1; }

  /// One step and one decoding: weights are packed, and memory is there.
  void warm_up() {
    auto request = request_of(plan_);
    request.decode = false;
    bool stepped = false;
    request.on_progress = [&](const Progress& progress) {
      stepped = progress.stage == Stage::kSample && progress.done > 0;
      return !stepped;
    };
    draw_until(request, stepped);
    decode();
  }

  /// Draws until its progress stops it, which is no failure where `stopped` says so.
  void draw_until(const Txt2ImgRequest& request, const bool& stopped) const {
    auto numbers = noise();
    try {
      txt2img(model_, request, numbers.of_batch(0));
    } catch (const Cancelled&) {
      if (!stopped) throw;
    }
  }

  Measured decode() const {
    const Stopwatch watch;
    const c10::InferenceMode inference;
    guard_torch("decoding", [&] { return decode_latents(model_, latents_, {}); });
    return watch.measured();
  }

  BenchPhase& phase(std::string_view name) {
    for (auto& each : phases_) {
      if (each.name == name) return each;
    }
    throw Error(fmt::format("bench: no part is called {}", name));
  }

  void draw_profiled(const std::filesystem::path& path) {
    trace_.emplace();
    draw_measured();
    trace_->write(path, model_);
    trace_.reset();
  }

  void draw_measured() {
    auto request = request_of(plan_);
    const torch::Device device(model_.device);
    std::vector<const char*> parts;  // what ended at each mark but the first; null: nothing
    BenchClock clock(device);
    count_gpu_waits(device, true);
    clock.mark();
    auto began = Clock::now();
    request.on_progress = [&](const Progress& progress) {
      const auto name = progress.stage == Stage::kDecode                         ? "vae"
                        : progress.stage == Stage::kSample && progress.done == 0 ? "text"
                                                                                 : "unet";
      const bool ends = progress.done > 0 || progress.stage == Stage::kSample;
      if (ends && trace_) trace_->add_part(name, began, Clock::now());
      clock.mark();
      parts.push_back(ends ? name : nullptr);
      began = Clock::now();
      return true;
    };
    auto numbers = noise();
    const auto drawn = txt2img(model_, request, numbers.of_batch(0));
    const auto measured = clock.measured();
    count_gpu_waits(device, false);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (parts[i] != nullptr) phase(parts[i]).runs.push_back(measured[i]);
    }
    evaluations_ += drawn.timing.unet_calls;
    auto& steps = phase("unet");
    // Some samplers call the model more than once a step.
    steps.flops = unet_work() * static_cast<double>(evaluations_) /
                  static_cast<double>(std::max<std::size_t>(steps.runs.size(), 1));
    for (const auto& picture : drawn.pictures) {
      const Stopwatch writing;
      write_and_drop(picture);
      phase("file").runs.push_back(writing.measured());
    }
  }

  /// One step of a drawing for each "unet", so that what a run computes once is not in it. Other
  /// words are answered in between. A drawing that comes to its end is followed by another one.
  void sample_on_demand() {
    auto request = request_of(plan_);
    request.decode = false;
    bool ended = false;
    Stopwatch watch;
    request.on_progress = [&](const Progress& progress) {
      if (progress.stage != Stage::kSample) return true;
      if (progress.done > 0) tell("unet", watch.measured());
      if (progress.done == progress.total) return true;
      if (progress.done > 0) {
        std::string word;
        while (!ended && word != "unet") {
          ended = !read_word(word);
          if (!ended && word != "unet") answer(word);
        }
      }
      watch = Stopwatch();
      return !ended;
    };
    draw_until(request, ended);
  }

  static bool read_word(std::string& word) {
    return static_cast<bool>(std::getline(std::cin, word));
  }

  void answer(const std::string& word) {
    if (word == "vae") return tell("vae", decode());
    if (word != "limit") {
      throw UsageError(
          fmt::format("bench --wait: '{}' on standard input, expected unet, vae or limit", word));
    }
    BenchLimits limits;
    limits.measure(at::get_num_threads());
    tell({{"part", "limit"}, {"f32", limit_json(limits.f32)}, {"bf16", limit_json(limits.bf16)}});
  }

  void tell(const char* part, const Measured& measured) const {
    const double flops = part == std::string_view("unet")
                             ? unet_work()
                             : decoder_flops(model_.config.vae, latents_.size(2), latents_.size(3));
    tell({{"part", part},
          {"seconds", measured.seconds},
          {"page_faults", measured.page_faults},
          {"gflop", flops / 1e9},
          {"peak_rss", process_use().peak_rss}});
  }

  static void tell(const nlohmann::ordered_json& fields) {
    StandardOutput().line(json_line_of("evaluation", fields));
  }

  const DrawPlan& plan_;
  const BenchSettings& settings_;
  const Stopwatch load_began_;
  const LoadedModel& model_;
  Measured load_;
  torch::Tensor latents_;  // [1,4,h,w], to decode on demand
  std::vector<BenchPhase> phases_;
  std::optional<LayerTrace> trace_;
  int64_t evaluations_ = 0;
};

}  // namespace

ExitCode bench_plan(const DrawPlan& plan, const BenchSettings& settings, KeptModel& kept) {
  remember_need(plan.memory);
  Bench bench(plan, settings, kept);
  if (settings.waits) {
    bench.serve();
  } else {
    bench.run();
  }
  return ExitCode::kDone;
}

}  // namespace sd::cli
