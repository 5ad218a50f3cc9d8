#include "cli/commands/doctor.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <system_error>
#include <tuple>

#include "cli/commands/commands.h"
#include "cli/engine/engine.h"
#include "cli/models/file_info.h"
#include "cli/models/find_model.h"
#include "cli/models/named_models.h"
#include "cli/parser/settings.h"
#include "cli/shell/json_lines.h"
#include "cli/shell/text_output.h"
#include "core/user_folders.h"
#include "kernels/isa.h"
#include "sd/core/error.h"
#include "sd/weights/summary.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr double kMiB = 1024.0 * 1024.0;
constexpr double kDoctorGiB = 1024.0 * kMiB;
constexpr int kColumn = 18;

constexpr const char* kDoctorDescription =
    R"(Tells what this program finds on this machine, and what will be slow and why.

Examples:
  sd doctor
  sd doctor --json
  sd doctor --torch)";

constexpr const char* kDoctorFooter =
    R"(Exit code 2 if the configuration file or a variable is wrong, else 0. Only --torch loads LibTorch.)";

struct DoctorOptions {
  bool json = false;
  bool torch = false;
};

Json path_or_null(const std::optional<fs::path>& path) {
  return path ? Json(path->lexically_normal().string()) : Json();
}

Json paths_json(const Machine& machine) {
  std::error_code error;
  const auto binary = fs::read_symlink("/proc/self/exe", error);
  const auto cache = user_folder("XDG_CACHE_HOME", ".cache");
  const bool torch = machine.libtorch_found;
  return {{"binary", error ? Json() : Json(binary.string())},
          {"engine", path_or_null(engine_file())},
          {"libtorch", torch ? Json(machine.libtorch.string()) : Json()},
          {"models", path_or_null(models_folder())},
          {"cache", cache ? Json((*cache / "sd").string()) : Json()},
          {"config", path_or_null(settings_path())}};
}

Json limits_json(const std::vector<MemoryLimit>& limits) {
  Json list = Json::array();
  for (const auto& limit : limits) {
    const bool address_space = limit.kind == MemoryLimit::Kind::kAddressSpace;
    list.push_back({{"by", limit.by},
                    {"bytes", limit.bytes},
                    {"used", limit.used},
                    {"counts", address_space ? "address space" : "memory"}});
  }
  return list;
}

/// Instruction sets that kernels are written for, and which one is used.
Json kernels_json() {
  Json here = Json::array(), elsewhere = Json::array();
  for (const auto isa : kernels::compiled_isas()) {
    (kernels::runs_here(isa) ? here : elsewhere).push_back(kernels::name_of(isa));
  }
  return {
      {"used", kernels::name_of(kernels::best_isa())}, {"here", here}, {"elsewhere", elsewhere}};
}

Json gpu_json(const Machine& machine) {
  Json json = {{"node", machine.gpu_node},
               {"names", machine.gpus},
               {"driver", machine.driver},
               {"libtorch_cuda", machine.libtorch_cuda},
               {"used", machine.may_use_gpu()}};
  json.update(gpus_report());
  return json;
}

Json machine_json(const Machine& machine) {
  return {{"cpu",
           {{"model", machine.cpu},
            {"features", machine.features},
            {"lacking", machine.lacking},
            {"bf16", machine.bf16},
            {"kernels", kernels_json()},
            {"cores", machine.cores},
            {"logical_cpus", machine.logical_cpus},
            {"load", machine.load}}},
          {"gpu", gpu_json(machine)},
          {"memory",
           {{"total", machine.memory_total},
            {"available", machine.memory_available},
            {"limits", limits_json(machine.memory_limits)},
            {"needed_f32", kWeightsF32 + kWorkingMemory},
            {"needed_bf16", kWeightsBF16 + kWorkingMemory}}}};
}

/// From headers alone; what cannot be read is said instead.
Json model_json(const std::string& name, const fs::path& path) {
  Json json = {{"name", name}, {"path", path.string()}};
  try {
    const auto model = describe_model(path);
    int64_t bytes = 0;
    for (const auto& part : model.parts) bytes += part.bytes;
    json["family"] = model.family;
    json["parameters"] = model.parameters;
    json["bytes"] = bytes;
    json["problem"] = model.problem.empty() ? Json() : Json(model.problem);
  } catch (const Error& error) {
    json["problem"] = error.what();
  }
  return json;
}

