#include "image/fixtures.h"

#include <zlib.h>

namespace sd::test {

std::string png_chunk(const std::string& type, const std::string& body) {
  const auto checked = type + body;
  const auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(checked.data()), checked.size());
  return big_endian(static_cast<uint32_t>(body.size())) + checked +
         big_endian(static_cast<uint32_t>(crc));
}

std::string png_start(uint32_t width, uint32_t height) {
  const std::string rgb("\x08\x02\0\0\0", 5);
  return "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", big_endian(width) + big_endian(height) + rgb);
}

std::string deflated(const std::string& text) {
  uLongf size = compressBound(text.size());
  std::string out(size, '\0');
  EXPECT_EQ(compress2(reinterpret_cast<Bytef*>(out.data()), &size,
                      reinterpret_cast<const Bytef*>(text.data()), text.size(), 9),
            Z_OK);
  out.resize(size);
  return out;
}

}  // namespace sd::test
