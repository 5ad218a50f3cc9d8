#include "cli/attn_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <span>
#include <system_error>
#include <utility>

#include "cli/attn_draw.h"
#include "cli/attn_index.h"
#include "sd/core/atomic_file.h"
#include "sd/core/error.h"
#include "sd/core/npy.h"
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
fs::path AttnFolder::make_folder(const fs::path& picture) {
  next_ = std::max(next_, number_of(picture.stem().string()));
  while (true) {
    const auto folder = *options_.dir / fmt::format("{:05}", next_++);
    std::error_code error;
    if (fs::create_directory(folder, error)) return folder;
    // Another process may have taken the name since it was looked at.
    if (!fs::exists(folder)) {
      throw IoError(
          fmt::format("{}: the folder cannot be made: {}", folder.string(), error.message()));
    }
  }
}

fs::path AttnFolder::write(const AttnPicture& picture, PictureMaps maps) {
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

  const auto folder = make_folder(picture.path);
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
  return folder;
}

}  // namespace sd::cli
