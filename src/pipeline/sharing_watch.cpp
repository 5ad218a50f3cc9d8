#include "pipeline/sharing_watch.h"

#include <utility>
#include <vector>

namespace sd {
namespace {

class SharingWatch final : public RowSharer {
 public:
  SharingWatch(std::shared_ptr<RowSharer> sharer, std::shared_ptr<DrawActs> acts)
      : sharer_(std::move(sharer)), acts_(std::move(acts)) {}

  bool acts(const AttentionSite& site, const StepInfo& step,
            const std::vector<RowGroup>& rows) const override {
    return sharer_->acts(site, step, rows);
  }
  std::vector<SharedRow> rows(const AttentionCall& call) const override {
    return sharer_->rows(call);
  }
  std::vector<int64_t> features(int64_t output_block, const StepInfo& step,
                                const std::vector<RowGroup>& rows, int64_t count) const override {
    auto taken = sharer_->features(output_block, step, rows, count);
    if (!taken.empty()) acts_->features.note_step(step);
    return taken;
  }
  bool asks(const AttentionCall&) const override { return acts_->asks(acts_->sharing); }
  void told(const AttentionCall& call, double moved) const override {
    acts_->sharing.note(call, moved);
  }

 private:
  std::shared_ptr<RowSharer> sharer_;
  std::shared_ptr<DrawActs> acts_;
};

}  // namespace

std::shared_ptr<RowSharer> watched(std::shared_ptr<RowSharer> sharer,
                                   std::shared_ptr<DrawActs> acts) {
  return std::make_shared<SharingWatch>(std::move(sharer), std::move(acts));
}

}  // namespace sd
