#include "support/zip_writer.h"

#include <zlib.h>

#include <stdexcept>

#include "support/byte_writer.h"

namespace sd::test {
namespace {

constexpr uint64_t kIn64 = 0xffffffff;
constexpr uint16_t kSizesFollow = 1u << 3;

std::string deflate_raw(const std::string& text) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::runtime_error("deflateInit2");
  }
  std::string packed(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const int status = deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  if (status != Z_STREAM_END) throw std::runtime_error("deflate");
  return packed;
}

uint32_t crc_of(const std::string& text) {
  return static_cast<uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size())));
}

}  // namespace

std::string write_zip(const std::vector<ZipFile>& files, const ZipOptions& options) {
  ByteWriter out;
  ByteWriter directory;
  for (const ZipFile& file : files) {
    const std::string packed = file.deflate ? deflate_raw(file.contents) : file.contents;
    const uint16_t method = file.method != 0xffff ? file.method : file.deflate ? 8 : 0;
    const auto flags = static_cast<uint16_t>(file.flags | (file.sizes_follow ? kSizesFollow : 0));
    const uint32_t crc = file.claimed_crc.value_or(crc_of(file.contents));
    const uint64_t size = file.claimed_size.value_or(file.contents.size());
    const uint64_t offset = file.claimed_offset.value_or(out.size());
    const std::string& local_name = file.local_name ? *file.local_name : file.name;

    out.u32(0x04034b50).u16(20).u16(flags).u16(method).u32(0);
    if (file.sizes_follow) {
      out.u32(0).u32(0).u32(0);
    } else {
      out.u32(crc).u32(packed.size()).u32(size);
    }
    out.u16(local_name.size()).u16(0).text(local_name).text(packed);
    if (file.sizes_follow) out.u32(0x08074b50).u32(crc).u32(packed.size()).u32(size);

    ByteWriter extra;
    if (options.zip64) extra.u16(1).u16(24).u64(size).u64(packed.size()).u64(offset);
    directory.u32(0x02014b50).u16(20).u16(20).u16(flags).u16(method).u32(0).u32(crc);
    directory.u32(options.zip64 ? kIn64 : packed.size()).u32(options.zip64 ? kIn64 : size);
    directory.u16(file.name.size()).u16(extra.size()).u16(0).u16(0).u16(0).u32(0);
    directory.u32(options.zip64 ? kIn64 : offset).text(file.name).text(extra.bytes());
  }
  const uint64_t directory_offset = out.size();
  out.text(directory.bytes());
  if (options.zip64) {
    const uint64_t end64 = out.size();
    out.u32(0x06064b50).u64(44).u16(45).u16(45).u32(0).u32(0).u64(files.size()).u64(files.size());
    out.u64(directory.size()).u64(directory_offset);
    out.u32(0x07064b50).u32(0).u64(end64).u32(1);
  }
  out.u32(0x06054b50).u16(0).u16(0).u16(files.size()).u16(files.size());
  out.u32(options.zip64 ? kIn64 : directory.size()).u32(options.zip64 ? kIn64 : directory_offset);
  out.u16(options.comment.size()).text(options.comment);
  return out.bytes();
}

}  // namespace sd::test
