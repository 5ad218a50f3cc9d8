#include "nn/shared_rows.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/var_mean.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>
#include <utility>

#include "nn/kernel_attention.h"
#include "sd/core/error.h"
#include "sd/nn/attention.h"
#include "sd/nn/equal_rows.h"

namespace sd {
namespace {

using KeyList = std::vector<std::tuple<int64_t, int64_t, bool>>;  // as a row's keys, to compare

KeyList list_of(const SharedRow& row) {
  KeyList list;
  for (const auto& one : row.keys) list.emplace_back(one.keys, one.values, one.noted);
  return list;
}

/// One look at all keys, whose probabilities stay as they are.
bool is_simple(const SharedRow& row) {
  const auto& look = row.looks.front();
  return row.looks.size() == 1 && row.contrast == 1 && !look.bias.defined() &&
         !look.weights.defined() && look.weight == 1;
}

torch::Tensor on(const torch::Device& device, const torch::Tensor& x) {
  return x.defined() ? x.to(device) : x;
}

/// All rows of the batch, those that look at themselves too, with what they need on `device`.
std::vector<SharedRow> completed(const std::vector<SharedRow>& shared, int64_t count,
                                 const torch::Device& device) {
  std::vector<SharedRow> all;
  for (int64_t row = 0; row < count; ++row) all.push_back({row, row, {{row, row}}});
  for (const auto& row : shared) {
    auto& place = all.at(static_cast<std::size_t>(row.row));
    place = row;
    for (auto& look : place.looks) {
      look.bias = on(device, look.bias);
      look.weights = on(device, look.weights);
    }
  }
  return all;
}

/// x [T,C] with the mean and deviation over T that `style` has. The published code's ε.
torch::Tensor styled(const torch::Tensor& x, const torch::Tensor& style) {
  constexpr double kEps = 1e-5;
  const auto statistics = [](const torch::Tensor& of) {
    const auto [variance, mean] = at::var_mean(of, {0}, /*correction=*/1, /*keepdim=*/true);
    return std::pair((variance + kEps).sqrt(), mean);
  };
  const auto own = x.to(at::kFloat), other = style.to(at::kFloat);
  const auto [deviation, mean] = statistics(own);
  const auto [style_deviation, style_mean] = statistics(other);
  return ((own - mean) / deviation * style_deviation + style_mean).to(x.scalar_type());
}

/// x with the rows that have a style changed to it.
torch::Tensor with_styles(const torch::Tensor& x, const std::vector<SharedRow>& rows) {
  std::vector<torch::Tensor> changed;
  for (const auto& row : rows) {
    const auto own = x.select(0, row.row);
    changed.push_back(row.style ? styled(own, x.select(0, *row.style)) : own);
  }
  return at::stack(changed);
}

std::vector<int64_t> all_from_zero(const std::vector<int64_t>& rows, int64_t count) {
  if (static_cast<int64_t>(rows.size()) != count) return {};
  for (int64_t i = 0; i < count; ++i) {
    if (rows[static_cast<std::size_t>(i)] != i) return {};
  }
  return rows;
}

torch::Tensor taken(const torch::Tensor& x, const std::vector<int64_t>& rows) {
  return all_from_zero(rows, x.size(0)).empty() ? rows_at(x, rows) : x;
}

class Mixing {
 public:
  Mixing(const SharedProjections& projections, const std::vector<SharedRow>& shared)
      : rows_(completed(shared, projections.q.size(0), projections.q.device())), p_(projections) {
    const bool styles =
        std::ranges::any_of(rows_, [](const auto& row) { return row.style.has_value(); });
    if (!styles) return;
    p_.q = with_styles(p_.q, rows_);
    p_.k = with_styles(p_.k, rows_);
  }

