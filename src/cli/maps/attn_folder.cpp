#include "cli/maps/attn_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <span>
#include <system_error>
#include <utility>

#include "cli/maps/attn_draw.h"
#include "cli/maps/attn_index.h"
#include "sd/core/atomic_file.h"
#include "sd/core/dead_link.h"
#include "sd/core/error.h"
#include "sd/core/npy.h"
#include "sd/image/metadata.h"
#include "sd/image/png.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxDigits = 15;  // longer names are somebody's own

/// The number that `name` spells; -1 if it is none.
int64_t number_of(const std::string& name) {
  int64_t number = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  const bool whole = error == std::errc() && end == name.data() + name.size();
  return whole && number >= 0 && name.size() <= kMaxDigits ? number : -1;
}

int64_t next_folder(const fs::path& dir) {
  int64_t next = 0;
  std::error_code error;
  for (fs::directory_iterator entry(dir, error), end; !error && entry != end;
       entry.increment(error)) {
    next = std::max(next, number_of(entry->path().filename().string()) + 1);
  }
  return next;
}

void write_png(const fs::path& path, const Image& image, const std::vector<PngText>& texts = {}) {
  write_file(path, encode_png(image, texts));
}

void write_text(const fs::path& path, const std::string& text) {
  write_file(path, std::as_bytes(std::span(text)));
}

/// What our programs write about a picture.
std::string settings_in(const std::vector<PngText>& texts) {
  const auto found = std::ranges::find(texts, "sd", &PngText::keyword);
  return found == texts.end() ? std::string() : found->text;
}

/// Whether a sheet says the same of itself as these texts.
bool says(const fs::path& sheet, const std::vector<PngText>& texts) {
  const auto settings = settings_in(texts);
  try {
    return !settings.empty() && settings_in(read_metadata(sheet).texts) == settings;
  } catch (const Error&) {
    return false;  // no picture at all
  }
}

void write_words(const fs::path& folder, const std::vector<AttnWord>& words,
                 const std::vector<WordPictures>& drawn) {
  for (const char* name : {"words", "grey", "masks"}) make_writable_folder(folder / name);
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto file = words[i].stem + ".png";
    write_png(folder / "words" / file, drawn[i].overlay);
    write_png(folder / "grey" / file, drawn[i].grey);
    write_png(folder / "masks" / file, drawn[i].mask);
  }
}

}  // namespace

AttnFolder::AttnFolder(const AttnOptions& options, std::shared_ptr<const Tokenizer> tokenizer)
    : options_(options), tokenizer_(std::move(tokenizer)) {
  make_writable_folder(*options_.dir);
  next_ = next_folder(*options_.dir);
}

/// The picture's own number if it is free and the highest, else the next one.
fs::path AttnFolder::name_folder(AtomicFolder& whole, const fs::path& picture) {
  next_ = std::max(next_, number_of(picture.stem().string()));
  while (true) {
    const auto folder = *options_.dir / fmt::format("{:05}", next_++);
    try {
      whole.commit_as(folder);
      return folder;
    } catch (const IoError&) {
      // Another process may have taken the name since it was looked at; any other trouble is real.
      if (!is_named(folder)) throw;
    }
  }
}

/// Maps that say what the picture says of itself and are newer than it. A picture that was drawn a
/// moment ago has none; that of an equal task before it is newer than that one's.
std::optional<fs::path> AttnFolder::find_written(const AttnPicture& picture) const {
  constexpr int64_t kNewest = 100;  // what a process that was killed wrote last is among them
  if (!picture.resumed || picture.path.empty()) return std::nullopt;
  std::error_code error;
  const auto drawn = fs::last_write_time(picture.path, error);
  for (auto number = next_ - 1; !error && number >= std::max<int64_t>(0, next_ - kNewest);
       --number) {
    const auto folder = *options_.dir / fmt::format("{:05}", number);
    std::error_code absent;
    const auto written = fs::last_write_time(folder / "contact.png", absent);
    if (!absent && written >= drawn && says(folder / "contact.png", picture.texts)) return folder;
  }
  return std::nullopt;
}

fs::path AttnFolder::write(const AttnPicture& picture, PictureMaps maps) {
  if (const auto written = find_written(picture)) return *written;
  const auto words = choose_words(picture.prompt, options_.words, *tokenizer_);
  const auto encoded = tokenizer_->encode(picture.prompt);
  // Other prompts of the batch may have more parts.
  maps.whole.tokens = std::min(maps.whole.tokens, static_cast<int64_t>(encoded.ids.size()));
  maps.whole.values.resize(
      static_cast<std::size_t>(maps.whole.tokens * maps.whole.height * maps.whole.width));
  const AttnCanvas canvas{
      picture.picture,      words, options_, encoded.first, encoded.padding() - 1,
      maps.timesteps.size()};
  const auto drawn = draw_words(canvas, maps.whole);

  AtomicFolder whole(*options_.dir / "maps");  // which gets a number for its name
  const auto& folder = whole.temporary();
  write_words(folder, words, drawn);
  write_png(folder / "contact.png", draw_contact(canvas, maps.whole, picture.prompt),
            picture.texts);
  write_png(folder / "timeline.png", draw_timeline(canvas, maps.timeline), picture.texts);
  write_png(folder / "layers.png", draw_layers(canvas, maps.parts), picture.texts);
  const int64_t shape[] = {maps.whole.tokens, maps.whole.height, maps.whole.width};
  write_file(folder / "maps.npy", encode_npy(shape, maps.whole.values));
  const auto index = attn_index({picture, maps, canvas, drawn, *tokenizer_});
  using Handler = nlohmann::ordered_json::error_handler_t;
  write_text(folder / "index.json", index.dump(2, ' ', false, Handler::replace) + "\n");
  return name_folder(whole, picture.path);
}

}  // namespace sd::cli
