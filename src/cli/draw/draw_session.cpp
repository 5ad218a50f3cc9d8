#include "cli/draw/draw.h"
#include "cli/draw/draw_run.h"
#include "cli/draw/kept_model.h"

namespace sd::cli {

struct DrawSession::State {
  KeptModel model;
};

DrawSession::DrawSession() : state_(std::make_unique<State>()) {}
DrawSession::~DrawSession() = default;

ExitCode DrawSession::draw(const DrawOptions& options, DrawOutcome& outcome) {
  return DrawRun(options, state_->model, outcome).run();
}

ExitCode DrawSession::draw_cells(const GridCells& cells, std::vector<DrawOutcome>& outcomes) {
  return DrawRun(cells, state_->model, outcomes).run();
}

ExitCode run_draw(const DrawOptions& options) {
  DrawOutcome outcome;
  return DrawSession().draw(options, outcome);
}

}  // namespace sd::cli