  /// [R,T,C]
  torch::Tensor mixed() const {
    std::map<std::size_t, std::vector<const SharedRow*>> alike;  // by how many rows' keys
    std::vector<torch::Tensor> parts;
    std::vector<int64_t> order;
    for (const auto& row : rows_) {
      if (is_simple(row)) {
        alike[row.keys.size()].push_back(&row);
        continue;
      }
      parts.push_back(looked(row));
      order.push_back(row.row);
    }
    for (const auto& [count, some] : alike) {
      parts.push_back(looked_at_once(some));
      for (const auto* row : some) order.push_back(row->row);
    }
    if (parts.size() == 1) return parts.front();
    std::vector<int64_t> places(order.size());
    for (std::size_t i = 0; i < order.size(); ++i)
      places[static_cast<std::size_t>(order[i])] = static_cast<int64_t>(i);
    return taken(at::cat(parts), places);
  }

  /// [R,heads,T,K] float32, K the most keys that a row has.
  torch::Tensor probabilities() const {
    std::vector<torch::Tensor> all;
    int64_t most = 0;
    for (const auto& row : rows_) {
      all.push_back(probabilities_of(row));
      most = std::max(most, all.back().size(-1));
    }
    for (auto& probs : all) probs = at::constant_pad_nd(probs, {0, most - probs.size(-1)});
    return at::cat(all);
  }

  /// Given probabilities as those times the rows' values: [R,T,C].
  torch::Tensor weighed(const torch::Tensor& probs) const {
    std::vector<torch::Tensor> all;
    for (const auto& row : rows_) {
      const auto values = heads(values_of(row).unsqueeze(0));  // [1,heads,K,d]
      const auto own = probs.narrow(0, row.row, 1).narrow(-1, 0, values.size(2));
      all.push_back(merge_heads(at::matmul(own.to(values.scalar_type()), values)));
    }
    return at::cat(all);
  }

 private:
  torch::Tensor heads(const torch::Tensor& x) const { return split_heads(x, p_.heads); }

  /// [K,C]
  torch::Tensor joined(const SharedRow& row, bool values) const {
    std::vector<torch::Tensor> parts;
    for (const auto& one : row.keys) {
      if (one.noted && p_.noted == nullptr)
        throw UsageError("self-attention: no call has noted its keys");
      const auto& own = values ? p_.v : p_.k;
      const auto& all = !one.noted ? own : values ? p_.noted->values : p_.noted->keys;
      parts.push_back(all.select(0, values ? one.values : one.keys));
    }
    return parts.size() == 1 ? parts.front() : at::cat(parts);
  }
  torch::Tensor keys_of(const SharedRow& row) const { return joined(row, false); }
  torch::Tensor values_of(const SharedRow& row) const { return joined(row, true); }

  /// Simple rows with equally many keys: [n,T,C].
  torch::Tensor looked_at_once(const std::vector<const SharedRow*>& rows) const {
    std::map<KeyList, int64_t> places;  // of keys that are held once, whoever looks at them
    std::vector<torch::Tensor> keys, values;
    std::vector<int64_t> key_rows, queries;
    for (const auto* row : rows) {
      const auto [place, is_new] = places.try_emplace(list_of(*row), places.size());
      if (is_new) {
        keys.push_back(keys_of(*row));
        values.push_back(values_of(*row));
      }
      key_rows.push_back(place->second);
      queries.push_back(row->queries);
    }
    const auto q = taken(p_.q, queries), k = at::stack(keys), v = at::stack(values);
    if (can_attend(q)) return attend(q, hold_keys(k, v, p_.heads), key_rows);
    return merge_heads(
        fused_attention(heads(q), heads(taken(k, key_rows)), heads(taken(v, key_rows))));
  }

  torch::Tensor query_of(const SharedRow& row) const { return p_.q.narrow(0, row.queries, 1); }

  /// [1,T,C], look by look.
  torch::Tensor looked(const SharedRow& row) const {
    if (row.contrast != 1) return weighed_alone(row);
    torch::Tensor sum;
    for (const auto& look : row.looks) {
      auto found = looked(row, look).to(at::kFloat);
      found = look.weights.defined() ? found * look.weights.view({1, -1, 1}) : found * look.weight;
      sum = sum.defined() ? sum + found : found;
    }
    return sum.to(p_.q.scalar_type());
  }

