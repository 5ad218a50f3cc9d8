#include "sd/image/whole.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "core/posix_file.h"
#include "image/bytes.h"
#include "image/png_chunks.h"
#include "sd/core/error.h"
#include "sd/core/mapped_file.h"
#include "sd/image/metadata.h"

namespace sd {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kEnd = 12;  // a PNG's last chunk, the header of a WebP
constexpr std::string_view kPngEnd = "\0\0\0\0IEND\xAE\x42\x60\x82"sv;

bool is_whole(std::string_view start, std::string_view end, uint64_t size) {
  if (start.starts_with(kPngSignature)) return end == kPngEnd;
  if (start.starts_with("\xFF\xD8\xFF"sv)) return end.ends_with("\xFF\xD9"sv);
  if (!start.starts_with("RIFF"sv) || !start.ends_with("WEBP"sv)) return false;
  uint64_t promised = 0;
  for (std::size_t i = 0; i < 4; ++i)
    promised |= uint64_t{static_cast<unsigned char>(start[4 + i])} << (8 * i);
  // The size stands at the beginning: zeros at the end are of a file that was not written to it.
  return promised + 8 == size && end.find_first_not_of('\0') != end.npos;
}

}  // namespace

bool ends_as_picture(const std::filesystem::path& path) {
  // Not blocking: the name may be a FIFO's by now.
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  struct stat about {};
  if (file.get() < 0 || ::fstat(file.get(), &about) != 0 || !S_ISREG(about.st_mode)) return false;
  if (about.st_size < static_cast<off_t>(2 * kEnd)) return false;
  std::array<char, kEnd> start{}, end{};
  constexpr auto kAll = static_cast<ssize_t>(kEnd);
  const off_t last = about.st_size - static_cast<off_t>(kEnd);
  if (::pread(file.get(), start.data(), kEnd, 0) != kAll) return false;
  if (::pread(file.get(), end.data(), kEnd, last) != kAll) return false;
  return is_whole({start.data(), kEnd}, {end.data(), kEnd}, static_cast<uint64_t>(about.st_size));
}

bool may_be_cut(const std::filesystem::path& path) {
  if (ends_as_picture(path)) return false;
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  struct stat about {};
  if (file.get() < 0 || ::fstat(file.get(), &about) != 0 || !S_ISREG(about.st_mode)) return false;
  if (about.st_size == 0) return true;
  std::array<char, 4> start{};
  const auto count = ::pread(file.get(), start.data(), start.size(), 0);
  if (count <= 0) return false;
  const std::string_view found(start.data(), static_cast<std::size_t>(count));
  constexpr std::array kStarts = {kPngSignature.substr(0, 4), "\xFF\xD8\xFF"sv, "RIFF"sv,
                                  "\0\0\0\0"sv};
  return std::any_of(kStarts.begin(), kStarts.end(), [&](std::string_view known) {
    return known.starts_with(found) || found.starts_with(known);
  });
}

std::vector<PngText> leading_texts(const std::filesystem::path& path) {
  constexpr std::size_t kMost = std::size_t{1} << 20;
  std::vector<PngText> texts;
  try {
    const auto file = MappedFile::open(path);
    const auto start = file->bytes().first(std::min(file->bytes().size(), kMost));
    if (!text_of(start).starts_with(kPngSignature)) return parse_metadata(file->bytes()).texts;
    std::size_t budget = kPngTextBudget;
    for_each_png_chunk(start, [&](const PngChunk& chunk) {
      if (is_png_text(chunk)) texts.push_back(parse_png_text(chunk, budget));
    });
  } catch (const Error&) {
    // It ends here, or what follows is no text.
  }
  return texts;
}

bool is_remainder_of(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(std::filesystem::symlink_status(path, error))) return false;
  if (std::filesystem::file_size(path, error) == 0) return !error;
  try {
    const auto file = MappedFile::open(path);
    const auto found = file->bytes();
    if (found.size() > bytes.size()) return false;
    const auto first_other = std::mismatch(found.begin(), found.end(), bytes.begin()).first;
    const bool zeros =
        std::all_of(first_other, found.end(), [](std::byte byte) { return byte == std::byte{0}; });
    return zeros && (found.size() < bytes.size() || first_other != found.end());
  } catch (const Error&) {
    return false;  // it is gone, or cannot be read
  }
}

}  // namespace sd
