#include "kernels/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/rounding.h"
#include "kernels/scratch.h"

namespace sd::kernels {
namespace {

// So many queries share what is read of keys and values. Where logits of all keys are kept to be
// shown, they are not to grow beyond a share of the second cache's larger neighbour.
constexpr int64_t kGroupQueries = 128, kMostKept = 4 << 20;

/// Where listed ones stand in their list; −1 for others.
std::vector<int64_t> slots_of(const std::vector<int64_t>& listed, int64_t count, bool asked) {
  std::vector<int64_t> slots(static_cast<std::size_t>(count), -1);
  for (std::size_t i = 0; asked && i < listed.size(); ++i) {
    slots.at(static_cast<std::size_t>(listed[i])) = static_cast<int64_t>(i);
  }
  return slots;
}

/// sums [rows][micro.columns] = A B, in tiles of rows as even as they can be.
void multiply_by_panel(const GemmMicro& micro, const std::byte* a, int64_t a_stride, int64_t rows,
                       int64_t depth, const void* b, float* sums) {
  const int64_t tiles = divided_up(rows, micro.rows);
  TileCall call{a, a_stride, nullptr, 1, depth, b, sums, micro.columns, false};
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t count = rows / tiles + (tile < rows % tiles ? 1 : 0);
    micro.multiply[static_cast<std::size_t>(count)](call);
    call.a = static_cast<const std::byte*>(call.a) + count * a_stride;
    call.c += count * micro.columns;
  }
}

}  // namespace

/// A task's memory. Panels are [..][width].
struct AttentionPlan::Scratch {
  std::byte* queries;  // [panels][size][width], pairs of bf16 side by side
  float* sums;         // [panels][size + 1][width]: of probabilities by values, and their own
  float* part;         // [size + 1][width]: the same of one block
  float* logits;       // of a block and panel [keys][width]; of all of them where they are shown
  std::byte* pairs;    // probabilities of a block in bf16; where the logits are if nothing is shown
  float* shifts;       // [panels][blocks + 1][width]: the last one is the newest
  float* decay;        // [width]
  float* factors;      // [width]
  float* totals;       // [width]
  float* mean;         // [panels][keys][width]: sums over heads
};

AttentionPlan::AttentionPlan(AttentionCall call)
    : call_(std::move(call)),
      product_(gemm_micro(call_.keys->isa(), call_.keys->operands() == Operands::kBf16Pairs
                                                 ? Operands::kBf16Pairs
                                                 : Operands::kFloats)),
      micro_(attention_micro(call_.keys->isa(), call_.keys->operands())),
      width_(micro_.width),
      factor_(call_.scale * 1.44269504088896341F),  // log2 e
      shows_(call_.watch.asked() && call_.given == nullptr) {
  const auto& shape = call_.keys->shape();
  const int64_t kept = shape.keys * kGroupQueries * 4;
  panels_ = shows_ && kept > kMostKept ? 1 : kGroupQueries / width_;
  panels_ = std::min(panels_, std::max<int64_t>(1, divided_up(call_.queries, width_)));
  groups_ = divided_up(call_.queries, panels_ * width_);
  // What is summed over heads or queries is summed by one task, in their order.
  head_parts_ = shows_ && call_.watch.head_mean != nullptr ? 1 : shape.heads;
  group_parts_ =
      shows_ && call_.watch.column_sums != nullptr ? std::min<int64_t>(1, groups_) : groups_;
  row_slots_ = slots_of(call_.watch.rows, call_.rows, shows_);
  head_slots_ = slots_of(call_.watch.heads, shape.heads, shows_);
}

std::size_t AttentionPlan::lay_out(Scratch& scratch, std::byte* memory) const {
  const auto& keys = *call_.keys;
  const bool pairs = keys.operands() == Operands::kBf16Pairs;
  std::size_t taken = 0;
  const auto take = [&](int64_t count) {
    std::byte* const place = memory != nullptr ? memory + taken : nullptr;
    taken += static_cast<std::size_t>(divided_up(count * 4, 64) * 64);
    return place;
  };
  const auto floats = [&](int64_t rows) { return reinterpret_cast<float*>(take(rows * width_)); };
  const int64_t block = keys.block_keys(), sums = keys.shape().size + 1;
  scratch.queries = take(panels_ * keys.size_steps() * width_);
  scratch.sums = floats(panels_ * sums);
  scratch.part = floats(sums);
  scratch.logits = floats(shows_ ? panels_ * keys.blocks() * block : block);
  scratch.pairs =
      pairs && shows_ ? take(block / 2 * width_) : reinterpret_cast<std::byte*>(scratch.logits);
  scratch.shifts = floats(panels_ * (keys.blocks() + 1));
  scratch.decay = floats(1);
  scratch.factors = floats(1);
  scratch.totals = floats(1);
  const bool mean = shows_ && call_.watch.head_mean != nullptr;
  scratch.mean = floats(mean ? panels_ * keys.shape().keys : 0);
  return taken;
}

