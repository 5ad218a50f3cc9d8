// `sd-train`: trains the demo model (tools/trainer/). Its stages can be run one by one or all in a
// row.
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "cli/parser/command_words.h"
#include "cli/parser/help.h"
#include "cli/parser/option_groups.h"
#include "cli/shell/interrupt.h"
#include "cli/shell/memory_guard.h"
#include "cli/shell/standard_streams.h"
#include "cli/shell/text_output.h"
#include "pipeline/device.h"
#include "sd/core/atomic_file.h"
#include "sd/core/compute.h"
#include "sd/core/error.h"
#include "sd/core/mapped_file.h"
#include "trainer/assemble.h"
#include "trainer/eval_command.h"
#include "trainer/latent_cache.h"
#include "trainer/scene_files.h"
#include "trainer/train_log.h"
#include "trainer/unet_stage.h"
#include "trainer/vae_stage.h"

namespace sd::cli {
namespace {

constexpr const char* kDescription =
    R"(Trains the demo model of sd on scenes that it composes itself.

Examples:
  sd-train all --out training            everything, from nothing; run it again to go on
  sd-train export --out training --to models/demo
  sd-train scenes --out scenes --n 20    pictures, captions and masks to look at
  sd-train eval --model models/demo --out eval    how well a model draws what it is asked for)";

constexpr const char* kVaeFile = "vae.safetensors";
constexpr int64_t kPsnrScenes = 200;

struct TrainOptions {
  std::optional<std::filesystem::path> recipe, out, init, to, font;
  DeviceChoice device;
  int64_t threads = 0;
  std::optional<int64_t> pictures;
  int64_t scenes = 100;
  int64_t seed = 0;
};

class TrainCommand {
 public:
  explicit TrainCommand(const TrainOptions& options)
      : options_(options),
        folder_(options.out.value_or("training")),
        scenes_(scene_options(options)) {
    make_writable_folder(folder_);
  }

  int write_scenes() {
    train::write_scenes(scenes_, folder_, options_.scenes, static_cast<uint64_t>(options_.seed),
                        train::Split::kTrain);
    StandardOutput().line((folder_ / "scenes.jsonl").string());
    return 0;
  }

  int run(const std::vector<std::string>& stages) {
    prepare();
    const InterruptGuard guard;
    for (const auto& stage : stages) {
      if (!run_stage(stage)) {
        say("stopped; the same command goes on from here");
        return static_cast<int>(ExitCode::kInterrupted);
      }
    }
    return 0;
  }

 private:
  static train::SceneOptions scene_options(const TrainOptions& options) {
    train::SceneOptions scene;
    if (options.font) scene.font = *options.font;
    return scene;
  }

  void prepare() {
    at::set_num_threads(options_.threads > 0 ? static_cast<int>(options_.threads)
                                             : physical_cores());
    run_.recipe = train::read_recipe(options_.recipe.value_or("configs/demo/recipe.yaml"));
    if (options_.pictures) {
      run_.recipe.vae.pictures = run_.recipe.unet.pictures = *options_.pictures;
    }
    run_.folder = folder_;
    run_.device = resolve_device(options_.device);
    log_.emplace(folder_);
    run_.say = [this](const std::string& text) { say(text); };
    run_.stop_requested = [] { return InterruptGuard::requested(); };
    run_.report = [this](const train::TrainPoint& point) {
      log_->write(point);
      const bool terminal = isatty(STDERR_FILENO) != 0;
      std::cerr << (terminal ? "\r\x1b[K" : "") << train::progress_of(point)
                << (terminal ? "" : "\n") << std::flush;
      line_open_ = terminal;
    };
  }

  void say(const std::string& text) {
    if (line_open_) std::cerr << '\n';
    line_open_ = false;
    print_message(text);
  }

  bool run_stage(const std::string& stage) {
    const auto init = options_.init.value_or(std::filesystem::path());
    if (stage == "vae") return train_vae(init);
    if (stage == "latents") return train::encode_scenes(run_, scenes_, vae());
    if (stage == "unet") {
      return train::train_unet(run_, train::read_encoded_scenes(run_), vae(), init);
    }
    train::export_model(run_, train::trained_model(run_, vae()),
                        options_.to.value_or(folder_ / "model"));
    return true;
  }

  bool train_vae(const std::filesystem::path& init) {
    if (!train::train_vae(run_, scenes_, init)) return false;
    const auto weights = train::finished_vae(run_, scenes_);
    const double psnr = train::vae_psnr(run_, scenes_, weights, kPsnrScenes);
    say(fmt::format("autoencoder: {:.2f} dB over {} unseen scenes", psnr, kPsnrScenes));
    train::write_tensor_file(folder_ / kVaeFile, weights, {{"psnr", fmt::format("{:.3f}", psnr)}});
    return true;
  }

