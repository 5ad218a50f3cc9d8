#include "tools/test_data/tiny_model_values.h"

#include <fmt/format.h>

#include <cmath>
#include <cstddef>
#include <fstream>
#include <functional>
#include <map>
#include <numeric>
#include <span>
#include <sstream>

#include "sd/core/error.h"
#include "sd/core/sha256.h"
#include "support/byte_writer.h"
#include "tools/test_data/torch_normal.h"
#include "weights/float_bits.h"

namespace sd::test {
namespace {

constexpr uint32_t kSeed = 7;
constexpr double kLinearStart = 0.00085, kLinearEnd = 0.0120;  // as tiny-v1.yaml says
constexpr std::size_t kTimesteps = 1000;

using Schedule = std::map<std::string, std::vector<double>>;

/// What latent diffusion registers beside its weights (Ho et al. 2020, equations 4 and 7).
Schedule make_schedule() {
  Schedule values;
  double product = 1;
  for (std::size_t i = 0; i < kTimesteps; ++i) {
    // torch.linspace counts from the nearer end.
    const double start = std::sqrt(kLinearStart), end = std::sqrt(kLinearEnd);
    const double step = (end - start) / (kTimesteps - 1);
    const double root = i < kTimesteps / 2 ? start + step * static_cast<double>(i)
                                           : end - step * static_cast<double>(kTimesteps - 1 - i);
    const double beta = root * root, alpha = 1 - beta, before = product;
    product *= alpha;
    const double rest = 1 - product, variance = beta * (1 - before) / rest;
    const auto add = [&values](const char* name, double value) { values[name].push_back(value); };
    add("betas", beta);
    add("alphas_cumprod", product);
    add("alphas_cumprod_prev", before);
    add("sqrt_alphas_cumprod", std::sqrt(product));
    add("sqrt_one_minus_alphas_cumprod", std::sqrt(rest));
    add("log_one_minus_alphas_cumprod", std::log(rest));
    add("sqrt_recip_alphas_cumprod", std::sqrt(1 / product));
    add("sqrt_recipm1_alphas_cumprod", std::sqrt(1 / product - 1));
    add("posterior_variance", variance);
    add("posterior_log_variance_clipped", std::log(std::max(variance, 1e-20)));
    add("posterior_mean_coef1", beta * std::sqrt(before) / rest);
    add("posterior_mean_coef2", (1 - before) * std::sqrt(alpha) / rest);
  }
  return values;
}

/// Weights have the variance of their inputs' number, norms lie around 1.
std::string random_bytes(const TinyTensor& tensor, std::size_t count, TorchNormal& stream) {
  ByteWriter bytes;
  const bool matrix = tensor.shape.size() > 1;
  const bool embedding = tensor.name.ends_with("_embedding.weight");
  const auto inputs =
      embedding ? 40.0 : static_cast<double>(count) / static_cast<double>(tensor.shape[0]);
  const auto divisor = static_cast<float>(std::sqrt(inputs));
  const float middle = !matrix && tensor.name.ends_with(".weight") ? 1.0f : 0.0f;
  for (const float number : stream.randn(count)) {
    const float value = matrix ? number / divisor : middle + 0.1f * number;
    bytes.u16(round_to(kBinary16, value));
  }
  return bytes.bytes();
}

std::string values_of(const TinyTensor& tensor, const Schedule& schedule, TorchNormal& stream) {
  const auto count =
      std::accumulate(tensor.shape.begin(), tensor.shape.end(), int64_t{1}, std::multiplies<>());
  if (tensor.dtype == "F16") return random_bytes(tensor, static_cast<std::size_t>(count), stream);
  ByteWriter bytes;
  if (tensor.dtype == "I64") {  // position_ids
    for (int64_t i = 0; i < count; ++i) bytes.u64(static_cast<uint64_t>(i));
  } else {
    for (const double value : schedule.at(tensor.name)) {
      bytes.u32(std::bit_cast<uint32_t>(static_cast<float>(value)));
    }
  }
  return bytes.bytes();
}

std::vector<int64_t> read_shape(const std::string& text) {
  std::vector<int64_t> shape;
  std::istringstream sizes(text);
  for (std::string size; std::getline(sizes, size, 'x');) shape.push_back(std::stoll(size));
  return shape;
}

TinyTensor read_row(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream text(line);
  for (std::string cell; std::getline(text, cell, '\t');) cells.push_back(cell);
  cells.resize(7);
  return {cells[0], cells[1], read_shape(cells[2]), cells[3],
          cells[4], cells[5], read_shape(cells[6]), {}};
}

}  // namespace

std::vector<TinyTensor> make_tiny_tensors(const std::filesystem::path& list) {
  std::ifstream file(list);
  if (!file) throw Error(fmt::format("{} cannot be read", list.string()));
  const auto schedule = make_schedule();
  TorchNormal stream(kSeed);
  std::vector<TinyTensor> tensors;
  for (std::string line; std::getline(file, line);) {
    auto tensor = read_row(line);
    tensor.bytes = values_of(tensor, schedule, stream);
    const auto found = sha256_hex(std::as_bytes(std::span(tensor.bytes))).substr(0, 16);
    if (found != tensor.hash) {
      throw Error(fmt::format("{}: the values made for {} hash to {}, not to {}", list.string(),
                              tensor.name, found, tensor.hash));
    }
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

}  // namespace sd::test
