#include "tools/test_data/torch_zip.h"

#include <zlib.h>

namespace sd::test {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr uint16_t kFlags = 0x0808;  // sizes follow the bytes; names are UTF-8

}  // namespace

void TorchZip::add(std::string_view name, std::string_view contents) {
  const std::string path = folder_ + "/" + std::string(name);
  const auto crc = static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(contents.data()),
                                               static_cast<uInt>(contents.size())));
  const auto offset = files_.size();
  constexpr std::size_t kHeader = 30, kExtra = 4;
  const auto start = offset + kHeader + path.size() + kExtra;
  const auto padding = (kAlignment - start % kAlignment) % kAlignment;

  files_.u32(0x04034b50).u16(0).u16(kFlags).u16(0).u16(0).u16(0);
  files_.u32(0).u32(0).u32(0).u16(path.size()).u16(kExtra + padding).text(path);
  files_.text("FB").u16(padding).text(std::string(padding, 'Z')).text(contents);
  files_.u32(0x08074b50).u32(crc).u32(contents.size()).u32(contents.size());

  directory_.u32(0x02014b50).u16(0).u16(0).u16(kFlags).u16(0).u16(0).u16(0);
  directory_.u32(crc).u32(contents.size()).u32(contents.size()).u16(path.size());
  directory_.u16(0).u16(0).u16(0).u16(0).u32(0).u32(offset).text(path);
  ++count_;
}

std::string TorchZip::finish() {
  const auto start = files_.size(), size = directory_.size();
  files_.text(directory_.bytes());
  const auto end = files_.size();
  files_.u32(0x06064b50).u64(44).u16(0x031e).u16(45).u32(0).u32(0).u64(count_).u64(count_);
  files_.u64(size).u64(start);
  files_.u32(0x07064b50).u32(0).u64(end).u32(1);
  files_.u32(0x06054b50).u16(0).u16(0).u16(count_).u16(count_).u32(size).u32(start).u16(0);
  return files_.bytes();
}

}  // namespace sd::test
