#include "weights/zip_archive.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <utility>

#include "weights/byte_reader.h"

namespace sd {
namespace {

// Signatures and field orders: APPNOTE 4.3.
constexpr uint32_t kLocalHeader = 0x04034b50;
constexpr uint32_t kDirectoryHeader = 0x02014b50;
constexpr std::string_view kEndRecord = "PK\x05\x06";
constexpr uint32_t kZip64End = 0x06064b50;
constexpr uint32_t kZip64Locator = 0x07064b50;
constexpr uint64_t kEndRecordSize = 22;
constexpr uint64_t kZip64LocatorSize = 20;
constexpr uint64_t kMaxComment = 0xffff;
constexpr uint32_t kIn64 = 0xffffffff;  // "the value stands in the zip64 extra field"
constexpr uint16_t kZip64Extra = 0x0001;
constexpr uint16_t kEncrypted = 1u << 0;
constexpr uint16_t kSizesFollow =
    1u << 3;  // the local header leaves sizes to a descriptor behind the data
constexpr uint16_t kStored = 0;
constexpr uint16_t kDeflated = 8;
constexpr uint64_t kMaxDeflateRatio = 1032;  // what DEFLATE can reach (zlib's technical notes)

/// Fills in those of `fields` that read kIn64 from the zip64 part of `extra`, in their order.
void apply_zip64(std::span<const std::byte> extra, const std::string& what,
                 std::span<uint64_t* const> fields) {
  const bool needed =
      std::any_of(fields.begin(), fields.end(), [](const uint64_t* f) { return *f == kIn64; });
  ByteReader reader(extra, what);
  while (needed && reader.left() >= 4) {
    const uint16_t id = reader.u16();
    const uint16_t length = reader.u16();
    const auto body = reader.bytes(length);
    if (id != kZip64Extra) continue;
    ByteReader values(body, what);
    for (uint64_t* field : fields) {
      if (*field == kIn64) *field = values.u64();
    }
    return;
  }
}

}  // namespace

void ZipArchive::fail(const std::string& message) const {
  throw CheckpointError(fmt::format("{}: {}", label_, message));
}

ZipArchive::ZipArchive(std::span<const std::byte> archive, std::string label)
    : archive_(archive), label_(std::move(label)) {
  read_directory(find_directory());
  check_overlaps();
}

ZipArchive::Directory ZipArchive::find_directory() const {
  const uint64_t size = archive_.size();
  const uint64_t lowest =
      size > kEndRecordSize + kMaxComment ? size - kEndRecordSize - kMaxComment : 0;
  // Backwards from the end, because a comment of unknown length may follow the record.
  const auto tail = as_text(archive_.subspan(lowest));
  for (auto found = tail.rfind(kEndRecord); found != tail.npos;
       found = found == 0 ? tail.npos : tail.rfind(kEndRecord, found - 1)) {
    const uint64_t at = lowest + found;
    if (size - at < kEndRecordSize) continue;
    ByteReader reader(archive_, label_, at + kEndRecord.size());
    const uint16_t disk = reader.u16();
    const uint16_t directory_disk = reader.u16();
    const uint16_t entries_here = reader.u16();
    Directory directory;
    directory.entries = reader.u16();
    directory.size = reader.u32();
    directory.offset = reader.u32();
    if (at + kEndRecordSize + reader.u16() != size)
      continue;  // these four bytes stand inside a comment
    if (at >= kZip64LocatorSize &&
        ByteReader(archive_, label_, at - kZip64LocatorSize).u32() == kZip64Locator) {
      return read_zip64_end(at - kZip64LocatorSize);
    }
    if (disk != 0 || directory_disk != 0 || entries_here != directory.entries) {
      fail("a zip archive in several parts; join them first");
    }
    if (directory.size > at || directory.offset > at - directory.size) {
      fail("damaged zip archive: its directory lies outside of it");
    }
    return directory;
  }
  fail(fmt::format(
      "truncated zip archive: the directory at its end is missing ({} bytes are there). "
      "Download or copy the file again.",
      size));
}

ZipArchive::Directory ZipArchive::read_zip64_end(uint64_t locator_offset) const {
  ByteReader locator(archive_, label_, locator_offset + 4);
  const uint32_t disk = locator.u32();
  const uint64_t end_offset = locator.u64();
  const uint32_t disks = locator.u32();
  // PyTorch's writer says 0 disks where APPNOTE wants 1.
  if (disk != 0 || disks > 1) fail("a zip archive in several parts; join them first");
  if (end_offset > locator_offset)
    fail("damaged zip archive: its zip64 end record lies outside of it");
  ByteReader reader(archive_, label_, end_offset);
  if (reader.u32() != kZip64End)
    fail("damaged zip archive: no zip64 end record where one is announced");
  reader.skip(8 + 2 + 2 + 4 + 4);  // record size, versions, disks
  const uint64_t entries_here = reader.u64();
  Directory directory;
  directory.entries = reader.u64();
  directory.size = reader.u64();
  directory.offset = reader.u64();
  if (entries_here != directory.entries) fail("a zip archive in several parts; join them first");
  if (directory.size > end_offset || directory.offset > end_offset - directory.size) {
    fail("damaged zip archive: its directory lies outside of it");
  }
  return directory;
}

void ZipArchive::read_directory(const Directory& directory) {
  if (directory.entries > kMaxEntries) {
    fail(fmt::format("a zip archive of {} entries; at most {} are read", directory.entries,
                     kMaxEntries));
  }
  ByteReader reader(archive_.subspan(directory.offset, directory.size), label_ + ": zip directory");
  for (uint64_t i = 0; i < directory.entries; ++i) {
    if (reader.u32() != kDirectoryHeader)
      fail(fmt::format("damaged zip archive: entry {} of its directory", i));
    reader.skip(4);  // versions
    const uint16_t flags = reader.u16();
    const uint16_t method = reader.u16();
    reader.skip(4);  // time, date
    ZipEntry entry;
    entry.crc = reader.u32();
    uint64_t packed_size = reader.u32();
    entry.size = reader.u32();
    const uint16_t name_length = reader.u16();
    const uint16_t extra_length = reader.u16();
    const uint16_t comment_length = reader.u16();
    reader.skip(2 + 2 + 4);  // disk, attributes
    entry.header_offset = reader.u32();
    entry.name = std::string(reader.text(name_length));
    const auto extra = reader.bytes(extra_length);
    reader.skip(comment_length);
    uint64_t* const fields[] = {&entry.size, &packed_size, &entry.header_offset};
    apply_zip64(extra, label_ + ": zip64 field of " + entry.name, fields);

    if (flags & kEncrypted) fail(fmt::format("'{}' in the zip archive is encrypted", entry.name));
    if (method != kStored && method != kDeflated) {
      fail(
          fmt::format("'{}' in the zip archive is packed by method {}; only stored (0) and "
                      "deflated (8) are read",
                      entry.name, method));
    }
    entry.deflated = method == kDeflated;
    check_local_header(entry, packed_size, directory.offset);
    if (!index_.add(entry.name))
      fail(fmt::format("damaged zip archive: two entries are named '{}'", entry.name));
    entries_.push_back(std::move(entry));
  }
}

void ZipArchive::check_local_header(ZipEntry& entry, uint64_t packed_size,
                                    uint64_t directory_offset) const {
  const auto wrong = [&](std::string_view what) {
    fail(fmt::format("damaged zip archive: '{}': {}", entry.name, what));
  };
  if (entry.header_offset >= directory_offset) wrong("its header lies outside the archive");
  ByteReader reader(archive_.first(directory_offset), label_ + ": " + entry.name,
                    entry.header_offset);
  if (reader.u32() != kLocalHeader) wrong("no local header where the directory points");
  reader.skip(2);  // version
  const uint16_t flags = reader.u16();
  const uint16_t method = reader.u16();
  reader.skip(4);  // time, date
  const uint32_t crc = reader.u32();
  uint64_t local_packed_size = reader.u32();
  uint64_t local_size = reader.u32();
  const uint16_t name_length = reader.u16();
  const uint16_t extra_length = reader.u16();
  if (reader.text(name_length) != entry.name)
    wrong("its local header has another name than the directory");
  const auto extra = reader.bytes(extra_length);
  if (method != (entry.deflated ? kDeflated : kStored))
    wrong("its local header has another packing method");
  if (flags & kEncrypted) wrong("it is encrypted");
  if ((flags & kSizesFollow) == 0) {
    uint64_t* const fields[] = {&local_size, &local_packed_size};
    apply_zip64(extra, label_ + ": " + entry.name, fields);
    if (local_size != entry.size || local_packed_size != packed_size || crc != entry.crc) {
      wrong("its local header has other sizes than the directory");
    }
  }
  if (!entry.deflated && packed_size != entry.size) wrong("stored, yet its two sizes differ");
  if (packed_size > reader.left()) wrong("its bytes lie outside the archive");
  entry.packed = reader.bytes(packed_size);
}

void ZipArchive::check_overlaps() const {
  std::vector<const ZipEntry*> order;
  order.reserve(entries_.size());
  for (const ZipEntry& entry : entries_) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const ZipEntry* a, const ZipEntry* b) {
    return a->header_offset < b->header_offset;
  });
  for (std::size_t i = 1; i < order.size(); ++i) {
    const ZipEntry& before = *order[i - 1];
    const auto end =
        static_cast<uint64_t>(before.packed.data() - archive_.data()) + before.packed.size();
    if (order[i]->header_offset < end) {
      fail(fmt::format("damaged zip archive: '{}' and '{}' overlap", before.name, order[i]->name));
    }
  }
}

