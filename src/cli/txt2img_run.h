#pragma once

#include <torch/types.h>

#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/attn_run.h"
#include "cli/attn_words.h"
#include "cli/output_folder.h"
#include "cli/picture_record.h"
#include "cli/progress_line.h"
#include "cli/prompt_list.h"
#include "cli/start_latents.h"
#include "cli/text_output.h"
#include "cli/txt2img_options.h"
#include "sd/core/error.h"
#include "sd/pipeline/load.h"
#include "sd/pipeline/txt2img.h"

namespace sd::cli {

/// One call of `sd txt2img`: prompts in, pictures out, in batches as the original script forms
/// them.
class Txt2ImgRun {
 public:
  explicit Txt2ImgRun(const Txt2ImgOptions& options);

  /// Returns the exit code; throws what ends the run early. Finished pictures stay in either case.
  ExitCode run();

 private:
  /// Prompts [first, first + size) of the list, in iteration `iteration`.
  struct Batch {
    int64_t number = 0;
    int64_t iteration = 0;
    std::size_t first = 0;
    std::size_t size = 0;
    int64_t first_picture = 0;  // in the whole run
  };

  void prepare();
  void load();
  void announce_cut_prompts();
  void draw_all(NoiseSource& noise);
  void draw(const Batch& batch, NoiseSource& noise);
  Txt2ImgRequest request_for(const Batch& batch, NoiseSource& noise);
  void save(const Batch& batch, Txt2ImgResult result, double seconds);
  void save_picture(const PictureRecord& record, const Image& picture, double seconds);
  void save_maps(const PictureRecord& record, const Image& picture,
                 const std::filesystem::path& path);
  AttnSubject attn_subject() const;
  void save_latents() const;
  void save_grid();
  void conclude_early() const;

  bool on_progress(const Progress& progress, int64_t first_picture, int64_t count);
  void say(const std::string& message);
  /// The first 10 hex digits of the weights' SHA-256, computed meanwhile; waited for when the first
  /// picture is written.
  void start_hashing();

  Txt2ImgOptions options_;
  LoadRequest load_request_;
  RunRecord record_;
  PromptList prompts_;
  int64_t total_pictures_ = 0;
  std::optional<StartLatents> start_;
  std::optional<LoadedModel> model_;
  std::future<std::string> hash_;
  std::optional<OutputFolder> folder_;
  std::optional<AttnRun> attn_;
  std::shared_ptr<AttentionController> observer_;  // of the batch being drawn
  StandardOutput output_;
  ProgressLine progress_;
  StepRate rate_;
  int64_t steps_left_ = 0;              // of batches not begun
  std::vector<Image> pictures_;         // kept for the grid
  std::vector<torch::Tensor> latents_;  // kept for --save-latents
  double load_seconds_ = 0;
  Txt2ImgTiming timing_;  // of all batches
  std::size_t saved_ = 0;
  std::size_t failed_ = 0;
};

}  // namespace sd::cli