void AttentionPlan::run(int64_t task) const {
  Scratch scratch{};
  const std::size_t bytes = lay_out(scratch, nullptr);
  lay_out(scratch, thread_scratch(bytes));
  const auto& shape = call_.keys->shape();
  const int64_t heads = shape.heads / head_parts_, groups = groups_ / group_parts_;
  // Neighbouring tasks share keys.
  const int64_t first_group = task % group_parts_ * groups;
  const int64_t first_head = task / group_parts_ % head_parts_ * heads;
  const int64_t row = task / group_parts_ / head_parts_;
  for (int64_t at = first_group; at < first_group + groups; ++at) {
    const int64_t first = at * panels_ * width_;
    const int64_t panels = std::min(panels_, divided_up(call_.queries - first, width_));
    const bool mean =
        call_.watch.head_mean != nullptr && row_slots_[static_cast<std::size_t>(row)] >= 0;
    if (mean) std::fill_n(scratch.mean, panels * shape.keys * width_, 0.0F);
    for (int64_t head = first_head; head < first_head + heads; ++head) {
      attend({row, head, first, panels}, scratch);
    }
    if (mean) show_mean({row, 0, first, panels}, scratch);
  }
}

void AttentionPlan::attend(const Group& group, const Scratch& scratch) const {
  if (call_.given == nullptr) take_queries(group, scratch);
  for (int64_t block = 0; block < call_.keys->blocks(); ++block) {
    for (int64_t panel = 0; panel < group.panels; ++panel) add_block(group, panel, block, scratch);
  }
  for (int64_t panel = 0; panel < group.panels; ++panel) {
    if (call_.out != nullptr) write_out(group, panel, scratch);
    if (watched(group)) show(group, panel, scratch);
  }
}

int64_t AttentionPlan::queries_of(const Group& group, int64_t panel) const {
  return std::min(width_, call_.queries - group.first - panel * width_);
}

int64_t AttentionPlan::visible(const Group& group, int64_t panel, int64_t block) const {
  const int64_t keys = call_.keys->keys_of(block);
  if (!call_.causal) return keys;
  const int64_t last = group.first + (panel + 1) * width_ - 1;
  return std::clamp<int64_t>(last + 1 - block * call_.keys->block_keys(), 0, keys);
}

bool AttentionPlan::watched(const Group& group) const {
  return row_slots_[static_cast<std::size_t>(group.row)] >= 0 &&
         head_slots_[static_cast<std::size_t>(group.head)] >= 0;
}

/// Queries become columns of panels; those that fill up the last one are zeros.
void AttentionPlan::take_queries(const Group& group, const Scratch& scratch) const {
  const auto& keys = *call_.keys;
  const auto& shape = keys.shape();
  const bool pairs = keys.operands() == Operands::kBf16Pairs;
  const int64_t bytes = shape.bf16 ? 2 : 4;
  const int64_t panel_bytes = keys.size_steps() * width_ * 4;
  for (int64_t panel = 0; panel < group.panels; ++panel) {
    const int64_t first = group.first + panel * width_, count = queries_of(group, panel);
    const auto* from =
        static_cast<const std::byte*>(call_.q.data) +
        (group.row * call_.q.row_stride + first * call_.q.token_stride + group.head * shape.size) *
            bytes;
    std::byte* to = scratch.queries + panel * panel_bytes;
    if (count < width_) std::memset(to, 0, static_cast<std::size_t>(panel_bytes));
    if (!pairs) {
      const auto transpose =
          shape.bf16 ? micro_.bf16_as_floats_transposed : micro_.floats_transposed;
      transpose({from, call_.q.token_stride, count, shape.size, to, width_});
      continue;
    }
    // Pairs are moved as words. Where they do not lie at words, rows are copied there first.
    int64_t stride = call_.q.token_stride / 2;
    const auto address = reinterpret_cast<std::uintptr_t>(from);
    if (address % 4 != 0 || call_.q.token_stride % 2 != 0 || shape.size % 2 != 0) {
      stride = keys.size_steps();
      std::fill_n(scratch.part, count * stride, 0.0F);
      for (int64_t i = 0; i < count; ++i) {
        std::memcpy(scratch.part + i * stride, from + i * call_.q.token_stride * 2,
                    static_cast<std::size_t>(shape.size * 2));
      }
      from = reinterpret_cast<const std::byte*>(scratch.part);
    }
    micro_.floats_transposed({from, stride, count, keys.size_steps(), to, width_});
  }
}

