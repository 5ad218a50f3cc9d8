#include "sd/pipeline/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/commands/commands.h"
#include "cli/models/find_model.h"
#include "cli/models/named_networks.h"
#include "cli/parser/option_groups.h"
#include "cli/shell/interrupt.h"
#include "cli/shell/json_lines.h"
#include "cli/shell/progress_line.h"
#include "cli/shell/text_output.h"
#include "sd/core/error.h"
#include "sd/text/network_words.h"

namespace sd::cli {
namespace {

constexpr const char* kConvertDescription = R"(Writes a checkpoint in another format or precision.

Examples:
  sd convert v1-5-pruned.ckpt v1-5.safetensors --dtype f16
  sd convert v1-5-pruned.ckpt v1-5-ema.safetensors --ema
  sd convert v1-5.safetensors v1-5-diffusers/
  sd convert v1-5.safetensors inked.safetensors --lora ink:0.8 --merge)";

constexpr const char* kConvertFooter =
    R"(OUT is NAME.safetensors, by the original's names, or a folder as diffusers reads it (no suffix,
or a slash at its end). NAME.yaml beside it says what weights cannot tell. Nothing is overwritten,
nothing is left of what failed.)";

struct ConvertOptions {
  std::optional<std::string> source, out;
  std::optional<DType> dtype;
  bool ema = false;
  bool keep_ema = false;
  std::optional<std::filesystem::path> config, vae, clip;
  std::vector<std::string> loras;
  bool merge = false;
  bool json = false;
  bool quiet = false;
};

std::string progress_text(const ConvertProgress& progress, double seconds) {
  const bool writes = progress.stage == ConvertProgress::Stage::kWrite;
  auto text = fmt::format(
      "{} {} {:.1f} of {:.1f} GB", writes ? "writing" : "comparing",
      progress_bar(static_cast<int64_t>(progress.done), static_cast<int64_t>(progress.total)),
      static_cast<double>(progress.done) / 1e9, static_cast<double>(progress.total) / 1e9);
  if (progress.done > 0) {
    const double left =
        seconds * (static_cast<double>(progress.total) / static_cast<double>(progress.done) - 1);
    text += fmt::format(", {} left", clock_text(left));
  }
  return text;
}

/// Shows how far it is, and stops it when asked to.
class Watch {
 public:
  explicit Watch(bool quiet) : line_(wants_progress_line(quiet)) {}

  bool operator()(const ConvertProgress& progress) {
    // From here on there are files to be taken away; until now Ctrl-C could simply end the process,
    // also while the source was hashed.
    if (!guard_) guard_.emplace();
    const auto now = std::chrono::steady_clock::now();
    if (progress.done == 0) began_ = now;
    line_.show(progress_text(progress, std::chrono::duration<double>(now - began_).count()));
    return !InterruptGuard::requested();
  }
  void clear() { line_.clear(); }

 private:
  ProgressLine line_;
  std::optional<InterruptGuard> guard_;
  std::chrono::steady_clock::time_point began_{};
};

/// What `--lora` asks for. A merged model has it in every step.
std::vector<NetworkToMerge> networks_to_merge(const ConvertOptions& options) {
  if (options.loras.empty() != !options.merge) {
    throw UsageError(options.merge
                         ? "--merge: give what to merge with --lora FILE"
                         : "--lora: a LoRA is written as a part of the model; say so with --merge");
  }
  std::vector<NetworkToMerge> networks;
  for (const auto& text : options.loras) {
    const auto words = parse_network_words(text);
    if (!words.steps.are_all()) {
      throw UsageError(fmt::format(
          "--lora {}: start=, stop= and step= have no place in a merged model, which has the LoRA "
          "in every step; leave them out",
          text));
    }
    networks.push_back({find_network("--lora: ", words.name, network_folders(*options.source)),
                        words.text_encoder, words.unet, words.blocks});
  }
  return networks;
}

/// "merged ink: 264 of 264 modules, rank 16, text encoder and UNet", and what had no place.
void report_merged(const std::vector<MergedNetwork>& merged) {
  constexpr std::size_t kShown = 3;
  for (const auto& each : merged) {
    print_message(fmt::format("merged {}: {}", each.file.stem().string(), each.matched));
    if (each.unmatched.empty()) continue;
    const auto shown = std::min(kShown, each.unmatched.size());
    print_message(
        fmt::format("  {} without a place in this model: {}{}", each.unmatched.size(),
                    fmt::join(each.unmatched.begin(),
                              each.unmatched.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
                    shown < each.unmatched.size() ? ", …" : ""));
  }
}

nlohmann::ordered_json merged_json(const std::vector<MergedNetwork>& merged) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& each : merged) {
    list.push_back(
        {{"file", each.file.string()}, {"matched", each.matched}, {"unmatched", each.unmatched}});
  }
  return list;
}

