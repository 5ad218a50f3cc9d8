#include "pipeline/recorded_unet.h"

#include <ATen/ops/empty_like.h>

#include <utility>

#include "nn/gpu.h"
#include "sd/models/unet.h"
#include "sd/nn/forward_edits.h"

namespace sd {
namespace {

// Rows of two pictures of 1024×1024 with guidance; of more, starting kernels is not what takes
// time, and the graph's memory would be large.
constexpr int64_t kMostPixels = 4 * 128 * 128;
// Each holds the memory of an evaluation: guidance on and off, under an edit and without.
constexpr std::size_t kMostRecordings = 4;

bool equal_kind(const torch::Tensor& a, const torch::Tensor& b) {
  return a.sizes() == b.sizes() && a.scalar_type() == b.scalar_type();
}

bool equal_shares(const std::optional<ColumnEdit>& a, const ColumnEdit* b) {
  return a.has_value() == (b != nullptr) && (b == nullptr || a->shares == b->shares);
}

}  // namespace

bool RecordedUNet::is_alike(const torch::Tensor& x, const ForwardContext& run) const {
  const bool plain = run.edits == nullptr || run.edits->leaves_layers_alone();
  return plain && gpu::takes_half(x) && run.controller == nullptr && run.features == nullptr &&
         run.images == nullptr && run.residuals == nullptr && run.token_merging == 0 &&
         run.same_as.empty() && run.prompt != nullptr && run.times != nullptr &&
         run.time_row.has_value() && x.size(0) * x.size(2) * x.size(3) <= kMostPixels;
}

RecordedUNet::Recording* RecordedUNet::find(const torch::Tensor& x, const torch::Tensor& context,
                                            const ColumnEdit* columns) {
  for (auto at = recordings_.begin(); at != recordings_.end(); ++at) {
    if (!equal_kind(at->x, x) || !equal_kind(at->context, context) ||
        !equal_shares(at->columns, columns)) {
      continue;
    }
    recordings_.splice(recordings_.begin(), recordings_, at);
    return &recordings_.front();
  }
  return nullptr;
}

void RecordedUNet::record(Recording& recording, const torch::Tensor& t, const ForwardContext& run) {
  recording.times = run.times->one_row();
  ForwardContext alike;
  alike.prompt = &recording.prompt;
  alike.times = &*recording.times;
  alike.time_row = 0;
  if (recording.columns) alike.columns = &*recording.columns;
  const auto evaluate = [&unet = unet_, &recording, alike, t] {
    return unet.forward(recording.x, t, recording.context, alike);
  };
  const auto* backend = gpu::backend_of(recording.x);
  const int device = recording.x.is_cpu() ? 0 : recording.x.get_device();
  const auto evaluate_anew = [&recording, evaluate] {
    recording.prompt = PromptCache();
    recording.first_out = evaluate();
  };
  recording.first = backend->record(device, evaluate_anew, nullptr);
  recording.later = backend->record(
      device, [&recording, evaluate] { recording.later_out = evaluate(); }, recording.first.get());
}

torch::Tensor RecordedUNet::forward(const torch::Tensor& x, const torch::Tensor& t,
                                    const torch::Tensor& context, const ForwardContext& run) {
  if (!is_alike(x, run)) return unet_.forward(x, t, context, run);
  auto* recording = find(x, context, run.columns);
  if (recording == nullptr) {
    // What is set up once, by the first evaluation of this size, must not happen in a recording.
    auto predicted = unet_.forward(x, t, context, run);
    Recording made{.x = at::empty_like(x, at::MemoryFormat::Contiguous),
                   .context = at::empty_like(context, at::MemoryFormat::Contiguous),
                   .shown = {},
                   .prepared = std::this_thread::get_id()};
    if (run.columns != nullptr) {
      made.columns = {run.columns->shares, at::empty_like(run.columns->matrices)};
    }
    recordings_.push_front(std::move(made));
    if (recordings_.size() > kMostRecordings) recordings_.pop_back();
    return predicted;
  }
  if (!run.times->is_filled()) {
    const auto condition = run.edits != nullptr ? run.edits->time_condition : torch::Tensor();
    unet_.fill(*run.times, t, context.scalar_type(), condition);
  }
  if (recording->first == nullptr) {
    if (std::exchange(recording->prepared, std::this_thread::get_id()) !=
        std::this_thread::get_id()) {
      return unet_.forward(x, t, context, run);
    }
    record(*recording, t, run);
  }
  recording->x.copy_(x);
  recording->times->set_row(*run.times, *run.time_row);
  if (show(*recording, context, run.columns)) {
    recording->first->replay();
    return recording->first_out.clone();
  }
  recording->later->replay();
  return recording->later_out.clone();
}

bool RecordedUNet::show(Recording& recording, const torch::Tensor& context,
                        const ColumnEdit* columns) {
  const bool other_prompt = !recording.shown.is_same(context);
  const bool other_edit =
      columns != nullptr && !recording.shown_matrices.is_same(columns->matrices);
  if (other_prompt) recording.context.copy_(recording.shown = context);
  if (other_edit) recording.columns->matrices.copy_(recording.shown_matrices = columns->matrices);
  return other_prompt || other_edit;
}

}  // namespace sd