  torch::Tensor looked(const SharedRow& row, const Look& look) const {
    const auto q = query_of(row);
    auto k = keys_of(row).unsqueeze(0), v = values_of(row).unsqueeze(0);
    if (!look.bias.defined()) return attention_of_projections(q, k, v, p_.heads);
    const auto seen = look.bias.isfinite();
    if (look.bias.masked_fill(~seen, 0).count_nonzero().item<int64_t>() == 0) {
      // Keys that are not seen are left out, so that no probability is made.
      const auto places = seen.nonzero().flatten();
      if (places.numel() > 0) {
        k = k.index_select(1, places);
        v = v.index_select(1, places);
      }
      return attention_of_projections(q, k, v, p_.heads);
    }
    return merge_heads(
        fused_attention_with_bias(heads(q), heads(k), heads(v), look.bias.view({1, 1, 1, -1})));
  }

  /// As looked, some queries at a time, since their probabilities are made.
  torch::Tensor weighed_alone(const SharedRow& row) const {
    constexpr int64_t kMostProbabilities = int64_t{1} << 24;
    const auto values = heads(values_of(row).unsqueeze(0));
    const int64_t queries = p_.q.size(1);
    const int64_t some = std::max<int64_t>(1, kMostProbabilities / (p_.heads * values.size(2)));
    std::vector<torch::Tensor> parts;
    for (int64_t first = 0; first < queries; first += some) {
      const auto probs = probabilities_of(row, first, std::min(some, queries - first));
      parts.push_back(merge_heads(at::matmul(probs.to(values.scalar_type()), values)));
    }
    return parts.size() == 1 ? parts.front() : at::cat(parts, 1);
  }

  torch::Tensor probabilities_of(const SharedRow& row) const {
    return probabilities_of(row, 0, p_.q.size(1));
  }
  /// Of `count` queries from `first` on: [1,heads,count,K] float32.
  torch::Tensor probabilities_of(const SharedRow& row, int64_t first, int64_t count) const {
    const auto queries = query_of(row).narrow(1, first, count);
    const auto logits = attention_logits(heads(queries), heads(keys_of(row).unsqueeze(0)));
    const auto keys = logits.size(-1);
    torch::Tensor sum;
    for (const auto& look : row.looks) {
      const bool biased = look.bias.defined() && !look.bias.isinf().all().item<bool>();
      auto probs = at::softmax(biased ? logits + look.bias : logits, -1);
      if (row.contrast != 1) {
        const double mean = 1.0 / static_cast<double>(keys);
        probs = ((probs - mean) * row.contrast + mean).clamp(0, 1);
      }
      probs = look.weights.defined()
                  ? probs * look.weights.narrow(0, first, count).view({1, 1, -1, 1})
                  : probs * look.weight;
      sum = sum.defined() ? sum + probs : probs;
    }
    return sum;
  }

  std::vector<SharedRow> rows_;
  SharedProjections p_;
};

void show(AttentionController& controller, const AttentionCall& call, const torch::Tensor& probs) {
  for (const auto& group : call.rows) {
    if (!controller.observes(group, call)) continue;
    controller.observe(probs.narrow(0, group.begin, group.count), group, call);
  }
}

}  // namespace

torch::Tensor attention_of_rows(const SharedProjections& projections,
                                const std::vector<SharedRow>& shared,
                                AttentionController* controller, const AttentionCall& call) {
  const Mixing mixing(projections, shared);
  const auto use = controller != nullptr ? controller->use(call) : AttentionUse::kNone;
  if (use == AttentionUse::kChange) {
    return mixing.weighed(controller->apply(mixing.probabilities(), call));
  }
  if (use == AttentionUse::kObserve) show(*controller, call, mixing.probabilities());
  return mixing.mixed();
}

double moved_by_sharing(const SharedProjections& projections, const std::vector<SharedRow>& shared,
                        const torch::Tensor& found) {
  std::vector<int64_t> named;
  for (const auto& row : shared) named.push_back(row.row);
  if (named.empty()) return 0;
  const auto of_named = [&](const torch::Tensor& x) { return rows_at(x, named).to(at::kFloat); };
  const auto with = of_named(found.defined() ? found : Mixing(projections, shared).mixed());
  const auto alone = of_named(Mixing(projections, {}).mixed());
  const auto length = alone.norm().item<double>();
  return length == 0 ? 0 : (with - alone).norm().item<double>() / length;
}

}  // namespace sd
