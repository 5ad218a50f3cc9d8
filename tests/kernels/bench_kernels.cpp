// Times the convolutions of the UNet and the autoencoder, layer by layer, beside the direct way:
//   bench_kernels [ISA] [f32|bf16|int8|widened] [ROUNDS] [LAYER] [THREADS]
// Times are CPU time of a thread, the best round's; GFLOP/s are a core's and count the direct way's
// products, whatever the algorithm.
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "kernels/convolution.h"

namespace {

using namespace sd::kernels;

struct Layer {
  std::string name;
  int64_t images, size, inputs, outputs, stride = 1;
  bool upsampled = false, normed = true;
};

const std::vector<Layer> kLayers = {
    {"unet 64", 2, 64, 320, 320},
    {"unet 64 up", 2, 64, 960, 320},
    {"unet 32", 2, 32, 640, 640},
    {"unet 32 up", 2, 32, 1920, 640},
    {"unet 16", 2, 16, 1280, 1280},
    {"unet 16 up", 2, 16, 2560, 1280},
    {"unet 8", 2, 8, 1280, 1280},
    {"unet 8 up", 2, 8, 2560, 1280},
    {"unet 8 alone", 1, 8, 1280, 1280},
    {"unet in", 2, 64, 4, 320, 1, false, false},
    {"unet out", 2, 64, 320, 4},
    {"unet down", 2, 64, 320, 320, 2, false, false},
    {"unet upsample", 2, 32, 640, 640, 1, true, false},
    {"vae 64", 1, 64, 512, 512},
    {"vae 128", 1, 128, 512, 512},
    {"vae 256", 1, 256, 256, 256},
    {"vae 512", 1, 512, 128, 128},
    {"vae in", 1, 512, 3, 128, 1, false, false},
    {"vae out", 1, 512, 128, 3},
};

double thread_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// CPU seconds of all threads.
double round_seconds(const ConvPlan& plan, int threads) {
  std::atomic<int64_t> next{0};
  std::vector<double> each(static_cast<std::size_t>(threads), 0.0);
  const auto work = [&](int thread) {
    int64_t task = next++;
    if (task < plan.tasks()) plan.run(task);  // the first finds its memory
    const double begin = thread_seconds();
    for (task = next++; task < plan.tasks(); task = next++) plan.run(task);
    each[static_cast<std::size_t>(thread)] = thread_seconds() - begin;
  };
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back(work, i);
  work(0);
  for (auto& other : others) other.join();
  double sum = 0.0;
  for (const double s : each) sum += s;
  // The first task of each thread was not timed.
  const auto timed = static_cast<double>(std::max<int64_t>(1, plan.tasks() - threads));
  return sum * static_cast<double>(plan.tasks()) / timed;
}

double seconds(const ConvPlan& plan, int rounds, int threads) {
  double best = round_seconds(plan, threads);
  for (int i = 1; i < rounds; ++i) best = std::min(best, round_seconds(plan, threads));
  return best;
}

std::vector<float> some_values(int64_t count) {
  std::vector<float> all(static_cast<std::size_t>(count));
  uint32_t state = 1;
  for (std::size_t i = 0; i < all.size(); ++i) {
    state = state * 1664525U + 1013904223U;
    all[i] = i < 4096 ? static_cast<float>(state >> 8U) * 0x1p-23F - 1.0F : all[i - 4096];
  }
  return all;
}

struct Settings {
  Isa isa = best_isa();
  Operands operands = Operands::kFloats;
  bool bf16 = false;
  int rounds = 3, threads = 1;
};

void time_layer(const Layer& layer, const Settings& settings) {
  const auto weight_values = some_values(layer.outputs * layer.inputs * 9);
  const WeightView view{weight_values.data(), false, layer.outputs, layer.inputs, 9};
  PackedWeights weights(view, settings.isa, settings.operands);
  for (int64_t panel = 0; panel < weights.panels(); ++panel) weights.fill(view, panel);
  auto input = some_values(layer.images * layer.size * layer.size * layer.inputs);
  if (settings.bf16) {
    auto* halves = reinterpret_cast<uint16_t*>(input.data());
    for (std::size_t i = 0; i < 2 * input.size(); ++i) {
      halves[i] = static_cast<uint16_t>(0x3f00U + i % 256U);
    }
  }
  const auto norm = some_values(layer.images * layer.inputs);
  ConvCall call;
  call.weights = &weights;
  call.stride = layer.stride;
  call.input = input.data();
  call.images = layer.images;
  call.height = call.width = layer.size;
  call.bf16 = settings.bf16;
  call.upsampled = layer.upsampled;
  call.silu = layer.normed;
  if (layer.normed) call.scale = call.shift = norm.data();
  call.threads = std::max(2, settings.threads);
  const int64_t size = conv_output_height(call);
  const int64_t outputs = layer.images * size * size * layer.outputs;
  std::vector<float> output(static_cast<std::size_t>(outputs));
  call.output = output.data();
  const double work = 18e-9 * static_cast<double>(outputs * layer.inputs);
  const ConvPlan chosen(call), direct(call, ConvAlgorithm::kDirect);
  const double t = seconds(chosen, settings.rounds, settings.threads);
  const double t_direct = seconds(direct, settings.rounds, settings.threads);
  fmt::print(
      "{:14} {:3}² {:4} → {:4} × {}  {} {:7.2f} ms {:4.0f} GFLOP/s, {:3} tasks; direct {:7.2f} ms "
      "{:4.0f} GFLOP/s; {:.2f}\n",
      layer.name, layer.size, layer.inputs, layer.outputs, layer.images,
      chosen.algorithm() == ConvAlgorithm::kDirect ? "direct  " : "winograd", 1e3 * t, work / t,
      chosen.tasks(), 1e3 * t_direct, work / t_direct, t_direct / t);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const auto argument = [&](int i) { return std::string(argc > i ? argv[i] : ""); };
  Settings settings;
  for (const auto isa : compiled_isas()) {
    if (name_of(isa) == argument(1)) settings.isa = isa;
  }
  const auto kind = argument(2);
  settings.bf16 = kind == "bf16" || kind == "widened";
  if (kind == "bf16") settings.operands = Operands::kBf16Pairs;
  if (kind == "int8") settings.operands = Operands::kInt8Weights;
  if (kind == "widened") settings.operands = Operands::kBf16Weights;
  if (argc > 3) settings.rounds = std::atoi(argv[3]);
  if (argc > 5) settings.threads = std::atoi(argv[5]);
  for (const auto& layer : kLayers) {
    if (argument(4).empty() || layer.name == argument(4)) time_layer(layer, settings);
  }
}
