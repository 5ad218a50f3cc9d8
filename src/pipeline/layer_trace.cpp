#include "pipeline/layer_trace.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <span>

#include "sd/core/atomic_file.h"
#include "sd/models/latent_diffusion.h"

namespace sd {
namespace {

using Json = nlohmann::ordered_json;
using Time = LayerTrace::Time;

double microseconds(Time from, Time to) {
  return std::chrono::duration<double, std::micro>(to - from).count();
}

Json event_json(const std::string& name, std::string_view category, double at, double lasts) {
  return {{"name", name}, {"cat", category}, {"ph", "X"}, {"ts", at},
          {"dur", lasts}, {"pid", 1},        {"tid", 1}};
}

Json layer_args(const LayerEvent& layer) {
  Json args = {{"input", layer.input}};
  if (layer.flops > 0) {
    args["gflop"] = layer.flops / 1e9;
    args["gflops"] = layer.flops / 1e3 / microseconds(layer.begin, layer.end);
  }
  return args;
}

}  // namespace

void LayerTrace::add_part(const std::string& name, Time begin, Time end) {
  parts_.push_back({name, begin, end});
}

void LayerTrace::write(const std::filesystem::path& path, const LoadedModel& model) const {
  std::map<const torch::nn::Module*, std::string> names;
  for (const auto& item : model.model->named_modules()) names[item.value().get()] = item.key();
  const auto layers = profile_.events();
  Time start = Time::max();
  for (const auto& part : parts_) start = std::min(start, part.begin);
  for (const auto& layer : layers) start = std::min(start, layer.begin);

  auto events = Json::array();
  for (const auto& part : parts_) {
    events.push_back(event_json(part.name, "part", microseconds(start, part.begin),
                                microseconds(part.begin, part.end)));
  }
  for (const auto& layer : layers) {
    const auto found = names.find(layer.layer);
    const auto name = found == names.end() ? std::string(layer.kind) : found->second;
    auto event = event_json(name, layer.kind, microseconds(start, layer.begin),
                            microseconds(layer.begin, layer.end));
    event["args"] = layer_args(layer);
    events.push_back(std::move(event));
  }
  const Json trace = {{"displayTimeUnit", "ms"}, {"traceEvents", std::move(events)}};
  const auto text = trace.dump() + "\n";
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(text)));
  file.finish();
  file.commit();
}

}  // namespace sd
