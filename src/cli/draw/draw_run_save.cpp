// What a run writes: pictures, sources, maps, latents, grids.
#include <ATen/ops/cat.h>
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <span>
#include <tuple>
#include <utility>

#include "cli/draw/draw_run.h"
#include "sd/core/atomic_file.h"
#include "sd/core/npy.h"
#include "sd/image/encode.h"
#include "sd/image/mask.h"
#include "sd/image/resize.h"
#include "sd/pipeline/preview.h"

namespace sd::cli {
namespace {

constexpr std::size_t kShownPrompt = 60;
constexpr std::size_t kMostNameBytes = 200;  // of 255, so that suffix, number and ending fit

}  // namespace

PictureRecord DrawRun::record_of(const Batch& batch, std::size_t target, std::size_t sample) const {
  const auto& prompt = prompts_.prompts[batch.first + sample];
  const auto& set = sets_[batch.first + sample];
  PictureRecord picture;
  picture.prompt = set.targets[target];
  picture.source = set.source;
  picture.target = static_cast<int64_t>(target);
  // Without a list there is one prompt, however many pictures.
  picture.prompt_index = options_.lists_prompts() ? static_cast<int64_t>(batch.first + sample) : 0;
  picture.prompt_count =
      options_.lists_prompts() ? static_cast<int64_t>(prompts_.prompts.size()) : 1;
  picture.prompt_line = prompt.line;
  picture.iteration = batch.iteration;
  picture.batch = batch.number;
  picture.batch_size = static_cast<int64_t>(batch.size);
  picture.sample = static_cast<int64_t>(sample + batch.offset);
  picture.row = static_cast<int64_t>(target * batch.size + sample);
  picture.sample_index = batch.first_sample + static_cast<int64_t>(sample);
  picture.index = batch.first_sample * static_cast<int64_t>(targets()) + picture.row;
  if (!cells_.empty()) {
    picture.sample_index = cell_numbers_[batch.first + sample];
    picture.index = picture.sample_index * static_cast<int64_t>(targets()) + picture.target;
  }
  return picture;
}

/// `--blend-margin`: decoding spreads an edit beyond its latents, most in the nearest pixels. Those
/// further away than the margin become the source's to the byte, in between they are blended.
void DrawRun::put_sources_back(const Batch& batch, std::vector<Image>& pictures) const {
  if (!controls_.blend || !options_.swap.blend_margin || pictures.empty()) return;
  const double margin = *options_.swap.blend_margin;
  const auto& masks = controls_.blend->masks();
  for (std::size_t row = 0; row < masks.size() * batch.size; ++row) {
    const std::size_t target = row / batch.size, sample = row % batch.size;
    if (!wants(batch, sample)) continue;
    const auto& all = masks[target];
    const auto one = all[all.size(0) == 1 ? 0 : static_cast<int64_t>(sample)][0]
                         .to(at::kCPU, at::kByte)
                         .mul(255)
                         .contiguous();  // [h,w]
    const auto* first = one.const_data_ptr<uint8_t>();
    const Image latents{one.size(1), one.size(0), 1, {first, first + one.numel()}};
    const auto mask = resize(latents, record_.width, record_.height, Filter::kBox);
    // Half of the margin is fully the target's; the blur reaches four deviations further.
    const auto soft = blur_mask(grow_mask(mask, margin / 2), margin / 8);
    pictures[row] =
        paste_outside(pictures[row], pictures[masks.size() * batch.size + sample], soft);
  }
}

void DrawRun::save(const Batch& batch, DrawResult result, double seconds) {
  progress_.clear();
  const std::size_t count = batch.size, drawn = count * targets();
  if (input_ && input_->mask && !options_.input.no_paste) {
    for (std::size_t row = 0; row < std::min(drawn, result.pictures.size()); ++row) {
      if (wants(batch, row % count)) result.pictures[row] = input_->paste(result.pictures[row]);
    }
  }
  put_sources_back(batch, result.pictures);
  for (std::size_t row = 0; row < std::min(drawn, result.pictures.size()); ++row) {
    const std::size_t target = row / count, sample = row % count;
    if (!wants(batch, sample)) continue;
    const auto record = record_of(batch, target, sample);
    const auto path = save_picture(record, result.pictures[row], seconds);
    if (swaps() && target == 0) save_source(record, result.pictures[drawn + sample], path, seconds);
  }
  if (options_.save_latents) keep_latents(batch, result.latents);
  if (options_.skip_grid || result.pictures.empty()) return;
  const auto first = result.pictures.begin();
  const auto middle = first + static_cast<std::ptrdiff_t>(drawn);
  std::move(first, middle, std::back_inserter(pictures_));
  std::move(middle, result.pictures.end(), std::back_inserter(sources_));
  kept_.push_back(batch);
}

void DrawRun::keep_latents(const Batch& batch, const torch::Tensor& latents) {
  for (std::size_t row = 0; row < batch.size * (targets() + (swaps() ? 1 : 0)); ++row) {
    if (!wants(batch, row % batch.size)) continue;
    auto& kept = row < batch.size * targets() ? latents_ : source_latents_;
    kept.push_back(latents.narrow(0, static_cast<int64_t>(row), 1));
  }
}

/// A task's pictures have its number. Those that are there already are of a process that was killed
/// before it could say so.
std::filesystem::path DrawRun::write_sample(const PictureRecord& record, const Image& picture) {
  const auto file = encoded(record, picture);
  if (!options_.place || !options_.place->picture_number)
    return folder_->write_sample(file.bytes, name_fields_of(run_of(record), record));
  const auto path = folder_->write_task_sample(file.bytes, task_fields(record), task_suffix(record),
                                               task_settings(record));
  say_replaced();
  return path;
}

NameFields DrawRun::task_fields(const PictureRecord& record) const {
  auto fields = name_fields_of(run_of(record), record);
  fields.number = *options_.place->picture_number;
  return fields;
}

/// The first target of a swap has the source beside it.
TaskSettings DrawRun::task_settings(const PictureRecord& record) const {
  TaskSettings settings{settings_of(run_of(record), record)};
  if (!record.source || record.target != 0) return settings;
  auto source = record;
  source.is_source = true;
  source.prompt = *record.source;
  settings.source = settings_of(run_of(source), source);
  return settings;
}

/// Tells the pictures of one task apart.
std::string DrawRun::task_suffix(const PictureRecord& record) const {
  return total_pictures_ > 1 ? fmt::format("-{:03}", record.index) : std::string();
}

/// Waits for the hashes of the model's files, so that pictures can name them.
void DrawRun::know_hashes() {
  std::tie(record_.model_hash, record_.vae_hash, record_.clip_hash) =
      std::tuple_cat(kept_model_.hashes());
}

/// The file of a picture or grid that says how it was made, as far as the format has room for it.
DrawRun::PictureFile DrawRun::encoded(const PictureRecord& record, const Image& picture) {
  know_hashes();
  auto encoding = options_.picture.encoding();
  std::optional<FileFormat> instead;
  if (std::max(picture.width, picture.height) > longest_side(encoding.format)) {
    say(fmt::format("the grid becomes a PNG: {}x{} pixels are too many for its format",
                    picture.width, picture.height));
    encoding.format = FileFormat::kPng;
    instead = encoding.format;
  }
  auto all = png_texts(run_of(record), record);
  const auto count = all.size();
  const auto texts = texts_that_fit(encoding.format, std::move(all));
  if (texts.size() < count && !std::exchange(said_too_long_, true)) {
    say(
        fmt::format("a JPEG has no room for all settings of prompts as long as these: {}; png and "
                    "webp have",
                    texts.empty() ? "it says nothing of itself" : "only the infotext is kept"));
  }
  return {encode_picture(picture, encoding, texts), instead};
}

/// A grid says what its first picture says.
DrawRun::PictureFile DrawRun::encoded_grid(const Image& grid, std::size_t pictures) {
  auto record = record_of(kept_.front(), 0, 0);
  record.grid = static_cast<int64_t>(pictures);
  return encoded(record, grid);
}

/// A preview that cannot be written ends the previews, not the run.
void DrawRun::show_preview(const StepReport& step) {
  if (!preview_ || !preview_->wants(step.step + 1, step.num_steps)) return;
  auto pictures = preview_pictures(*model_, step.x0);
  for (auto& picture : pictures) {
    picture = resize(picture, record_.width, record_.height, Filter::kBicubic);
  }
  const auto columns = static_cast<int64_t>(std::min(drawn_together(), pictures.size()));
  progress_.clear();
  try {
    preview_->show(pictures.size() == 1 ? pictures.front() : make_grid(pictures, columns));
  } catch (const IoError& error) {
    print_message(fmt::format("{}\nNo more previews are shown.", error.what()));
    preview_.reset();
  }
}

/// A picture's share of the seconds that its batch took.
double DrawRun::seconds_of(const PictureRecord& record, double of_batch) const {
  const auto branches = static_cast<double>(targets() + (swaps() ? 1 : 0));
  return of_batch / (static_cast<double>(record.batch_size) * branches);
}

std::filesystem::path DrawRun::save_picture(const PictureRecord& record, const Image& picture,
                                            double seconds) {
  std::filesystem::path path;
  if (!options_.skip_save) {
    path = write_sample(record, picture);
    outcome_of(record).pictures.push_back(path);
    ++saved_;
  }
  if (options_.place && options_.place->returns_pictures) {
    auto& outcome = outcome_of(record);
    know_hashes();
    if (!outcome.making) outcome.making = {run_of(record), record};
    outcome.drawn.push_back(picture);
  }
  if (options_.json) {
    output_.line(json_line(run_of(record), record, path, seconds_of(record, seconds)));
  } else if (!path.empty()) {
    output_.line(path.string());
  }
  if (options_.attn.kind != AttnKind::kSource) save_maps(record, picture, path);
  if (options_.quiet || progress_.shown()) return path;
  const auto& place = run_of(record).options.place;
  const auto all =
      cells_.empty() ? total_pictures_ : record_.samples * static_cast<int64_t>(targets());
  // Of one picture alone, the run's other ones do not count.
  const int64_t first = options_.only ? 0 : record.index - record.row;
  const int64_t number = options_.only ? record.target : record.index;
  const int64_t together =
      options_.only ? total_pictures_ : record.batch_size * static_cast<int64_t>(targets());
  print_message(fmt::format(
      "{}{}: {}", place ? place->label : "",
      finished_text({number + 1, first + 1, first + together, all, seconds, drawing_seconds_}),
      shorten(record.prompt, kShownPrompt)));
  return path;
}

void DrawRun::save_source(const PictureRecord& target, const Image& picture,
                          const std::filesystem::path& sample, double seconds) {
  auto record = target;
  record.is_source = true;
  record.prompt = *target.source;
  std::filesystem::path path;
  if (!options_.skip_save) {
    const auto settings = settings_of(run_of(record), record);
    path = folder_->write_source(encoded(record, picture).bytes, sample,
                                 options_.place ? &settings : nullptr);
    say_replaced();
  }
  if (options_.json) {
    output_.line(json_line(run_of(record), record, path, seconds_of(record, seconds)));
  } else if (!path.empty()) {
    output_.line(path.string());
  }
  if (options_.attn.kind == AttnKind::kSource) save_maps(record, picture, path);
}

/// The maps of a picture: its own rows, or the source's where those were recorded.
void DrawRun::save_maps(const PictureRecord& record, const Image& picture,
                        const std::filesystem::path& path) {
  auto subject = attn_subject();
  const auto run = run_of(record);
  subject.source = record.source;
  subject.negative_prompt = run.options.negative_prompt;
  const auto prompt = attn_prompt(options_.attn, subject, record.prompt);
  const auto folder = attn_->write(
      record.is_source ? record.row % record.batch_size : record.row,
      {picture, path, prompt, png_texts(run, record), options_.place && options_.batch.resume});
  if (!folder) return;
  const auto contact = *folder / "contact.png";
  output_.line(options_.json ? maps_json_line(contact, path) : contact.string());
}

void DrawRun::save_latents() const {
  if (!options_.save_latents) return;
  for (const auto& [name, batches] :
       {std::pair{kLatentsName, &latents_}, {kSourceLatentsName, &source_latents_}}) {
    if (batches->empty()) continue;
    const auto all = at::cat(*batches).contiguous();
    const std::span values(all.const_data_ptr<float>(), static_cast<std::size_t>(all.numel()));
    write_file(*options_.save_latents / name, encode_npy(all.sizes(), values));
  }
}

}  // namespace sd::cli
