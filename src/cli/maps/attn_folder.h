#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/maps/attn_maps.h"
#include "cli/options/attn_options.h"
#include "sd/core/atomic_file.h"
#include "sd/image/image.h"
#include "sd/image/png.h"
#include "sd/text/tokenizer.h"

namespace sd::cli {

/// One picture whose maps are to be written.
struct AttnPicture {
  const Image& picture;
  std::filesystem::path path;       // of the picture; empty if it was not saved
  std::string prompt;               // whose tokens the maps have (attn_prompt)
  std::vector<PngText> texts = {};  // how the picture was made: the sheets say so too
  bool resumed = false;             // its process may have been killed behind its maps
};

/// The folders of `--attn`: DIR/00000/ for a picture 00000.png and so on. Numbers count on from the
/// highest one there; nothing is ever overwritten. A folder gets its name when all of this is in
/// it:
/// - words/02_snowy.png, grey/…, masks/…: overlay, map and mask of each word, as large as the
///   picture.
/// - contact.png, timeline.png, layers.png: labelled sheets.
/// - maps.npy: [tokens,h,w] float32, h and w of the latents, summed over the recorded steps.
/// - index.json: what all of that is.
class AttnFolder {
 public:
  /// Makes `options.dir`. Throws IoError if it cannot be written.
  AttnFolder(const AttnOptions& options, std::shared_ptr<const Tokenizer> tokenizer);

  /// Returns the folder of this picture: of one that is resumed the one that a killed process
  /// wrote for it, if it came so far. Throws IoError (disk full), UsageError (no such word).
  std::filesystem::path write(const AttnPicture& picture, PictureMaps maps);

 private:
  std::optional<std::filesystem::path> find_written(const AttnPicture& picture) const;
  std::filesystem::path name_folder(AtomicFolder& whole, const std::filesystem::path& picture);

  AttnOptions options_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  int64_t next_ = 0;
};

}  // namespace sd::cli