void report(const ConvertReport& done, const ConvertOptions& options, double seconds) {
  if (!options.quiet) {
    report_merged(done.merged);
    if (!done.left_out.empty()) {
      print_message(fmt::format("left out, as diffusers has no place for them: {}",
                                fmt::join(done.left_out, ", ")));
    }
    print_message(fmt::format("{} tensors, {:.1f} MB, written and compared in {}", done.tensors,
                              static_cast<double>(done.bytes) / 1e6, clock_text(seconds)));
  }
  StandardOutput output;
  if (!options.json) {
    output.line(done.out.string());
    if (done.config) output.line(done.config->string());
    return;
  }
  const nlohmann::ordered_json line = {
      {"path", done.out.string()},
      {"config",
       done.config ? nlohmann::ordered_json(done.config->string()) : nlohmann::ordered_json()},
      {"tensors", done.tensors},
      {"bytes", done.bytes},
      {"source_sha256", done.source_sha256},
      {"left_out", done.left_out},
      {"merged", merged_json(done.merged)}};
  output.line(json_line_of("model", line));
}

int run(const ConvertOptions& options) {
  if (!options.source || !options.out || options.out->empty()) {
    throw UsageError(
        "convert: give what to convert and where to write it\n"
        "Example: sd convert model.ckpt model.safetensors");
  }
  require_model("", *options.source);
  if (options.vae) require_model("--vae: ", *options.vae);
  if (options.clip) require_model("--clip: ", *options.clip);
  ConvertRequest request;
  request.source = {*options.source, options.config, {options.vae, options.clip}};
  request.out = *options.out;
  request.dtype = options.dtype;
  request.ema = options.ema;
  request.keep_ema = options.keep_ema;
  request.networks = networks_to_merge(options);
  Watch watch(options.quiet);
  request.on_progress = [&](const ConvertProgress& progress) { return watch(progress); };
  const auto began = std::chrono::steady_clock::now();
  ConvertReport done;
  try {
    done = convert_model(request);
  } catch (...) {
    watch.clear();
    throw;
  }
  watch.clear();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  report(done, options, took.count());
  return static_cast<int>(ExitCode::kDone);
}

}  // namespace

Command add_convert(CLI::App& app) {
  auto* parser = app.add_subcommand("convert", kConvertDescription)->group("Commands");
  parser->footer(kConvertFooter);
  auto options = std::make_shared<ConvertOptions>();
  set_parsing_rules(*parser);
  const auto add_positional = [&](const char* name, std::optional<std::string>& value,
                                  const char* help) {
    parser
        ->add_option_function<std::string>(
            name, [&value](const std::string& text) { value = text; }, help)
        ->type_name("FILE")
        ->multi_option_policy(CLI::MultiOptionPolicy::Throw);
  };
  add_positional("IN", options->source, "A checkpoint file or a diffusers folder");
  add_positional("OUT", options->out, "NAME.safetensors, or a folder");
  const Choices<std::optional<DType>> dtypes = {
      {"f32", DType::kF32}, {"f16", DType::kF16}, {"bf16", DType::kBF16}};
  add_choice(*parser, "dtype", options->dtype, dtypes,
             "What weights are written in (each as it is)");
  parser->add_flag("--ema", options->ema,
                   "Write the averaged weights of a full checkpoint\ninstead of the plain ones");
  parser->add_flag("--keep-ema,--keep_ema", options->keep_ema,
                   "Write them too (a .safetensors only)");
  add_path(*parser, "config", options->config, "FILE.yaml",
           "Configuration of IN (a .yaml of the same name beside it)");
  add_path(*parser, "vae", options->vae, "FILE", "Put this autoencoder in");
  add_path(*parser, "clip", options->clip, "FILE", "Put this text encoder in");
  add_repeated(
      *parser, "lora", [options](const std::string& text) { options->loras.push_back(text); },
      "LORA", "Put this LoRA in: FILE or NAME[:WEIGHT[:UNET]]");
  parser->add_flag("--merge", options->merge, "Write what --lora gives as a part of the weights");
  parser->add_flag("--json", options->json, "A JSON object on stdout instead of the path");
  parser->add_flag("-q,--quiet", options->quiet, "Print errors only");
  return {parser, [options] { return run(*options); }};
}

}  // namespace sd::cli