const ZipEntry* ZipArchive::find(std::string_view name) const {
  const auto at = index_.find(name);
  return at ? &entries_[*at] : nullptr;
}

void ZipArchive::check_crc(const ZipEntry& entry, std::span<const std::byte> unpacked) const {
  const auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(unpacked.data()), unpacked.size());
  if (crc != entry.crc) {
    fail(fmt::format("damaged zip archive: '{}' has checksum {:08x}, expected {:08x}", entry.name,
                     crc, entry.crc));
  }
}

std::shared_ptr<const std::vector<std::byte>> ZipArchive::inflate(const ZipEntry& entry,
                                                                  uint64_t most) const {
  const uint64_t reachable = entry.packed.size() * kMaxDeflateRatio + kMaxDeflateRatio;
  most = std::min({most, kMaxInflated, reachable});
  if (entry.size > most) {
    fail(fmt::format(
        "'{}' in the zip archive claims to unpack from {} to {} bytes; at most {} are unpacked",
        entry.name, entry.packed.size(), entry.size, most));
  }
  auto unpacked = std::make_shared<std::vector<std::byte>>(entry.size);
  z_stream stream{};
  // -15: raw DEFLATE, as zip holds it, with the largest window.
  if (inflateInit2(&stream, -15) != Z_OK)
    throw OutOfMemory(fmt::format("{}: no memory to unpack", label_));
  const std::unique_ptr<z_stream, decltype(&inflateEnd)> guard(&stream, &inflateEnd);
  // zlib counts in 32 bits, hence in pieces; kMaxInflated keeps the output within one.
  Bytef nowhere = 0;  // zlib refuses a null output even where nothing is to come out
  stream.next_out = unpacked->empty() ? &nowhere : reinterpret_cast<Bytef*>(unpacked->data());
  stream.avail_out = static_cast<uInt>(unpacked->size());
  uint64_t taken = 0;
  int status = Z_OK;
  while (status == Z_OK) {
    const uint64_t piece = std::min<uint64_t>(entry.packed.size() - taken, uint64_t{1} << 30);
    // zlib's interface predates const.
    stream.next_in =
        const_cast<Bytef*>(reinterpret_cast<const Bytef*>(entry.packed.data() + taken));
    stream.avail_in = static_cast<uInt>(piece);
    status = ::inflate(&stream, Z_NO_FLUSH);
    taken += piece - stream.avail_in;
    if (status == Z_OK && piece == 0) break;
  }
  if (status != Z_STREAM_END || stream.avail_out != 0 || taken != entry.packed.size()) {
    fail(fmt::format("damaged zip archive: '{}' does not unpack to its {} bytes", entry.name,
                     entry.size));
  }
  check_crc(entry, *unpacked);
  return unpacked;
}

}  // namespace sd