/// One block of keys of one panel: its logits, their exponentials, and their products with values.
void AttentionPlan::add_block(const Group& group, int64_t panel, int64_t block,
                              const Scratch& scratch) const {
  const auto& keys = *call_.keys;
  const int64_t count = visible(group, panel, block);
  if (count == 0) return;
  const int64_t slot = shows_ ? panel * keys.blocks() + block : 0;
  float* rows = scratch.logits + slot * keys.block_keys() * width_;
  if (call_.given != nullptr) {
    take_given(group, panel, block, rows, scratch);
  } else {
    weigh(group, panel, block, rows, scratch);
  }
  if (call_.out == nullptr) return;
  const bool pairs = keys.operands() == Operands::kBf16Pairs;
  const int64_t sums = keys.shape().size + 1;
  float* whole = scratch.sums + panel * sums * width_;
  multiply_by_panel(product_, keys.values_at(key_row(group), group.head, block),
                    keys.value_stride(), sums, keys.key_steps(count),
                    pairs ? static_cast<const void*>(scratch.pairs) : rows,
                    block == 0 ? whole : scratch.part);
  if (block > 0) micro_.folded(whole, scratch.decay, scratch.part, sums);
}

/// Logits of a block and what becomes of them: probabilities but for a factor of each query.
void AttentionPlan::weigh(const Group& group, int64_t panel, int64_t block, float* logits,
                          const Scratch& scratch) const {
  const auto& keys = *call_.keys;
  const int64_t count = visible(group, panel, block);
  const int64_t first_key = block * keys.block_keys(), first = group.first + panel * width_;
  multiply_by_panel(product_, keys.keys_at(key_row(group), group.head, block), keys.key_stride(),
                    count, keys.size_steps(),
                    scratch.queries + panel * keys.size_steps() * width_ * 4, logits);
  for (int64_t key = 0; call_.causal && key < count; ++key) {
    const int64_t hidden = std::clamp<int64_t>(first_key + key - first, 0, width_);
    std::fill_n(logits + key * width_, hidden, -std::numeric_limits<float>::infinity());
  }
  float* shifts = scratch.shifts + panel * (keys.blocks() + 1) * width_;
  float* newest = shifts + keys.blocks() * width_;
  // Above −∞, from which −∞ could not be taken.
  if (block == 0) std::fill_n(newest, width_, std::numeric_limits<float>::lowest());
  const bool keep = static_cast<void*>(scratch.pairs) != scratch.logits;
  const ExponentialsCall call{logits, count, factor_, newest, scratch.decay, scratch.pairs, keep};
  (keys.operands() == Operands::kBf16Pairs ? micro_.exponential_pairs : micro_.exponentials)(call);
  std::copy_n(newest, width_, shifts + block * width_);
}

void AttentionPlan::take_given(const Group& group, int64_t panel, int64_t block, float* rows,
                               const Scratch& scratch) const {
  const auto& keys = *call_.keys;
  const auto& shape = keys.shape();
  const int64_t count = keys.keys_of(block), queries = queries_of(group, panel);
  const int64_t query =
      (group.row * shape.heads + group.head) * call_.queries + group.first + panel * width_;
  if (queries < width_) std::fill_n(rows, count * width_, 0.0F);
  micro_.floats_transposed({call_.given + query * shape.keys + block * keys.block_keys(),
                            shape.keys, queries, count, rows, width_});
  std::fill_n(scratch.decay, width_, 1.0F);
  if (keys.operands() == Operands::kBf16Pairs) micro_.paired(rows, count, scratch.pairs);
}