Json models_json() {
  Json models = Json::array();
  try {
    const auto found = find_model(std::nullopt, model_roots());
    models.push_back(model_json("(default)", found.checkpoint));
  } catch (const Error&) {
    // None: the list says so by having no default.
  }
  const auto folder = models_folder();
  for (const auto& name : model_names(folder)) {
    try {
      models.push_back(model_json(name, model_named(name, *folder)));
    } catch (const Error& error) {
      models.push_back({{"name", name}, {"problem", error.what()}});
    }
  }
  return models;
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

std::string text_or(const Json& value, const char* otherwise) {
  return value.is_string() && !value.get_ref<const std::string&>().empty()
             ? value.get<std::string>()
             : otherwise;
}

std::string size_text(const Json& bytes) { return bytes_text(bytes.get<int64_t>()); }

class Page {
 public:
  void heading(std::string_view title) {
    out_.line(fmt::format("{}{}", first_ ? "" : "\n", title));
    first_ = false;
  }
  void entry(std::string_view key, std::string_view value) {
    out_.line(printable(fmt::format("  {:<{}} {}", key, kColumn, value)));
  }

 private:
  StandardOutput out_;
  bool first_ = true;
};

/// The kernel tells of a GPU's node, the driver of what can be used.
void print_gpus(const Json& gpu, Page& page) {
  const auto& names = gpu.at("names");
  const auto& devices = gpu.at("devices");
  const bool node = gpu.at("node").get<bool>();
  page.entry("GPU", !names.empty()
                        ? fmt::format("{}", fmt::join(names.get<std::vector<std::string>>(), ", "))
                    : node            ? "there"
                    : devices.empty() ? "none"
                                      : "by its driver");
  for (const auto& device : devices)
    page.entry(device.at("device").get<std::string>(), gpu_text(device));
  if (!node && gpu.at("cuda").is_null()) return;
  page.entry("driver", fmt::format("{}, for CUDA up to {}", text_or(gpu.at("driver"), "unknown"),
                                   text_or(gpu.at("cuda"), "unknown")));
  if (gpu.at("problem").is_string())
    page.entry("no GPU to use", gpu.at("problem").get<std::string>());
  page.entry("CUDA libraries", gpu.at("libtorch_cuda").get<bool>() ? "beside LibTorch" : "absent");
}

void print_machine(const Json& report, Page& page) {
  const auto& [cpu, gpu, memory] =
      std::tie(report.at("cpu"), report.at("gpu"), report.at("memory"));
  page.heading("Machine");
  page.entry("CPU", text_or(cpu.at("model"), "unknown"));
  page.entry("cores", fmt::format("{} ({} logical), load {:.1f}", cpu.at("cores").get<int>(),
                                  cpu.at("logical_cpus").get<int>(), cpu.at("load").get<double>()));
  const auto list = [](const Json& names) {
    return names.empty() ? "none"
                         : fmt::format("{}", fmt::join(names.get<std::vector<std::string>>(), " "));
  };
  page.entry("has", list(cpu.at("features")));
  page.entry("lacks", list(cpu.at("lacking")));
  page.entry("bf16", cpu.at("bf16").get<bool>() ? "in hardware" : "not in hardware");
  const auto& kernels = cpu.at("kernels");
  page.entry("kernels",
             fmt::format("{} (of {}; for other CPUs: {})", kernels.at("used").get<std::string>(),
                         list(kernels.at("here")), list(kernels.at("elsewhere"))));
  print_gpus(gpu, page);
  page.entry("memory", fmt::format("{} free of {}", size_text(memory.at("available")),
                                   size_text(memory.at("total"))));
  for (const auto& limit : memory.at("limits")) {
    page.entry("limited",
               fmt::format("to {} of {}, {} used: {}", size_text(limit.at("bytes")),
                           limit.at("counts").get<std::string>(), size_text(limit.at("used")),
                           limit.at("by").get<std::string>()));
  }
  page.entry("SD v1 at 512x512",
             fmt::format("needs about {} in f32, {} in bf16", size_text(memory.at("needed_f32")),
                         size_text(memory.at("needed_bf16"))));
}

void print_paths(const Json& paths, Page& page) {
  page.heading("Paths");
  page.entry("binary", text_or(paths.at("binary"), "unknown"));
  page.entry("drawing half", text_or(paths.at("engine"), "libsd_engine.so is not there"));
  page.entry("LibTorch",
             text_or(paths.at("libtorch"), "not found: run scripts/setup.sh, build again"));
  page.entry("SD_MODELS_DIR", text_or(paths.at("models"), "not set"));
  page.entry("cache", text_or(paths.at("cache"), "none"));
  const auto config = text_or(paths.at("config"), "");
  std::error_code ignored;
  page.entry("configuration", config.empty() ? "none: neither XDG_CONFIG_HOME nor HOME is set"
                              : fs::exists(config, ignored) ? config
                                                            : config + " (not there)");
}

void print_models(const Json& models, Page& page) {
  page.heading("Models");
  if (models.empty()) page.entry("none", "give one with --ckpt, or set SD_MODELS_DIR");
  for (const auto& model : models) {
    auto text = model.value("family", "");
    if (model.contains("bytes"))
      text += fmt::format(", {}, {} million parameters", size_text(model.at("bytes")),
                          model.at("parameters").get<int64_t>() / 1'000'000);
    if (model.at("problem").is_string())
      text += fmt::format("{}cannot draw: {}", text.empty() ? "" : "; ",
                          first_line(model.at("problem").get<std::string>()));
    if (model.at("name") == "(default)") text += "; " + model.at("path").get<std::string>();
    page.entry(model.at("name").get<std::string>(), text);
  }
}

void print_settings(const Json& settings, Page& page) {
  page.heading("Settings");
  if (settings.at("entries").empty()) page.entry("none", "neither variables nor file");
  for (const auto& entry : settings.at("entries")) {
    const auto loser =
        entry.contains("overridden_by")
            ? fmt::format("; not in force: {} is set", entry.at("overridden_by").get<std::string>())
            : "";
    page.entry(entry.at("option").get<std::string>(),
               fmt::format("{}  ({}{})", entry.at("value").get<std::string>(),
                           entry.at("source").get<std::string>(), loser));
  }
  for (const auto& variable : settings.at("unknown_variables")) {
    const auto& nearest_one = variable.at("nearest");
    page.entry(variable.at("name").get<std::string>(),
               nearest_one.is_string()
                   ? fmt::format("sets no option; meant: {}?", nearest_one.get<std::string>())
                   : "sets no option");
  }
  if (settings.at("problem").is_string())
    page.entry("wrong", settings.at("problem").get<std::string>());
}

void print_report(const Json& report) {
  Page page;
  page.heading("sd " SD_VERSION);
  print_machine(report, page);
  if (report.contains("torch")) {
    page.heading("LibTorch");
    for (const auto& [key, value] : report.at("torch").items())
      page.entry(key, value.is_string() ? value.get<std::string>() : value.dump());
  }
  print_paths(report.at("paths"), page);
  print_models(report.at("models"), page);
  print_settings(report.at("settings"), page);
  page.heading("Slow here");
  for (const auto& line : report.at("slow")) {
    const auto text = line.get<std::string>();
    const auto colon = text.find(": ");
    page.entry(text.substr(0, colon), text.substr(colon + 2));
  }
}

int run(const DoctorOptions& options, const CLI::App& app) {
  const auto machine = this_machine();
  Json report = {{"version", SD_VERSION}};
  report.update(machine_json(machine));
  if (options.torch) report["torch"] = Json::parse(engine_report());
  report["paths"] = paths_json(machine);
  report["models"] = models_json();
  report["settings"] = settings_report(app);
  report["slow"] = slow_here(machine, engine_file().has_value());
  if (options.json) {
    StandardOutput().line(json_line_of("doctor", report));
  } else {
    print_report(report);
  }
  const bool wrong = report.at("settings").at("problem").is_string();
  return static_cast<int>(wrong ? ExitCode::kUsage : ExitCode::kDone);
}

}  // namespace

std::string bytes_text(int64_t bytes) {
  const auto count = static_cast<double>(bytes);
  return count < kDoctorGiB ? fmt::format("{:.0f} MiB", count / kMiB)
                            : fmt::format("{:.1f} GiB", count / kDoctorGiB);
}

Command add_doctor(CLI::App& app) {
  auto* parser = app.add_subcommand("doctor", kDoctorDescription)->group("Set-up");
  parser->footer(kDoctorFooter);
  auto options = std::make_shared<DoctorOptions>();
  parser->add_flag("--json", options->json, "One JSON object");
  parser->add_flag("--torch", options->torch, "Load LibTorch and ask it too, for GPUs above all");
  return {parser, [options, &app] { return run(*options, app); }};
}

}  // namespace sd::cli
