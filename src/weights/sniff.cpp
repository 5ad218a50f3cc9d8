#include "weights/sniff.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include "sd/core/error.h"
#include "weights/byte_reader.h"

namespace sd {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kLocalHeader = "PK\x03\x04";
constexpr std::string_view kEmptyZip = "PK\x05\x06";
// torch.save before PyTorch 1.6 wrote several pickles in a row, the first of them this number
// (0x1950a86a20f9469cfc6c).
constexpr std::string_view kLegacyMagic =
    "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"sv;

struct Magic {
  std::string_view bytes;
  std::string_view what;
};

constexpr std::array kMagics = {
    Magic{"GGUF"sv, "a GGUF file; take the model's .safetensors or .ckpt"},
    Magic{"\x89HDF\r\n"sv, "an HDF5 file (Keras); take the model's .safetensors or .ckpt"},
    Magic{"\x89PNG"sv, "a PNG picture, not a model"},
    Magic{"\xff\xd8\xff"sv, "a JPEG picture, not a model"},
    Magic{"RIFF"sv, "a WebP picture or a sound, not a model"},
    Magic{"\x1f\x8b"sv, "packed by gzip; unpack it first"},
    Magic{"7z\xbc\xaf\x27\x1c"sv, "a 7z archive; unpack it first"},
    Magic{"Rar!"sv, "a RAR archive; unpack it first"},
    Magic{"\x28\xb5\x2f\xfd"sv, "packed by zstd; unpack it first"},
    Magic{"\xfd\x37zXZ"sv, "packed by xz; unpack it first"},
    Magic{"%PDF"sv, "a PDF document, not a model"},
    Magic{"\x7f"
          "ELF"sv,
          "a program, not a model"},
};

bool starts_with_ignoring_case(std::string_view text, std::string_view start) {
  return text.size() >= start.size() &&
         std::equal(start.begin(), start.end(), text.begin(), [](char wanted, char found) {
           return wanted == static_cast<char>(std::tolower(static_cast<unsigned char>(found)));
         });
}

/// A download whose link led to a page (a login, an error, a licence) instead of the file.
bool is_html(std::string_view text) {
  const auto start = text.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos) return false;
  text.remove_prefix(start);
  return starts_with_ignoring_case(text, "<!doctype") || starts_with_ignoring_case(text, "<html") ||
         starts_with_ignoring_case(text, "<?xml") || starts_with_ignoring_case(text, "<head");
}

bool is_ascii_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= ' ' && c <= '~') || c == '\n' || c == '\r' || c == '\t';
  });
}

}  // namespace

FileKind sniff(std::span<const std::byte> file, const std::string& label) {
  const auto fail = [&](std::string_view message) {
    throw CheckpointError(fmt::format("{}: {}", label, message));
  };
  const auto start = as_text(file.first(std::min<std::size_t>(file.size(), 512)));
  if (file.empty()) fail("the file is empty. Download or copy it again.");
  if (start.starts_with(kLocalHeader) || start.starts_with(kEmptyZip)) return FileKind::kZip;
  if (start.starts_with("version https://git-lfs.github.com/")) {
    fail(
        "a Git LFS pointer, not the model itself. Run 'git lfs pull' in its repository, or "
        "download the file.");
  }
  if (is_html(start)) {
    fail(
        "an HTML page, not a model: the download led to a web page (a login or an error?). Open it "
        "in a browser to "
        "see.");
  }
  if (start.starts_with(kLegacyMagic)) {
    fail(
        "a checkpoint of PyTorch before 1.6 (pickles without a zip), which is not read. Save it "
        "anew with Python, if "
        "you trust it: torch.save(torch.load('old.ckpt', map_location='cpu', weights_only=True), "
        "'new.ckpt')");
  }
  if (start.size() >= 2 && start[0] == '\x80' && start[1] >= 2 && start[1] <= 5) {
    fail("a Python pickle, but not a PyTorch checkpoint");
  }
  for (const Magic& magic : kMagics) {
    if (start.starts_with(magic.bytes)) fail(magic.what);
  }
  if (is_ascii_text(start)) fail("a text file, not a model");
  if (start.size() <= 8)
    fail(fmt::format("truncated to {} bytes. Download or copy it again.", file.size()));
  if (start[8] == '{') return FileKind::kSafetensors;  // after 8 bytes of length, the JSON header
  fail("neither a .ckpt (zip) nor a .safetensors file nor anything else that is known here");
  return FileKind::kZip;
}

}  // namespace sd
