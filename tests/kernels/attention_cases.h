// What tests of attention share: inputs of a shape, what float64 makes of them, and calls.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "kernels/attention.h"
#include "kernels/kernel_test.h"

namespace sd::kernels {

using Values = std::vector<float>;

struct AttentionShape {
  int64_t rows, queries, keys, heads, size;
};

/// q, k and v are parts of one product with columns that nobody reads behind each of them.
struct AttentionInputs {
  AttentionShape shape;
  float scale;
  bool causal = false;
  int64_t part, token, tokens;  // strides
  Values values;                // [rows][tokens][3 · part]

  explicit AttentionInputs(const AttentionShape& s, unsigned seed = 1, int64_t gap = 0)
      : shape(s),
        scale(1.0F / std::sqrt(static_cast<float>(s.size))),
        part(s.heads * s.size + gap),
        token(3 * part),
        tokens(std::max(s.queries, s.keys)),
        values(random_values(static_cast<std::size_t>(s.rows * tokens * token), seed)) {}

  /// Where a head of a token begins in q, k or v.
  std::size_t index(int64_t which, int64_t row, int64_t place, int64_t head) const {
    return static_cast<std::size_t>((row * tokens + place) * token + which * part +
                                    head * shape.size);
  }
  float* at(int64_t which, int64_t row, int64_t place, int64_t head) {
    return values.data() + index(which, row, place, head);
  }
};
constexpr int64_t kQ = 0, kK = 1, kV = 2;

/// What float64 gives: probabilities [rows][heads][queries][keys], outputs [rows][queries][heads ·
/// size], and their sums of magnitudes, of which errors are a part.
struct Reference {
  std::vector<double> probabilities, out, magnitude;

  explicit Reference(const AttentionInputs& in) {
    const auto& s = in.shape;
    out.resize(static_cast<std::size_t>(s.rows * s.queries * s.heads * s.size));
    magnitude.resize(out.size());
    for (int64_t row = 0; row < s.rows; ++row) {
      for (int64_t head = 0; head < s.heads; ++head) {
        for (int64_t query = 0; query < s.queries; ++query) add(in, row, head, query);
      }
    }
  }

 private:
  void add(const AttentionInputs& in, int64_t row, int64_t head, int64_t query) {
    const auto& s = in.shape;
    const int64_t seen = in.causal ? std::min(s.keys, query + 1) : s.keys;
    std::vector<double> logits;
    double largest = -std::numeric_limits<double>::infinity(), total = 0.0;
    const float* q = in.values.data() + in.index(kQ, row, query, head);
    const float* k = in.values.data() + in.index(kK, row, 0, head);
    const float* v = in.values.data() + in.index(kV, row, 0, head);
    for (int64_t key = 0; key < seen; ++key, k += in.token) {
      double dot = 0.0;
      for (int64_t i = 0; i < s.size; ++i) dot += static_cast<double>(q[i]) * k[i];
      logits.push_back(dot * static_cast<double>(in.scale));
      largest = std::max(largest, logits.back());
    }
    for (auto& logit : logits) total += logit = std::exp(logit - largest);
    const auto place =
        static_cast<std::size_t>(((row * s.queries + query) * s.heads + head) * s.size);
    double* sums = out.data() + place;
    double* sizes = magnitude.data() + place;
    for (int64_t key = 0; key < seen; ++key, v += in.token) {
      const double weight = logits[static_cast<std::size_t>(key)] / total;
      for (int64_t i = 0; i < s.size; ++i) {
        sums[i] += weight * v[i];
        sizes[i] += std::fabs(weight * v[i]);
      }
    }
    for (const double logit : logits) probabilities.push_back(logit / total);
    probabilities.insert(probabilities.end(), static_cast<std::size_t>(s.keys - seen), 0.0);
  }
};

/// Which kernels, and what is stored.
struct AttentionKernel {
  Isa isa;
  Operands operands;
  bool bf16;
};

inline std::vector<AttentionKernel> kernels_here() {
  std::vector<AttentionKernel> kernels;
  for (const auto isa : isas_here()) {
    kernels.push_back({isa, Operands::kFloats, false});
    kernels.push_back({isa, Operands::kFloats, true});
    if (isa == Isa::kPlain || has_bf16_units(isa)) {
      kernels.push_back({isa, Operands::kBf16Pairs, true});
    }
  }
  return kernels;
}

inline std::string kernel_name(const AttentionKernel& kernel) {
  return std::string(name_of(kernel.isa)) + (kernel.bf16 ? " bf16" : " f32") +
         (kernel.operands == Operands::kBf16Pairs ? " pairs" : "");
}

/// Inputs as a kernel stores them, keys packed, and a call that reads them.
struct AttentionTrial {
  AttentionInputs in;
  AttentionKernel kernel;
  std::vector<uint16_t> halves;
  PackedKeys keys;
  Values out_floats;
  std::vector<uint16_t> out_halves;
  AttentionCall call{};

