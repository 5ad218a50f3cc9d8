#pragma once

#include <torch/types.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/draw/attn_run.h"
#include "cli/draw/draw_controls.h"
#include "cli/draw/input_picture.h"
#include "cli/draw/kept_model.h"
#include "cli/draw/preview_display.h"
#include "cli/draw/start_latents.h"
#include "cli/engine/engine.h"
#include "cli/options/attn_words.h"
#include "cli/options/draw_options.h"
#include "cli/plan/control_words.h"
#include "cli/plan/prompt_list.h"
#include "cli/record/output_folder.h"
#include "cli/record/picture_record.h"
#include "cli/shell/progress_line.h"
#include "cli/shell/text_output.h"
#include "cli/shell/time_notice.h"
#include "sd/core/error.h"
#include "sd/image/label.h"
#include "sd/pipeline/draw.h"
#include "sd/pipeline/load.h"
#include "sd/pipeline/run_noise.h"
#include "sd/pipeline/sample_noise.h"

namespace sd::cli {

/// One call of a drawing command: prompts in, pictures out, in batches as the original scripts form
/// them.
class DrawRun {
 public:
  /// Takes its model from `kept`, or puts it there, and tells of its pictures in `outcome`; both
  /// must outlive it.
  DrawRun(const DrawOptions& options, KeptModel& kept, DrawOutcome& outcome);
  /// The same for cells of a grid, as many at a time as the memory for a usual batch allows.
  DrawRun(const GridCells& cells, KeptModel& kept, std::vector<DrawOutcome>& outcomes);

  /// Returns the exit code; throws what ends the run early. Finished pictures stay in either case.
  ExitCode run();

 private:
  /// Prompts [first, first + size) of the list, in iteration `iteration`.
  struct Batch {
    int64_t number = 0;
    int64_t iteration = 0;
    std::size_t first = 0;
    std::size_t size = 0;
    int64_t first_sample = 0;  // in the whole run
    std::size_t offset = 0;    // of the first sample among those drawn at a time
  };

  void prepare();
  void read_cells();
  void check_cells();
  void find_weights();
  void settle_size(int64_t model_side);
  void read_prompts();
  PromptSet prompt_set(const ListedPrompt& prompt) const;
  std::vector<PromptSet> prompt_sets(const ListedPrompt& prompt);
  void load();
  static std::string prompt_label(const ListedPrompt& prompt);
  std::string label() const;
  std::vector<std::string> distinct_prompts() const;
  void announce_prompts();
  void announce_cut_prompts() const;
  void announce_unlearnt_words(const std::vector<std::string>& prompts);
  void announce_overflow();
  void begin_estimate(int64_t batches);
  void announce_estimate(const Progress& progress, double now);
  void check_sources() const;
  int64_t grid_pixels() const;
  void settle_only();
  void check_confined() const;
  std::vector<PromptSet> sets_of(const Batch& batch) const;
  std::size_t drawn_together() const;
  DrawResult draw_rows(const Batch& batch, RunNoise& noise, bool noise_only);
  void give_cells_their_own(DrawRequest& request, const Batch& batch) const;
  std::unique_ptr<SampleNoise> noise_of_cells(const Batch& batch) const;
  torch::Tensor starts_of_cells(const Batch& batch, SampleNoise& noise) const;
  std::array<int64_t, 3> latent_shape() const;
  std::size_t batch_size() const;
  void for_each_batch(const std::function<void(const Batch&)>& visit) const;
  void draw_all(RunNoise& noise);
  bool may_be_there() const;
  bool finds_all();
  bool finds(const PictureRecord& record, std::vector<std::filesystem::path>& found) const;
  void say_replaced();
  void draw(const Batch& batch, RunNoise& noise);
  DrawRequest request_for(const Batch& batch, RunNoise& noise);
  void attach_controls(DrawRequest& request, const Batch& batch);
  void skip(const Batch& batch, RunNoise& noise);
  bool wants(const Batch& batch, std::size_t sample) const;
  void save(const Batch& batch, DrawResult result, double seconds);
  void put_sources_back(const Batch& batch, std::vector<Image>& pictures) const;
  PictureRecord record_of(const Batch& batch, std::size_t target, std::size_t sample) const;
  RunRecord run_of(const PictureRecord& picture) const;
  DrawOutcome& outcome_of(const PictureRecord& picture);
  NameFields task_fields(const PictureRecord& record) const;
  std::string task_suffix(const PictureRecord& record) const;
  TaskSettings task_settings(const PictureRecord& record) const;
  std::filesystem::path write_sample(const PictureRecord& record, const Image& picture);
  std::filesystem::path save_picture(const PictureRecord& record, const Image& picture,
                                     double seconds);
  struct PictureFile {
    std::vector<std::byte> bytes;
    std::optional<FileFormat> instead;  // of the run's format, which cannot hold so large a picture
  };
  void know_hashes();
  PictureFile encoded(const PictureRecord& record, const Image& picture);
  PictureFile encoded_grid(const Image& grid, std::size_t pictures);
  void show_preview(const StepReport& step);
  void save_source(const PictureRecord& record, const Image& picture,
                   const std::filesystem::path& sample, double seconds);
  double seconds_of(const PictureRecord& record, double of_batch) const;
  void save_maps(const PictureRecord& record, const Image& picture,
                 const std::filesystem::path& path);
  AttnSubject attn_subject() const;
  void keep_latents(const Batch& batch, const torch::Tensor& latents);
  void save_latents() const;
  void save_grid();
  void save_swap_grids();
  bool wants_grid_of(std::size_t pictures) const;
  int64_t grid_columns() const;
  std::vector<Label> target_labels() const;
  Image labelled_grid(const std::vector<Image>& pictures, const std::vector<Label>& labels) const;
  Image swap_sheet() const;
  void conclude_early() const;

