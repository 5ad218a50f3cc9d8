#include "cli/draw/previews.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/shell/text_output.h"
#include "sd/core/error.h"
#include "sd/image/image.h"
#include "sd/image/resize.h"
#include "sd/pipeline/preview.h"

namespace sd::cli {

Previews::Previews(const DrawPlan& plan, const LoadedModel& model, RunWords& words)
    : plan_(plan), model_(model), words_(words) {
  if (plan.options.picture.preview) display_.emplace(plan.options.picture);
}

void Previews::begin_batch() {
  if (display_) display_->begin_batch();
}

void Previews::show(const StepReport& step) {
  if (!display_ || !words_.is_due() || !display_->wants(step.step + 1, step.num_steps)) return;
  auto pictures = preview_pictures(model_, step.x0);
  for (auto& picture : pictures) {
    picture = resize(picture, plan_.width(), plan_.height(), Filter::kBicubic);
  }
  const auto columns = static_cast<int64_t>(std::min(plan_.together, pictures.size()));
  words_.clear();
  try {
    display_->show(pictures.size() == 1 ? pictures.front() : make_grid(pictures, columns));
  } catch (const IoError& error) {
    print_message(fmt::format("{}\nNo more previews are shown.", error.what()));
    display_.reset();
  }
}

}  // namespace sd::cli
