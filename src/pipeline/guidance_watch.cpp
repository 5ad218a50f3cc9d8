#include "pipeline/guidance_watch.h"

#include <utility>

namespace sd {
namespace {

class ActsOfGuidance final : public GuidanceWatch {
 public:
  explicit ActsOfGuidance(std::shared_ptr<DrawActs> acts) : acts_(std::move(acts)) {}

  bool asks_of_concept(std::size_t edit) const override {
    return edit < acts_->concepts.size() && acts_->asks(acts_->concepts[edit]);
  }
  void concept_added(std::size_t edit, int64_t step, int64_t num_steps, double share,
                     double moved) override {
    acts_->concepts[edit].note({step, num_steps, 0, 0}, moved);
    acts_->concepts[edit].note_share(share);
  }
  bool asks_of_proximal() const override { return acts_->asks(acts_->proximal); }
  void differences_dropped(int64_t step, int64_t num_steps, double share) override {
    acts_->proximal.note({step, num_steps, 0, 0}, share);
  }

 private:
  std::shared_ptr<DrawActs> acts_;
};

}  // namespace

std::shared_ptr<GuidanceWatch> watch_of(std::shared_ptr<DrawActs> acts) {
  return std::make_shared<ActsOfGuidance>(std::move(acts));
}

}  // namespace sd