  AttentionTrial(const AttentionInputs& inputs, const AttentionKernel& which,
                 std::byte* memory = nullptr)
      : in(inputs), kernel(which) {
    const auto& s = in.shape;
    if (kernel.bf16) {
      halves = to_bf16(in.values);
      in.values = through_bf16(in.values);
    }
    keys = PackedKeys({s.rows, s.keys, s.heads, s.size, kernel.bf16}, kernel.isa, kernel.operands,
                      memory);
    for (int64_t task = 0; task < keys.tasks(); ++task) keys.pack(task, view(kK), view(kV));
    const int64_t width = s.heads * s.size;
    take_room(s.rows * s.queries * width, -1.0F);
    call.keys = &keys;
    call.rows = s.rows;
    call.queries = s.queries;
    call.q = view(kQ);
    call.out_row_stride = s.queries * width;
    call.out_token_stride = width;
    call.scale = in.scale;
    call.causal = in.causal;
  }
  AttentionTrial(const AttentionTrial&) = delete;
  AttentionTrial& operator=(const AttentionTrial&) = delete;

  TokensView view(int64_t which) const {
    const auto* data = kernel.bf16 ? reinterpret_cast<const std::byte*>(halves.data())
                                   : reinterpret_cast<const std::byte*>(in.values.data());
    return {data + which * in.part * (kernel.bf16 ? 2 : 4), in.tokens * in.token, in.token};
  }
  /// Room for `count` outputs, which are `value` until they are written.
  void take_room(int64_t count, float value) {
    const auto size = static_cast<std::size_t>(count);
    out_floats.assign(kernel.bf16 ? 0 : size, value);
    out_halves.assign(kernel.bf16 ? size : 0, to_bf16(value));
    call.out = kernel.bf16 ? static_cast<void*>(out_halves.data()) : out_floats.data();
  }
  Values out() const {
    if (!kernel.bf16) return out_floats;
    Values values;
    for (const auto half : out_halves) values.push_back(from_bf16(half));
    return values;
  }
  Values run() {
    const AttentionPlan plan(call);
    for (int64_t task = 0; task < plan.tasks(); ++task) plan.run(task);
    return out();
  }
  /// What errors are to outputs: bf16 rounds probabilities and outputs.
  double error() const { return kernel.bf16 ? 1.0 / 128 : 1e-5; }
};

/// Calls check(trial, reference) for all kernels that this CPU runs.
template <typename Check>
void for_each_kernel(const AttentionInputs& inputs, Check check) {
  auto rounded = inputs;
  rounded.values = through_bf16(rounded.values);
  const Reference exact(inputs), of_rounded(rounded);
  for (const auto& kernel : kernels_here()) {
    SCOPED_TRACE(kernel_name(kernel));
    AttentionTrial trial(inputs, kernel);
    check(trial, kernel.bf16 ? of_rounded : exact);
  }
}

inline void expect_close(const Values& found, const std::vector<double>& expected,
                         const std::vector<double>& magnitude, double error) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double off = std::fabs(static_cast<double>(found[i]) - expected[i]);
    const bool close =
        std::isnan(expected[i]) ? std::isnan(found[i]) : off <= error * magnitude[i] + 1e-30;
    if (!close) FAIL() << "at " << i << ": " << found[i] << " for " << expected[i];
  }
}

inline void expect_same_bits(const Values& a, const Values& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::bit_cast<uint32_t>(a[i]) != std::bit_cast<uint32_t>(b[i])) {
      FAIL() << "at " << i << ": " << a[i] << " for " << b[i];
    }
  }
}

}  // namespace sd::kernels
