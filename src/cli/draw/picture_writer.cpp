#include "cli/draw/picture_writer.h"

#include <ATen/ops/cat.h>
#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "cli/options/attn_words.h"
#include "cli/record/output_folder.h"
#include "sd/core/atomic_file.h"
#include "sd/core/npy.h"
#include "sd/image/mask.h"
#include "sd/pipeline/blend_paste.h"

namespace sd::cli {

PictureWriter::PictureWriter(const Drawing& drawing, const RunInputs& inputs, KeptModel& kept,
                             RunWords& words)
    : plan_(drawing.plan), inputs_(inputs), kept_(kept), records_(drawing), grids_(plan_) {
  const auto& options = plan_.options;
  if (!options.skip_save || !options.skip_grid) files_.emplace(drawing, records_, kept, words);
  if (options.save_latents) make_writable_folder(*options.save_latents);
}

void PictureWriter::know_model(const LoadedModel& model) {
  records_.know_model(model);
  if (!files_) return;
  std::vector<std::filesystem::path> networks;
  for (const auto& network : plan_.networks.all) networks.push_back(network.path);
  kept_.start_hashing(networks);
}

bool PictureWriter::finds_all() {
  if (!files_) return false;
  auto found = files_->find_all();
  if (!found) return false;
  auto& outcome = records_.outcome_of({});
  outcome.pictures = std::move(*found);
  outcome.was_there = true;
  return true;
}

/// `--blend-margin`: pixels further than that from where the blend let targets differ become the
/// source's to the byte, and the picture's own where that was given and inverted.
void PictureWriter::put_sources_back(DrawnBatch& drawn) const {
  const auto& batch = drawn.batch;
  const auto& blend = drawn.blend;
  auto& pictures = drawn.result.pictures;
  if (blend == nullptr || !plan_.options.swap.blend_margin || pictures.empty()) return;
  const bool own = inputs_.picture && plan_.options.inversion.method.has_value();
  const auto& masks = blend->masks();
  for (std::size_t row = 0; row < masks.size() * batch.size; ++row) {
    const std::size_t target = row / batch.size, sample = row % batch.size;
    if (!wants(plan_, batch, sample)) continue;
    const auto& all = masks[target];
    const auto one = all[all.size(0) == 1 ? 0 : static_cast<int64_t>(sample)][0];
    const auto soft =
        blend_paste_mask(one, plan_.width(), plan_.height(), *plan_.options.swap.blend_margin);
    const auto& source =
        own ? inputs_.picture->picture : pictures[masks.size() * batch.size + sample];
    pictures[row] = paste_outside(pictures[row], source, soft);
  }
}

/// Puts the pixels back that masks keep: the input picture's, or without one the source's.
void PictureWriter::paste(DrawnBatch& drawn) const {
  const auto& batch = drawn.batch;
  auto& pictures = drawn.result.pictures;
  const auto& input = inputs_.picture;
  const std::size_t targets = batch.size * plan_.prompts.targets();
  for (std::size_t row = 0; row < std::min(targets, pictures.size()); ++row) {
    const std::size_t sample = row % batch.size;
    if (!wants(plan_, batch, sample)) continue;
    auto& picture = pictures[row];
    if (input && !drawn.masks.empty()) {
      const auto mode = plan_.options.input.mask_mode;
      picture = paste_outside(picture, input->picture, drawn.masks[sample]->paste(mode));
    } else if (input && input->mask) {
      picture = paste_outside(picture, input->picture, *input->mask);
    } else if (inputs_.swap_mask && plan_.prompts.swaps()) {
      picture = paste_outside(picture, pictures[targets + sample], inputs_.swap_mask->mask);
    }
  }
}

void PictureWriter::write(DrawnBatch& drawn) {
  drawn.words.clear();
  const auto& options = plan_.options;
  const auto& batch = drawn.batch;
  auto& pictures = drawn.result.pictures;
  const std::size_t count = batch.size, targets = count * plan_.prompts.targets();
  const std::size_t rows = std::min(targets, pictures.size());
  if (!options.input.no_paste) paste(drawn);
  put_sources_back(drawn);
  for (std::size_t row = 0; row < rows; ++row) {
    const std::size_t target = row / count, sample = row % count;
    if (!wants(plan_, batch, sample)) continue;
    const auto record = records_.picture(batch, target, sample);
    const auto path = save_picture(drawn, record, pictures[row]);
    if (plan_.prompts.swaps() && target == 0)
      save_source(drawn, record, pictures[targets + sample], path);
  }
  if (options.save_latents) keep_latents(batch, drawn.result.latents);
  if (!options.skip_grid && !pictures.empty()) grids_.keep(batch, std::move(pictures));
}

std::filesystem::path PictureWriter::save_picture(const DrawnBatch& drawn,
                                                  const PictureRecord& record,
                                                  const Image& picture) {
  std::filesystem::path path;
  auto& outcome = records_.outcome_of(record);
  if (!plan_.options.skip_save) {
    path = files_->write_sample(record, picture);
    outcome.pictures.push_back(path);
    ++saved_;
  }
  if (plan_.place && plan_.place->returns_pictures) {
    records_.know_hashes(kept_);
    if (!outcome.making) outcome.making = {records_.run_of(record), record};
    outcome.drawn.push_back(picture);
  }
  print(drawn, record, path);
  if (plan_.options.attn.kind != AttnKind::kSource) save_maps(drawn.attn, record, picture, path);
  const auto& place = records_.place_of(record);
  drawn.words.finished(record, place ? place->label : "", drawn.seconds);
  return path;
}

void PictureWriter::save_source(const DrawnBatch& drawn, const PictureRecord& target,
                                const Image& picture, const std::filesystem::path& sample) {
  auto record = target;
  record.is_source = true;
  record.prompt = *target.source;
  std::filesystem::path path;
  if (!plan_.options.skip_save) path = files_->write_source(record, picture, sample);
  print(drawn, record, path);
  if (plan_.options.attn.kind == AttnKind::kSource) save_maps(drawn.attn, record, picture, path);
}

/// A picture's share of the seconds that its batch took goes with it.
void PictureWriter::print(const DrawnBatch& drawn, const PictureRecord& record,
                          const std::filesystem::path& path) {
  if (plan_.options.json) {
    const auto sharing =
        static_cast<double>(record.batch_size) * static_cast<double>(plan_.prompts.branches());
    output_.line(json_line(records_.run_of(record), record, path, drawn.seconds.batch / sharing));
  } else if (!path.empty()) {
    output_.line(path.string());
  }
}

/// The maps of a picture: its own rows, or the source's where those were recorded.
void PictureWriter::save_maps(AttnRun& attn, const PictureRecord& record, const Image& picture,
                              const std::filesystem::path& path) {
  auto subject = attn_subject(plan_.options, plan_.looked_at());
  const auto run = records_.run_of(record);
  subject.source = record.source;
  subject.negative_prompt = run.options.negative_prompt;
  const auto& shown = record.is_source ? record.prompt : plan_.regions.watched(record.prompt);
  const auto prompt = attn_prompt(plan_.options.attn, subject, shown);
  const auto folder = attn.write(
      record.is_source ? record.row % record.batch_size : record.row,
      {picture, path, prompt, png_texts(run, record), plan_.place && plan_.options.batch.resume});
  if (!folder) return;
  const auto contact = *folder / "contact.png";
  output_.line(plan_.options.json ? maps_json_line(contact, path) : contact.string());
}

void PictureWriter::keep_latents(const Batch& batch, const torch::Tensor& latents) {
  for (std::size_t row = 0; row < batch.size * plan_.prompts.branches(); ++row) {
    if (!wants(plan_, batch, row % batch.size)) continue;
    auto& kept = row < batch.size * plan_.prompts.targets() ? latents_ : source_latents_;
    kept.push_back(latents.narrow(0, static_cast<int64_t>(row), 1));
  }
}

void PictureWriter::save_latents() const {
  if (!plan_.options.save_latents) return;
  for (const auto& [name, batches] :
       {std::pair{kLatentsName, &latents_}, {kSourceLatentsName, &source_latents_}}) {
    if (batches->empty()) continue;
    const auto all = at::cat(*batches).contiguous();
    const std::span values(all.const_data_ptr<float>(), static_cast<std::size_t>(all.numel()));
    write_file(*plan_.options.save_latents / name, encode_npy(all.sizes(), values));
  }
}

void PictureWriter::finish() {
  save_latents();
  if (!files_) return;
  grids_.write(*files_, records_, [this](const std::filesystem::path& path, std::size_t pictures) {
    output_.line(plan_.options.json ? grid_json_line(path, pictures) : path.string());
  });
}

void PictureWriter::finish_early() const {
  save_latents();
  if (saved_ == 0 || plan_.options.quiet) return;
  print_message(fmt::format("{} of {} kept in {}", saved_,
                            counted(static_cast<std::size_t>(plan_.pictures), "picture"),
                            (plan_.options.folder() / "samples").string()));
}

}  // namespace sd::cli
