// Times convolutions layer by layer on one core: bench_kernels [ISA] [f32|bf16|int8|widened]
// [rounds]. GFLOP/s count the direct way's products, whatever the algorithm. Built on demand only.
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "kernels/convolution.h"

namespace {

using namespace sd::kernels;

double thread_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

struct Layer {
  const char* name;
  int64_t images, size, inputs, outputs, stride = 1;
  bool upsampled = false, normed = true;
};

constexpr Layer kLayers[] = {
    {"unet 64", 2, 64, 320, 320},
    {"unet 64 up", 2, 64, 960, 320},
    {"unet 32", 2, 32, 640, 640},
    {"unet 32 up", 2, 32, 1920, 640},
    {"unet 16", 2, 16, 1280, 1280},
    {"unet 16 up", 2, 16, 2560, 1280},
    {"unet 8", 2, 8, 1280, 1280},
    {"unet 8, one", 1, 8, 1280, 1280},
    {"unet in", 2, 64, 4, 320, 1, false, false},
    {"unet out", 2, 64, 320, 4},
    {"unet down", 2, 64, 320, 320, 2, false, false},
    {"unet upsample", 2, 32, 640, 640, 1, true, false},
    {"vae 64", 1, 64, 512, 512},
    {"vae 256", 1, 256, 256, 256},
    {"vae 512", 1, 512, 128, 128},
    {"vae out", 1, 512, 128, 3},
};

double seconds(const ConvPlan& plan, int rounds) {
  double best = 1e30;
  for (int round = 0; round < rounds; ++round) {
    const double begin = thread_seconds();
    for (int64_t task = 0; task < plan.tasks(); ++task) plan.run(task);
    best = std::min(best, thread_seconds() - begin);
  }
  return best;
}

void time_layer(const Layer& layer, Isa isa, Operands operands, bool bf16, int rounds) {
  const auto values = [](int64_t count) {
    std::vector<float> all(static_cast<std::size_t>(count));
    uint32_t state = 1;
    for (std::size_t i = 0; i < all.size(); ++i) {
      state = state * 1664525U + 1013904223U;
      all[i] = i < 4096 ? static_cast<float>(state >> 8U) * 0x1p-23F - 1.0F : all[i - 4096];
    }
    return all;
  };
  const auto weight_values = values(layer.outputs * layer.inputs * 9);
  const WeightView view{weight_values.data(), false, layer.outputs, layer.inputs, 9};
  PackedWeights weights(view, isa, operands);
  for (int64_t panel = 0; panel < weights.panels(); ++panel) weights.fill(view, panel);
  const int64_t pixels = layer.images * layer.size * layer.size;
  auto input = values(pixels * layer.inputs);
  if (bf16) {
    auto* to = reinterpret_cast<uint16_t*>(input.data());
    for (std::size_t i = 0; i < input.size(); ++i) {
      uint32_t bits = 0;
      std::memcpy(&bits, &input[i], 4);
      to[i] = static_cast<uint16_t>(bits >> 16U);
    }
  }
  const auto norm = values(layer.images * layer.inputs);
  ConvCall call;
  call.weights = &weights;
  call.stride = layer.stride;
  call.input = input.data();
  call.images = layer.images;
  call.height = call.width = layer.size;
  call.bf16 = bf16;
  call.upsampled = layer.upsampled;
  if (layer.normed) {
    call.scale = call.shift = norm.data();
    call.silu = true;
  }
  call.threads = 2;
  const int64_t out = conv_output_size(call, layer.size);
  std::vector<float> output(static_cast<std::size_t>(layer.images * out * out * layer.outputs));
  call.bias = norm.data();
  call.output = output.data();
  const double flops =
      2.0 * 9 * static_cast<double>(layer.images * out * out * layer.outputs * layer.inputs);
  const double fast = seconds(ConvPlan(call), rounds);
  call.exact = true;
  const double direct = std::getenv("FAST") ? 1.0 : seconds(ConvPlan(call), rounds);
  call.exact = false;
  fmt::print(
      "{:14} {:4}x{:<4} {:4}->{:<4} x{}  chosen {:7.2f} ms {:4.0f} GFLOP/s ({} tasks)   direct "
      "{:7.2f} ms {:4.0f}   ratio {:.2f}\n",
      layer.name, layer.size, layer.size, layer.inputs, layer.outputs, layer.images, 1e3 * fast,
      flops / fast * 1e-9, ConvPlan(call).tasks(), 1e3 * direct, flops / direct * 1e-9,
      direct / fast);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  Isa isa = best_isa();
  for (const auto each : compiled_isas()) {
    if (argc > 1 && name_of(each) == argv[1]) isa = each;
  }
  const std::string kind = argc > 2 ? argv[2] : "f32";
  const int rounds = argc > 3 ? std::atoi(argv[3]) : 3;
  const char* only = argc > 4 ? argv[4] : "";
  const auto operands = kind == "bf16"      ? Operands::kBf16Pairs
                        : kind == "int8"    ? Operands::kInt8Weights
                        : kind == "widened" ? Operands::kBf16Weights
                                            : Operands::kFloats;
  fmt::print("{} {}\n", name_of(isa), kind);
  for (const auto& layer : kLayers) {
    if (std::strstr(layer.name, only) != nullptr)
      time_layer(layer, isa, operands, kind == "bf16" || kind == "widened", rounds);
  }
}
