#include "sd/image/write.h"

#include <fmt/format.h>

#include "sd/core/atomic_file.h"
#include "sd/core/error.h"
#include "sd/image/encode.h"

namespace sd {

void write_picture(const std::filesystem::path& path, const Image& image,
                   const std::vector<PngText>& texts) {
  const auto ending = path.extension();
  Encoding encoding;
  if (ending == ".jpg" || ending == ".jpeg") {
    encoding.format = FileFormat::kJpeg;
  } else if (ending == ".webp") {
    encoding.format = FileFormat::kWebp;
  } else if (ending != ".png") {
    throw UsageError(
        fmt::format("{}: a picture's name ends in .png, .jpg, .jpeg or .webp", path.string()));
  }
  write_file(path, encode_picture(image, encoding, texts), /*overwrite=*/true);
}

}  // namespace sd
