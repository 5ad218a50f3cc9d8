#include "sd/pipeline/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <system_error>
#include <utility>

#include "core/file_stamp.h"
#include "core/posix_file.h"
#include "pipeline/convert_networks.h"
#include "pipeline/convert_plan.h"
#include "sd/core/atomic_file.h"
#include "sd/core/dead_link.h"
#include "sd/core/error.h"
#include "sd/core/mapped_file.h"
#include "sd/core/model_hash.h"
#include "sd/models/config.h"
#include "sd/text/clip_vocabulary.h"
#include "weights/open_file.h"
#include "weights/tensor_pieces.h"
#include "weights/write_diffusers_config.h"

namespace sd {
namespace {

namespace fs = std::filesystem;
using TextFile = std::pair<fs::path, std::string>;

constexpr int64_t kClipVocabulary = 49408;

/// "3.4 GB": for messages.
std::string size_text(uint64_t bytes) {
  if (bytes < 1'000'000'000) return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
  return fmt::format("{:.1f} GB", static_cast<double>(bytes) / 1e9);
}

/// A path without the slash that asks for a folder.
fs::path without_slash(const fs::path& path) {
  return path.has_filename() ? path : path.parent_path();
}

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

/// Name of what was converted: of a folder given as "." too.
std::string source_name(const fs::path& checkpoint) {
  std::error_code error;
  const auto whole = fs::canonical(checkpoint, error);
  return (error ? checkpoint : whole).filename().string();
}

/// Counts bytes through both stages and asks whether to go on.
class Meter {
 public:
  Meter(const ConvertRequest& request, uint64_t total) : request_(request), total_(total) {}

  void begin(ConvertProgress::Stage stage) {
    progress_ = {stage, 0, total_};
    report();
  }
  void add(uint64_t bytes) {
    progress_.done += bytes;
    report();
  }

 private:
  void report() const {
    if (request_.on_progress && !request_.on_progress(progress_)) throw Cancelled();
  }

  const ConvertRequest& request_;
  uint64_t total_;
  ConvertProgress progress_;
};

void require_no_overflow(const TensorPieces& pieces, const std::string& name, DType dtype,
                         const TensorSource& source) {
  const auto value = pieces.overflow();
  if (!value) return;
  throw CheckpointError(fmt::format(
      "{}: '{}' holds {:g}, which {} cannot: it would become infinite\n    Give --dtype {}.",
      source.label(), name, *value, name_of(dtype),
      dtype == DType::kF16 ? "bf16, which holds it less exactly, or f32" : "f32"));
}

void write_tensors(const TensorSource& source, const PlannedFile& file, SafetensorsWriter& writer,
                   Meter& meter) {
  for (const auto& tensor : file.tensors) {
    for (const auto& name : tensor.sources) {
      TensorPieces pieces(source.at(name), tensor.header.dtype);
      for (auto bytes = pieces.next(); !bytes.empty(); bytes = pieces.next()) {
        writer.write(bytes);
        meter.add(bytes.size());
        require_no_overflow(pieces, name, tensor.header.dtype, source);
      }
    }
  }
  writer.finish();
}

/// Piece `i` of `count` equal ones, one below the other, of a tensor of a file just written.
TensorView part_of(TensorView view, std::size_t i, std::size_t count) {
  if (count == 1) return view;
  view.shape.front() /= static_cast<int64_t>(count);
  const auto size = view.bytes.size() / count;
  view.bytes = view.bytes.subspan(i * size, size);
  return view;
}

/// Reads a written file as anyone would and compares it with the source, bit by bit.
void verify(const TensorSource& source, const PlannedFile& file, const fs::path& written,
            const fs::path& shown, Meter& meter) {
  const auto fail = [&](const std::string& what) {
    throw IoError(fmt::format(
        "{}: what was written does not read back: {}\n    The disk or the memory may be faulty.",
        shown.string(), what));
  };
  const auto opened = open_weight_file(written);
  if (opened.tensors->names().size() != file.tensors.size()) {
    fail(fmt::format("{} tensors of {}", opened.tensors->names().size(), file.tensors.size()));
  }
  for (const auto& tensor : file.tensors) {
    const auto& [name, dtype, shape] = tensor.header;
    const auto view = opened.tensors->at(name);
    if (view.dtype != dtype || view.shape != shape) fail(fmt::format("'{}' is another", name));
    for (std::size_t i = 0; i < tensor.sources.size(); ++i) {
      TensorPieces expected(source.at(tensor.sources[i]), dtype);
      TensorPieces found(part_of(view, i, tensor.sources.size()), dtype);
      for (auto wanted = expected.next(); !wanted.empty(); wanted = expected.next()) {
        const auto there = found.next();
        if (there.size() != wanted.size() ||
            std::memcmp(there.data(), wanted.data(), wanted.size()) != 0) {
          fail(fmt::format("'{}' has other values", name));
        }
        meter.add(wanted.size());
      }
      if (!found.next().empty()) fail(fmt::format("'{}' is longer", name));
    }
  }
}

constexpr const char* kPredictionKey = "modelspec.prediction_type";

/// What the file has to say of its prediction: nothing where the source said nothing and the
/// weights alone come to the same.
std::optional<std::string> prediction_text(const OpenedModel& model, const SettledModel& settled) {
  const auto& metadata = model.metadata;
  const bool said = std::any_of(metadata.begin(), metadata.end(),
                                [](const auto& entry) { return entry.first == kPredictionKey; });
  const auto alone = settle_by_weights(*model.tensors, {});
  const auto prediction = settled.config.prediction;
  const bool told = alone.config.prediction == prediction &&
                    alone.prediction_assumed == settled.prediction_assumed;
  if (told && !said) return std::nullopt;
  return prediction == Prediction::kVelocity ? "v" : "epsilon";
}

/// What the file says of itself: the ecosystem's keys, what the source said, and what it was.
Metadata metadata_of(const OpenedModel& model, const ConvertRequest& request,
                     const std::optional<std::string>& prediction, bool folder) {
  Metadata metadata = {{"format", "pt"}};
  for (const auto& [key, value] : model.metadata) {
    const bool ours = key == "format" || key.starts_with("sd.source") ||
                      key == "modelspec.implementation" || key == "modelspec.hash_sha256" ||
                      key == kPredictionKey;
    if (!ours) metadata.emplace_back(key, value);
  }
  metadata.emplace_back("sd.source", source_name(request.source.checkpoint));
  if (prediction) metadata.emplace_back(kPredictionKey, *prediction);
  const bool standard = std::any_of(metadata.begin(), metadata.end(), [](const auto& entry) {
    return entry.first == "modelspec.sai_model_spec";
  });
  // Stability's metadata standard demands it of files that follow it.
  if (standard) metadata.emplace_back("modelspec.implementation", folder ? "diffusers" : "ldm");
  return metadata;
}

/// The tokenizer's files: the source folder's own, else CLIP's.
std::vector<TextFile> tokenizer_files(const ConvertRequest& request, const OpenedModel& model,
                                      const ModelConfig& config) {
  constexpr uint64_t kMaxBytes = uint64_t{64} << 20;
  std::vector<TextFile> files;
  std::error_code ignored;
  const auto own = request.source.checkpoint / "tokenizer";
  if (model.format == "diffusers" && fs::is_directory(own, ignored)) {
    for (const auto& entry : fs::directory_iterator(own)) {
      if (!entry.is_regular_file() || entry.file_size() > kMaxBytes) continue;
      const auto file = MappedFile::open(entry.path());
      files.emplace_back(
          "tokenizer" / entry.path().filename(),
          std::string(reinterpret_cast<const char*>(file->bytes().data()), file->size()));
    }
    if (!files.empty()) return files;
  }
  const TextConfig& text = config.text;
  if (text.tokenizer != TokenizerKind::kClip || text.vocabulary != kClipVocabulary) {
    throw CheckpointError(fmt::format(
        "{}: its text encoder knows {} tokens, CLIP's tokenizer {}: no tokenizer can be written\n"
        "    Convert it to NAME.safetensors.",
        model.tensors->label(), text.vocabulary, kClipVocabulary));
  }
  for (auto& [name, contents] : clip_tokenizer_files(text.positions, text.padding))
    files.emplace_back(fs::path("tokenizer") / name, std::move(contents));
  return files;
}

void require_space(const fs::path& out, uint64_t bytes) {
  constexpr uint64_t kReserve = uint64_t{16} << 20;  // for what the file system keeps beside it
  std::error_code error;
  const auto space = fs::space(folder_of(out), error);
  if (error || space.available >= bytes + kReserve) return;  // unknown: writing will tell
  throw IoError(fmt::format(
      "{}: needs {}, but {} has only {} free\n    Free some space, or choose "
      "another folder.",
      out.string(), size_text(bytes), folder_of(out).string(), size_text(space.available)));
}

/// A configuration as far as pictures depend on it: two that draw the same are equal.
ModelConfig as_drawn(ModelConfig config) {
  config.use_ema = false;
  if (config.unet.num_head_channels > 0) config.unet.num_heads = UNetConfig{}.num_heads;
  config.text.sentence_piece.model.clear();  // lies in another folder
  return config;
}

/// What a file of such weights is read as with a YAML of this text beside it.
ModelConfig read_beside(const std::string& yaml, const TensorSource& tensors,
                        const Metadata& metadata) {
  const auto stated = parse_config(yaml, "YAML", family_config(tensors, metadata));
  auto read = detect_config(tensors, stated);
  read.text.layers = std::min(read.text.layers, stated.text.layers);  // as settle_config does
  read.image_size = image_size_in_file(read);
  return as_drawn(read);
}

/// As it is meant to be read from a single file.
ModelConfig as_intended(const ModelConfig& config) {
  auto intended = as_drawn(config);
  intended.image_size = image_size_in_file(intended);
  return intended;
}

/// The YAML for a file whose weights and metadata alone would be taken for another model.
std::optional<std::string> yaml_beside(const TensorSource& tensors, const Metadata& metadata,
                                       const ModelConfig& config) {
  if (config.text.tokenizer == TokenizerKind::kSentencePiece) {
    throw CheckpointError(
        fmt::format("{}: its tokenizer is a SentencePiece model, for which a single file has no "
                    "place\n    Convert it to a folder: a name without a suffix.",
                    tensors.label()));
  }
  const auto intended = as_intended(config);
  if (as_drawn(settle_by_weights(tensors, metadata).config) == intended) return std::nullopt;
  auto yaml = config_yaml(intended);
  if (read_beside(yaml, tensors, metadata) != intended) {
    throw CheckpointError(
        fmt::format("{}: a single file cannot say which activation or padding its text encoder "
                    "has\n    Convert it to a folder: a name without a suffix.",
                    tensors.label()));
  }
  return yaml;
}

class Conversion {
 public:
  Conversion(const ConvertRequest& request, const MappedFilesWatch& files)
      : request_(request),
        files_(files),
        folder_(wants_folder(request.out)),
        out_(without_slash(request.out)) {}

  ConvertReport run() {
    require_new(out_);
    model_ = open_model(request_.source.checkpoint, request_.source.separate);
    if (model_.replaced.taesd) {
      throw UsageError("--vae: TAESD is no part of a model and cannot be written into one");
    }
    source_ = stamp_at(model_.main_file);
    const auto settled = settle_config(model_, request_.source);
    config_ = settled.config;
    if (request_.ema || config_.use_ema) {
      model_.tensors = with_ema_weights(std::move(model_.tensors));
    }
    model_.tensors = merge_networks(std::move(model_.tensors), config_, request_, report_);
    plan_ = plan_conversion(*model_.tensors, config_, request_);
    metadata_ = metadata_of(model_, request_, prediction_text(model_, settled), folder_);
    note_networks(request_, metadata_);
    report_.out = out_;
    report_.left_out = plan_.left_out;
    for (const auto& file : plan_.files)
      report_.tensors += static_cast<int64_t>(file.tensors.size());
    if (folder_) {
      prepare_folder();
    } else {
      prepare_file();
    }
    uint64_t weights = 0;
    for (const auto& file : plan_.files) {
      for (const auto& tensor : file.tensors) weights += tensor.header.bytes();
      report_.bytes += safetensors_size(file.headers(), {});
    }
    for (const auto& [path, text] : texts_) report_.bytes += text.size();
    require_space(out_, report_.bytes);
    report_.source_sha256 = hash_of_source();
    metadata_.emplace_back("sd.source_sha256", report_.source_sha256);
    Meter meter(request_, weights);
    if (folder_) {
      write_folder(meter);
    } else {
      write_single(meter);
    }
    return std::move(report_);
  }

 private:
  /// Of the file that is mapped: its name may be another's by now.
  std::string hash_of_source() const {
    auto hash = model_sha256(model_.main_file);
    if (stamp_at(model_.main_file) != source_) {
      throw IoError(
          fmt::format("{}: another file took its place while it was read\n    Run this again.",
                      model_.main_file.string()));
    }
    return hash;
  }

  void prepare_folder() {
    for (auto& [path, text] :
         diffusers_config_files(config_, source_name(request_.source.checkpoint))) {
      texts_.emplace_back(path, std::move(text));
    }
    for (auto& file : tokenizer_files(request_, model_, config_)) texts_.push_back(std::move(file));
  }

  void prepare_file() {
    auto yaml = yaml_beside(*model_.tensors, metadata_, config_);
    auto path = out_;
    path.replace_extension(".yaml");
    if (is_named(path)) {
      require_same_settings(path);
      report_.config = path;
    } else if (yaml) {
      report_.config = path;
      texts_.emplace_back(path, std::move(*yaml));
    }
  }

  /// A YAML beside OUT, of another model or of a conversion that was killed, will be read with it.
  void require_same_settings(const fs::path& path) const {
    try {
      constexpr std::size_t kMostBytes = 16 << 20;  // a YAML of this size is none of ours
      const auto text = read_start(path, kMostBytes);
      if (read_beside(text, *model_.tensors, metadata_) == as_intended(config_)) return;
    } catch (const Error&) {
      // What cannot be read is not the same.
    }
    throw IoError(fmt::format(
        "{}: exists already and holds other settings; it would be read as the settings of {}\n    "
        "Rename it, remove it if nothing needs it, or give OUT another name.",
        path.string(), out_.string()));
  }

  void write_single(Meter& meter) {
    const auto& file = plan_.files.front();
    meter.begin(ConvertProgress::Stage::kWrite);
    SafetensorsWriter writer(out_, file.headers(), metadata_);
    write_tensors(*model_.tensors, file, writer, meter);
    meter.begin(ConvertProgress::Stage::kVerify);
    verify(*model_.tensors, file, writer.temporary(), out_, meter);
    files_.require_unchanged();
    // The YAML first: weights without it would draw something else.
    for (const auto& [path, text] : texts_) write_file(path, std::as_bytes(std::span(text)));
    try {
      writer.commit();
    } catch (...) {
      std::error_code ignored;
      for (const auto& [path, text] : texts_) fs::remove(path, ignored);
      throw;
    }
  }

  void write_folder(Meter& meter) {
    meter.begin(ConvertProgress::Stage::kWrite);
    AtomicFolder folder(out_);
    const auto& root = folder.temporary();
    for (const auto& [path, text] : texts_) {
      make_writable_folder((root / path).parent_path());
      write_file(root / path, std::as_bytes(std::span(text)));
    }
    for (const auto& file : plan_.files) {
      SafetensorsWriter writer(root / file.path, file.headers(), metadata_);
      write_tensors(*model_.tensors, file, writer, meter);
      writer.commit();
    }
    meter.begin(ConvertProgress::Stage::kVerify);
    for (const auto& file : plan_.files)
      verify(*model_.tensors, file, root / file.path, out_ / file.path, meter);
    verify_config(root);
    files_.require_unchanged();
    folder.commit();
  }

  /// The folder as a whole is the same model to whoever opens it: names and settings too.
  void verify_config(const fs::path& root) const {
    const auto reopened = open_model(root);
    bool same =
        as_drawn(settle_config(reopened, {root, std::nullopt, {}}).config) == as_drawn(config_);
    for (const auto& file : plan_.files) {
      for (const auto& tensor : file.tensors)
        same = same && reopened.tensors->contains(tensor.sources.front());
    }
    if (!same) {
      throw Error(
          fmt::format("{}: a diffusers folder has no place for one of the model's settings, so it "
                      "would be read back as another model",
                      out_.string()));
    }
  }

  const ConvertRequest& request_;
  const MappedFilesWatch& files_;
  bool folder_;
  fs::path out_;
  OpenedModel model_;
  FileStamp source_;  // of its main file
  ModelConfig config_;
  ConvertPlan plan_;
  std::vector<TextFile> texts_;  // what is written beside the weights
  Metadata metadata_;
  ConvertReport report_;
};

}  // namespace

ConvertReport convert_model(const ConvertRequest& request) {
  if (request.ema && request.keep_ema) {
    throw UsageError(
        "--ema and --keep-ema contradict each other: with --ema the averaged weights "
        "take the place of the plain ones");
  }
  if (request.keep_ema && wants_folder(request.out)) {
    throw UsageError(
        "--keep-ema: a diffusers folder has no place for EMA weights\nLeave it out, or "
        "give --ema to write them instead of the plain ones.");
  }
  const MappedFilesWatch files;
  try {
    return Conversion(request, files).run();
  } catch (const IoError&) {
    files.require_unchanged();  // then it is no fault of what was written
    throw;
  } catch (const CheckpointError&) {
    files.require_unchanged();
    throw;
  }
}

}  // namespace sd
