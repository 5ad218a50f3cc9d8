#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/attention_keys.h"
#include "kernels/attention_micro.h"

namespace sd::kernels {

/// What a call shows of its probabilities beside its output, which stays the same to the last bit.
/// They are float32 whatever q and k are. Any of the three may be asked for.
struct AttentionWatch {
  std::vector<int64_t> rows;   // of the batch, in the order in which they stand in what is written
  std::vector<int64_t> heads;  // in the order in which they stand there
  float* probabilities = nullptr;  // [rows][heads][queries][keys]
  float* head_mean = nullptr;      // [rows][queries][keys]: their mean over `heads`
  float* column_sums = nullptr;    // [rows][heads][keys]: their sums over all queries

  bool asked() const {
    return probabilities != nullptr || head_mean != nullptr || column_sums != nullptr;
  }
};

/// softmax(q kᵀ · scale) v for each row and head, or `given` v. Sums and softmax are in float32.
/// A row of logits with a NaN or +∞, or with nothing but −∞, gives NaN, as softmax is defined.
struct AttentionCall {
  const PackedKeys* keys;  // packed; what they are, float32 or bf16, q and out are too
  int64_t rows, queries;
  TokensView q{};                // not read where probabilities are given
  const float* given = nullptr;  // probabilities [rows][heads][queries][keys]
  void* out = nullptr;           // [rows][queries][heads · size]; null: only `watch` is wanted
  int64_t out_row_stride = 0;    // elements
  int64_t out_token_stride = 0;  // elements
  float scale = 1.0F;            // above 0
  bool causal = false;           // query i sees keys 0 to i
  const int64_t* key_rows = nullptr;  // whose keys and values each row reads; null: its own
  AttentionWatch watch{};             // nothing is shown of `given`
};

/// A call cut into tasks that any threads may run in any order, when the keys are packed. What a
/// query gets does not depend on other queries, on other rows or on threads.
class AttentionPlan {
 public:
  explicit AttentionPlan(AttentionCall call);
  int64_t tasks() const { return call_.rows * head_parts_ * group_parts_; }
  void run(int64_t task) const;

 private:
  struct Scratch;
  struct Group {  // of queries that a task takes at a time, of one row and head
    int64_t row, head, first, panels;
  };
  std::size_t lay_out(Scratch& scratch, std::byte* memory) const;
  void attend(const Group& group, const Scratch& scratch) const;
  void take_queries(const Group& group, const Scratch& scratch) const;
  void add_block(const Group& group, int64_t panel, int64_t block, const Scratch& scratch) const;
  void weigh(const Group& group, int64_t panel, int64_t block, float* logits,
             const Scratch& scratch) const;
  void take_given(const Group& group, int64_t panel, int64_t block, float* rows,
                  const Scratch& scratch) const;
  void write_out(const Group& group, int64_t panel, const Scratch& scratch) const;
  void show(const Group& group, int64_t panel, const Scratch& scratch) const;
  void show_mean(const Group& group, const Scratch& scratch) const;
  int64_t visible(const Group& group, int64_t panel, int64_t block) const;
  int64_t queries_of(const Group& group, int64_t panel) const;
  bool watched(const Group& group) const;
  int64_t key_row(const Group& group) const {
    return call_.key_rows != nullptr ? call_.key_rows[group.row] : group.row;
  }

  AttentionCall call_;
  const GemmMicro& product_;
  const AttentionMicro& micro_;
  int64_t width_;  // queries of a panel
  float factor_;   // of logits, to raise 2 to them
  bool shows_;
  int64_t panels_;  // of a group, but for the last
  int64_t groups_;
  int64_t head_parts_, group_parts_;             // into which tasks cut a row
  std::vector<int64_t> row_slots_, head_slots_;  // where watched ones stand; −1: nowhere
};

}  // namespace sd::kernels
