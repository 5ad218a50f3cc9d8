#include "sd/core/npy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <bit>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "sd/core/error.h"
#include "sd/core/mapped_file.h"

namespace sd {
namespace {

static_assert(std::endian::native == std::endian::little,
              "values are copied as they lie in the file");

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kMaxHeader = 65536;  // NumPy itself reads at most 10,000
constexpr int64_t kMaxValues = int64_t{1} << 31;
constexpr std::size_t kMaxDimensions = 32;  // NumPy's limit before version 2

struct Header {
  std::optional<std::string> descr;
  std::optional<bool> fortran_order;
  std::optional<std::vector<int64_t>> shape;
};

[[noreturn]] void fail(const std::string& what) {
  throw IoError("not a usable .npy array: " + what);
}

/// Reads the Python dictionary literal that describes the array; only the three keys NumPy writes
/// are known.
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : text_(text) {}

  Header parse() {
    Header header;
    expect('{');
    while (!accept('}')) {
      const std::string key = string();
      expect(':');
      if (key == "descr") {
        header.descr = string();
      } else if (key == "fortran_order") {
        header.fortran_order = boolean();
      } else if (key == "shape") {
        header.shape = tuple();
      } else {
        fail(fmt::format("unknown key '{}' in the header", key));
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (position_ != text_.size()) fail("text after the header's dictionary");
    return header;
  }

 private:
  void skip_space() {
    while (position_ < text_.size() && (text_[position_] == ' ' || text_[position_] == '\n')) {
      ++position_;
    }
  }

  bool accept(char wanted) {
    skip_space();
    if (position_ == text_.size() || text_[position_] != wanted) return false;
    ++position_;
    return true;
  }

  void expect(char wanted) {
    if (!accept(wanted))
      fail(fmt::format("expected '{}' at byte {} of the header", wanted, position_));
  }

  std::string string() {
    const char quote = accept('"') ? '"' : '\'';
    if (quote == '\'' && !accept('\'')) {
      fail(fmt::format("expected a string at byte {} of the header (a dtype with fields?)",
                       position_));
    }
    const std::size_t end = text_.find(quote, position_);
    if (end == std::string_view::npos) fail("a string in the header has no end");
    std::string value(text_.substr(position_, end - position_));
    position_ = end + 1;
    return value;
  }

  bool boolean() {
    skip_space();
    for (const bool value : {false, true}) {
      const std::string_view word = value ? "True" : "False";
      if (text_.substr(position_, word.size()) == word) {
        position_ += word.size();
        return value;
      }
    }
    fail(fmt::format("expected True or False at byte {} of the header", position_));
  }

  int64_t integer() {
    skip_space();
    const std::size_t start = position_;
    int64_t value = 0;
    while (position_ < text_.size() && text_[position_] >= '0' && text_[position_] <= '9') {
      value = value * 10 + (text_[position_] - '0');
      if (value > kMaxValues) fail(fmt::format("a dimension above {}", kMaxValues));
      ++position_;
    }
    if (position_ == start) fail(fmt::format("expected a number at byte {} of the header", start));
    return value;
  }

  std::vector<int64_t> tuple() {
    std::vector<int64_t> values;
    expect('(');
    while (!accept(')')) {
      if (values.size() == kMaxDimensions)
        fail(fmt::format("more than {} dimensions", kMaxDimensions));
      values.push_back(integer());
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return values;
  }

  std::string_view text_;
  std::size_t position_ = 0;
};

/// Product of `shape`; none if a dimension is negative or the product exceeds kMaxValues.
std::optional<int64_t> count_values(std::span<const int64_t> shape) {
  bool empty = false;
  int64_t count = 1;
  for (const int64_t size : shape) {
    if (size < 0 || size > kMaxValues) return std::nullopt;
    if (size == 0) {
      empty = true;
    } else if (count > kMaxValues / size) {
      return std::nullopt;
    } else {
      count *= size;
    }
  }
  return empty ? 0 : count;
}

/// Where the header's text lies, after magic, version and length.
std::string_view header_text(std::string_view file) {
  constexpr std::size_t kVersionEnd = 8;
  if (!file.starts_with(kMagic)) fail("it does not begin with NumPy's signature");
  if (file.size() < kVersionEnd) fail("it ends before its version");
  const int major = static_cast<unsigned char>(file[6]);
  if (major < 1 || major > 3) fail(fmt::format("format version {}, expected 1, 2 or 3", major));
  const std::size_t width = major == 1 ? 2 : 4;
  if (file.size() < kVersionEnd + width) fail("it ends before its header");
  std::size_t length = 0;
  for (std::size_t i = width; i-- > 0;) {
    length = length << 8 | static_cast<unsigned char>(file[kVersionEnd + i]);
  }
  if (length > kMaxHeader)
    fail(fmt::format("a header of {} bytes, at most {} expected", length, kMaxHeader));
  const std::size_t start = kVersionEnd + width;
  if (length > file.size() - start) {
    fail(fmt::format("a header of {} bytes, but only {} follow", length, file.size() - start));
  }
  return file.substr(start, length);
}

}  // namespace

NpyArray parse_npy(std::span<const std::byte> bytes) {
  const std::string_view file(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::string_view text = header_text(file);
  const Header header = HeaderParser(text).parse();
  if (!header.descr || !header.fortran_order || !header.shape) {
    fail("its header lacks 'descr', 'fortran_order' or 'shape'");
  }
  if (*header.descr != "<f4") {
    fail(fmt::format("expected float32 ('<f4'), found '{}'. Save it with array.astype('float32')",
                     *header.descr));
  }
  if (*header.fortran_order) {
    fail("expected C order, found Fortran order. Save it with numpy.ascontiguousarray(array)");
  }
  const auto count = count_values(*header.shape);
  if (!count)
    fail(fmt::format("shape ({}) has more than {} values", fmt::join(*header.shape, ", "),
                     kMaxValues));

  const std::size_t start = static_cast<std::size_t>(text.data() - file.data()) + text.size();
  const std::span<const std::byte> payload = bytes.subspan(start);
  const std::size_t expected = static_cast<std::size_t>(*count) * sizeof(float);
  if (payload.size() != expected) {
    fail(fmt::format("shape ({}) takes {} bytes, found {}", fmt::join(*header.shape, ", "),
                     expected, payload.size()));
  }
  NpyArray array{*header.shape, std::vector<float>(static_cast<std::size_t>(*count))};
  if (expected > 0) std::memcpy(array.values.data(), payload.data(), expected);
  return array;
}

NpyArray read_npy(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  try {
    return parse_npy(file->bytes());
  } catch (const IoError& error) {
    throw IoError(fmt::format("{}: {}", path.string(), error.what()));
  }
}

std::vector<std::byte> encode_npy(std::span<const int64_t> shape, std::span<const float> values) {
  const auto count = count_values(shape);
  if (!count || static_cast<std::size_t>(*count) != values.size()) {
    throw Error(fmt::format("cannot write {} values as an array of shape ({})", values.size(),
                            fmt::join(shape, ", ")));
  }
  // A tuple of one needs its comma: (3,).
  const std::string tuple =
      fmt::format("({}{})", fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
  std::string header =
      fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': {}, }}", tuple);
  constexpr std::size_t kAlignment = 64;  // so that the values may be mapped
  constexpr std::size_t kPrefix = 10;     // signature, version, length
  header.append(kAlignment - 1 - (kPrefix + header.size()) % kAlignment, ' ');
  header += '\n';

  std::string file(kMagic);
  file += '\x01';
  file += '\x00';
  file += static_cast<char>(header.size() & 0xff);
  file += static_cast<char>(header.size() >> 8);
  file += header;
  std::vector<std::byte> bytes(file.size() + values.size_bytes());
  std::memcpy(bytes.data(), file.data(), file.size());
  if (!values.empty()) std::memcpy(bytes.data() + file.size(), values.data(), values.size_bytes());
  return bytes;
}

}  // namespace sd
