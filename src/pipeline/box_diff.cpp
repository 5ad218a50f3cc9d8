#include "sd/pipeline/box_diff.h"

#include <ATen/ops/maximum.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/topk.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <utility>

#include "pipeline/box_mask.h"
#include "sd/core/error.h"

namespace sd {
namespace {

/// The mean of those pixels in which `shares` is largest where `mask` is 1.
torch::Tensor most_in(const torch::Tensor& shares, const torch::Tensor& mask, double part) {
  const auto count = static_cast<int64_t>(mask.sum().item<double>() * part);
  return std::get<0>((shares * mask).flatten().topk(std::max<int64_t>(count, 1))).mean();
}

/// Boxes on pixels, and where their edges are.
struct Marks {
  torch::Tensor mask, edges_x, edges_y;  // [h,w], [w], [h]

  Marks(const std::vector<ShareBox>& boxes, int64_t around, const torch::Tensor& like) {
    const int64_t height = like.size(0), width = like.size(1);
    const auto options = like.options().requires_grad(false);
    mask = at::zeros({height, width}, options);
    edges_x = at::zeros({width}, options);
    edges_y = at::zeros({height}, options);
    const auto mark = [around](torch::Tensor& edges, int64_t at) {
      const int64_t begin = std::max<int64_t>(at - around, 0);
      const int64_t end = std::min(at + around + 1, edges.size(0));
      if (begin < end) edges.narrow(0, begin, end - begin).fill_(1);
    };
    for (const auto& box : boxes) {
      const BoxSpan across(box.x0, box.x1, width), down(box.y0, box.y1, height);
      mask.narrow(0, down.begin, down.size).narrow(1, across.begin, across.size).fill_(1);
      mark(edges_x, across.begin);
      mark(edges_x, across.end());
      mark(edges_y, down.begin);
      mark(edges_y, down.end());
    }
  }
};

/// How far the projections of shares and mask on an axis are apart at the edges.
torch::Tensor apart(const torch::Tensor& shares, const torch::Tensor& mask, int64_t over,
                    const torch::Tensor& edges) {
  return ((shares.amax(over) - mask.amax(over)).abs() * edges).mean();
}

}  // namespace

BoxDiff::BoxDiff(BoxDiffOptions options)
    : RefiningGuide(options),
      words_(std::move(options.words)),
      part_(options.part),
      outside_part_(options.outside_part.value_or(options.part)),
      judges_outside_(options.judges_outside),
      around_(options.around) {
  const auto is_part = [](double part) { return part > 0 && part <= 1; };  // NaN is none
  if (!is_part(part_) || !is_part(outside_part_) || around_ < 0) {
    throw UsageError("guides: options are out of range");
  }
  for (const auto& row : words_) check_boxed_words(row);
}

const std::vector<BoxedWord>& BoxDiff::words_of(int64_t row) const {
  return words_.size() == 1 ? words_.front() : words_.at(static_cast<std::size_t>(row));
}

RefiningGuide::Loss BoxDiff::loss(const std::vector<CrossMap>& maps, int64_t row) const {
  const auto& words = words_of(row);
  std::vector<std::vector<int64_t>> positions;
  for (const auto& word : words) positions.push_back(word.positions);
  const auto shares = word_shares(maps, positions, options());
  std::vector<torch::Tensor> losses, judged;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto own = shares[static_cast<int64_t>(i)];
    const Marks marks(words[i].boxes, around_, own);
    const auto inside = (1 - most_in(own, marks.mask, part_)).clamp_min(0);
    const auto outside = most_in(own, 1 - marks.mask, outside_part_);
    judged.push_back(judges_outside_ ? at::maximum(inside, outside) : inside);
    losses.push_back(inside + outside + apart(own, marks.mask, 0, marks.edges_x) +
                     apart(own, marks.mask, 1, marks.edges_y));
  }
  return {at::stack(losses).sum(), at::stack(judged).max().item<double>()};
}

}  // namespace sd