  bool swaps() const { return sets_.front().source.has_value(); }
  std::size_t targets() const { return sets_.front().targets.size(); }
  bool on_progress(const Progress& progress, int64_t first_picture, int64_t count);
  void say(const std::string& message);
  bool follows() const { return options_.place && options_.place->follows; }

  DrawOptions options_;             // of cells the first one's
  std::vector<DrawOptions> cells_;  // of a grid, if that is what is drawn
  std::vector<int64_t> cell_numbers_;
  GivenCommand grid_;
  std::vector<DrawOutcome>* outcomes_ = nullptr;  // theirs
  KeptModel& kept_model_;
  DrawOutcome& outcome_;
  LoadRequest load_request_;
  std::shared_ptr<const Tokenizer> plain_tokenizer_;  // the model's
  std::shared_ptr<const PromptReader> tokenizer_;     // by the syntax of the run
  RunRecord record_;
  PromptList prompts_;
  std::vector<PromptSet> sets_;  // one for each of those
  std::optional<InputPicture> input_;
  std::optional<torch::Tensor> blend_mask_;
  int64_t total_pictures_ = 0;
  std::optional<StartLatents> start_;
  const LoadedModel* model_ = nullptr;
  std::optional<OutputFolder> folder_;
  std::optional<AttnRun> attn_;
  BatchControls controls_;                           // of the batch being drawn
  std::shared_ptr<AttentionController> controller_;  // those with what observes them
  StandardOutput output_;
  ProgressLine progress_;
  std::optional<PreviewDisplay> preview_;
  StepRate rate_;
  int64_t steps_left_ = 0;                               // of batches not begun
  std::vector<Image> pictures_, sources_;                // kept for the grids
  std::vector<Batch> kept_;                              // the batches these are of
  std::vector<torch::Tensor> latents_, source_latents_;  // kept for --save-latents
  double load_seconds_ = 0;
  double drawing_seconds_ = 0;        // of all batches so far
  std::optional<RunSize> estimated_;  // until its time is estimated
  double second_step_began_ = 0;
  DrawTiming timing_;  // of all batches
  bool said_too_long_ = false;
  std::size_t saved_ = 0;
  std::size_t failed_ = 0;
};

}  // namespace sd::cli