void AttentionPlan::write_out(const Group& group, int64_t panel, const Scratch& scratch) const {
  const auto& shape = call_.keys->shape();
  const float* sums = scratch.sums + panel * (shape.size + 1) * width_;
  const int64_t bytes = shape.bf16 ? 2 : 4, query = group.first + panel * width_;
  auto* to = static_cast<std::byte*>(call_.out) +
             (group.row * call_.out_row_stride + query * call_.out_token_stride +
              group.head * shape.size) *
                 bytes;
  TransposeCall call{
      sums, width_, shape.size, queries_of(group, panel), to, call_.out_token_stride};
  if (call_.given == nullptr) {
    const float* weights = sums + shape.size * width_;
    for (int64_t i = 0; i < width_; ++i) scratch.factors[i] = 1.0F / weights[i];
    call.factors = scratch.factors;
  }
  (shape.bf16 ? micro_.floats_as_bf16_transposed : micro_.floats_transposed)(call);
}

/// Probabilities that were kept get their factors, and go to where they are watched.
void AttentionPlan::show(const Group& group, int64_t panel, const Scratch& scratch) const {
  const auto& keys = *call_.keys;
  const auto& watch = call_.watch;
  const int64_t blocks = keys.blocks(), queries = queries_of(group, panel);
  const int64_t all_keys = keys.shape().keys, query = group.first + panel * width_;
  const float* shifts = scratch.shifts + panel * (blocks + 1) * width_;
  const float* rows = scratch.logits + panel * blocks * keys.block_keys() * width_;
  const auto decay_of = [&](int64_t block, int64_t i) {
    return std::exp2(shifts[block * width_ + i] - shifts[blocks * width_ + i]);
  };
  std::fill_n(scratch.totals, width_, 0.0F);
  for (int64_t block = 0; block < blocks; ++block) {
    const int64_t count = visible(group, panel, block);
    if (count == 0) break;
    for (int64_t i = 0; i < width_; ++i) scratch.factors[i] = decay_of(block, i);
    micro_.rows_summed(scratch.totals, scratch.factors, rows + block * keys.block_keys() * width_,
                       count);
  }
  const int64_t slot =
      row_slots_[static_cast<std::size_t>(group.row)] * static_cast<int64_t>(watch.heads.size()) +
      head_slots_[static_cast<std::size_t>(group.head)];
  for (int64_t block = 0; block < blocks; ++block, rows += keys.block_keys() * width_) {
    const int64_t count = visible(group, panel, block), first = block * keys.block_keys();
    float* to = watch.probabilities == nullptr
                    ? nullptr
                    : watch.probabilities + (slot * call_.queries + query) * all_keys + first;
    for (int64_t i = 0; to != nullptr && i < queries; ++i) {
      std::fill_n(to + i * all_keys + count, keys.keys_of(block) - count, 0.0F);
    }
    if (count == 0) continue;
    for (int64_t i = 0; i < width_; ++i) {
      scratch.factors[i] = i < queries ? decay_of(block, i) / scratch.totals[i] : 0.0F;
    }
    if (to != nullptr) {
      micro_.floats_transposed({rows, width_, count, queries, to, all_keys, scratch.factors});
    }
    if (watch.head_mean != nullptr) {
      micro_.added(scratch.mean + (panel * all_keys + first) * width_, scratch.factors, rows,
                   count);
    }
    if (watch.column_sums != nullptr) {
      float* sums = watch.column_sums + slot * all_keys + first;
      if (query == 0) std::fill_n(sums, keys.keys_of(block), 0.0F);
      micro_.columns_summed(sums, scratch.factors, rows, count);
    }
  }
}

void AttentionPlan::show_mean(const Group& group, const Scratch& scratch) const {
  const int64_t all_keys = call_.keys->shape().keys;
  std::fill_n(scratch.factors, width_, 1.0F / static_cast<float>(call_.watch.heads.size()));
  for (int64_t panel = 0; panel < group.panels; ++panel) {
    const int64_t query = row_slots_[static_cast<std::size_t>(group.row)] * call_.queries +
                          group.first + panel * width_;
    micro_.floats_transposed({scratch.mean + panel * all_keys * width_, width_, all_keys,
                              queries_of(group, panel), call_.watch.head_mean + query * all_keys,
                              all_keys, scratch.factors});
  }
}

}  // namespace sd::kernels