  /// The finished autoencoder, from this folder or from the model that --init names.
  train::TensorMap vae() {
    std::error_code ignored;
    if (std::filesystem::exists(folder_ / kVaeFile, ignored)) {
      return train::read_tensor_file(folder_ / kVaeFile).tensors;
    }
    if (options_.init) return train::vae_of_model(run_, *options_.init);
    throw UsageError(fmt::format(
        "{}: there is no finished autoencoder\nRun `sd-train vae` first, or name a model: --init.",
        (folder_ / kVaeFile).string()));
  }

  TrainOptions options_;
  std::filesystem::path folder_;
  train::SceneGenerator scenes_;
  train::RunContext run_;
  std::optional<train::TrainLog> log_;
  bool line_open_ = false;
};

int parse_and_run(int argc, char** argv) {
  CLI::App app(kDescription, "sd-train");
  app.formatter(std::make_shared<HelpFormatter>());
  app.set_help_flag("-h,--help", "Print this help");
  app.require_subcommand(1);
  TrainOptions options;
  const auto add = [&](const std::string& name, const std::string& help) {
    auto* command = app.add_subcommand(name, help);
    set_parsing_rules(*command);
    add_path(*command, "out", options.out, "DIR", "states, caches, log and sheets (training)");
    add_path(*command, "font", options.font, "FILE", "a colour emoji font with bitmaps");
    return command;
  };
  const auto add_stage = [&](const std::string& name, const std::string& help) {
    auto* command = add(name, help);
    add_path(*command, "recipe", options.recipe, "FILE", "configs/demo/recipe.yaml by default");
    add_path(*command, "init", options.init, "FILE", "go on from this exported model's weights");
    add_device(*command, options.device, "where the networks are trained");
    add_whole(*command, "threads", options.threads, {0, 1024}, "0: one a physical core");
    return command;
  };
  const Range<int64_t> many{1, 1'000'000'000};
  for (const auto& [name, help] :
       {std::pair{"vae", "Train the autoencoder"}, {"unet", "Train UNet and text encoder"}}) {
    add_whole(*add_stage(name, help), "pictures", options.pictures, many,
              "end the stage after so many");
  }
  add_stage("latents", "Encode the scenes that the UNet is trained on");
  add_path(*add_stage("export", "Write model.safetensors and model.yaml"), "to", options.to, "DIR",
           "where to (OUT/model)");
  add_path(*add_stage("all", "All of these in a row"), "to", options.to, "DIR",
           "where to export (OUT/model)");
  auto* scenes = add("scenes", "Write scenes, captions and masks");
  add_whole(*scenes, "n", options.scenes, {1, 1'000'000}, "how many");
  add_whole(*scenes, "seed", options.seed, {0, 1'000'000'000}, "which");
  EvalOptions eval;
  add_eval_commands(app, eval);
  const auto named = app.get_subcommands(
      [&](const CLI::App* command) { return argc > 1 && command->get_name() == argv[1]; });
  CLI::App* chosen = named.empty() ? nullptr : named.front();
  try {
    if (chosen == nullptr)
      app.parse(argc, argv);
    else
      parse_words(app, *chosen, {argv + 2, argv + argc});
  } catch (const CLI::CallForHelp&) {
    StandardOutput().line(chosen == nullptr ? app.help() : chosen->help("sd-train"));
    return 0;
  } catch (const CLI::ParseError& error) {
    throw UsageError(error.what());
  }
  const auto name = chosen->get_name();
  if (name == "classifier" || name.starts_with("eval")) return run_eval_command(name, eval);
  TrainCommand command(options);
  if (chosen->get_name() == "scenes") return command.write_scenes();
  if (chosen->get_name() == "all") {
    // The autoencoder of a finished model stays as it is: its latents are what the UNet knows.
    return options.init ? command.run({"latents", "unet", "export"})
                        : command.run({"vae", "latents", "unet", "export"});
  }
  return command.run({chosen->get_name()});
}

}  // namespace
}  // namespace sd::cli

int main(int argc, char** argv) {
  sd::cli::prepare_standard_streams();
  // Training takes and gives back the same blocks in every step: kept in the process, they need not
  // be zeroed by the kernel each time (an eighth of a step).
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
  const sd::cli::MemoryGuard memory(/*json=*/false);
  sd::guard_mapped_files();
  const int code = sd::cli::run_guarded(
      [&] {
        sd::cli::require_working_folder();
        return sd::cli::parse_and_run(argc, argv);
      },
      /*verbose=*/false);
  sd::cli::end_process(sd::cli::conclude_output(code, sd::cli::output_error()));
}
