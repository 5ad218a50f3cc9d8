#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/commands/commands.h"
#include "cli/shell/json_lines.h"
#include "cli/shell/text_output.h"
#include "sd/core/error.h"
#include "sd/core/sampler_table.h"

namespace sd::cli {
namespace {

constexpr const char* kSamplersDescription =
    R"(Lists the samplers: names, order, calls of the UNet, sources.

Examples:
  sd samplers
  sd txt2img --prompt "a red apple" --sampler dpm++_2m --steps 20
  sd txt2img --prompt "a red apple" --sampler "Euler a" --scheduler karras)";

constexpr const char* kSamplersFooter =
    R"(--sampler takes these names and those of other programs: "DPM++ 2M Karras", k_euler_a, dpmpp_2m.
order: of the error, in the size of a step; the random part aside. noise: drawn in every step, fresh,
or as increments of a path that depends on the seed and the noise level alone, so that more steps refine
the same picture. schedule: where --scheduler is not given, as AUTOMATIC1111's web UI chooses it.)";

const char* noise_text(StepNoiseKind noise) {
  return noise == StepNoiseKind::kNone ? "-" : noise == StepNoiseKind::kFresh ? "fresh" : "path";
}

nlohmann::ordered_json json_of(const SamplerInfo& info) {
  return {{"name", info.name},
          {"label", info.label},
          {"order", info.order},
          {"calls", info.calls},
          {"noise", noise_text(info.noise)},
          {"scheduler", name_of(info.scheduler)},
          {"paper", info.paper}};
}

int run(bool json) {
  StandardOutput output;
  constexpr const char* kRow = "{:<13} {:<13} {:>5} {:>5}  {:<5}  {:<11}  {}";
  if (!json) {
    output.line(
        fmt::format(kRow, "name", "elsewhere", "order", "calls", "noise", "schedule", "source"));
  }
  for (const auto& info : all_samplers()) {
    output.line(json ? json_line_of("sampler", json_of(info))
                     : fmt::format(kRow, info.name, info.label, info.order, info.calls,
                                   noise_text(info.noise), name_of(info.scheduler), info.paper));
  }
  return static_cast<int>(ExitCode::kDone);
}

}  // namespace

Command add_samplers(CLI::App& app) {
  auto* parser = app.add_subcommand("samplers", kSamplersDescription)->group("Commands");
  parser->footer(kSamplersFooter);
  auto json = std::make_shared<bool>(false);
  parser->add_flag("--json", *json, "One JSON object a line");
  return {parser, [json] { return run(*json); }};
}

}  // namespace sd::cli
