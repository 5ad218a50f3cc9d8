#include "weights/sniff.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include "sd/core/error.h"
#include "weights/byte_reader.h"
#include "weights/legacy_ckpt_source.h"

namespace sd {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kLocalHeader = "PK\x03\x04";
constexpr std::string_view kEmptyZip = "PK\x05\x06";
constexpr std::string_view kGguf = "GGUF";

struct Magic {
  std::string_view bytes;
  std::string_view what;
};

constexpr std::array kMagics = {
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

// Models of other programs.
constexpr std::array kOtherModels = {
    Magic{"\x89HDF\r\n"sv, "an HDF5 file (Keras)"},
    Magic{"ftrt"sv, "a TensorRT engine"},
    Magic{"ptrt"sv, "a TensorRT engine"},
};

/// Eight bytes of length, the upper four of them zero, then a JSON object. Asked first: the lower
/// bytes may look like any of the magic numbers.
bool is_safetensors(std::string_view start) {
  return start.size() > 8 && start.substr(4, 5) == "\0\0\0\0{"sv;
}

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

/// An ONNX ModelProto: field 1 (a small version number), then the producer's name, the operator
/// sets or the graph (onnx.proto).
bool is_onnx(std::string_view start) {
  return start.size() > 4 && start[0] == '\x08' && start[1] > 0 && start[1] < 64 &&
         (start[2] == '\x12' || start[2] == '\x3a' || start[2] == '\x42');
}

/// A MessagePack map whose first key is a text, as flax.serialization writes parameters.
bool is_flax(std::string_view start) {
  const auto byte = [&](std::size_t i) {
    return i < start.size() ? static_cast<unsigned char>(start[i]) : 0u;
  };
  const unsigned map = byte(0);
  const std::size_t key = map == 0xde ? 3 : map == 0xdf ? 5 : map > 0x80 && map < 0x90 ? 1 : 0;
  return key > 0 && ((byte(key) > 0xa0 && byte(key) < 0xc0) || byte(key) == 0xd9);
}

bool is_tar(std::string_view start) {
  return start.size() >= 262 && start.substr(257, 5) == "ustar";
}

/// torch.save wrote a tar archive of these before 0.1.10.
bool is_oldest_ckpt(std::string_view start) {
  constexpr std::array kMembers = {"sys_info"sv, "pickle"sv, "storages"sv, "tensors"sv};
  const auto name = start.substr(0, start.find('\0'));
  return is_tar(start) && std::find(kMembers.begin(), kMembers.end(), name) != kMembers.end();
}

/// Names a model that another program reads; empty for anything else.
std::string_view other_model(std::string_view start) {
  for (const Magic& magic : kOtherModels) {
    if (start.starts_with(magic.bytes)) return magic.what;
  }
  if (start.size() >= 8 && start.substr(4, 4) == "TFL3") return "a TensorFlow Lite model";
  if (is_oldest_ckpt(start)) return "a checkpoint of PyTorch before 0.1.10 (a tar archive)";
  if (is_onnx(start)) return "an ONNX model";
  if (is_flax(start)) return "a Flax (JAX) checkpoint";
  return "";
}

bool is_ascii_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= ' ' && c <= '~') || c == '\n' || c == '\r' || c == '\t';
  });
}

/// Says what a file is instead of a model. A function object, since lambdas cannot be [[noreturn]].
struct Refusal {
  const std::string& label;

  [[noreturn]] void operator()(std::string_view message) const {
    throw CheckpointError(fmt::format("{}: {}", label, message));
  }
};

}  // namespace

FileKind sniff(std::span<const std::byte> file, const std::string& label) {
  const Refusal fail{label};
  const auto start = as_text(file.first(std::min<std::size_t>(file.size(), 512)));
  if (file.empty()) fail("the file is empty. Download or copy it again.");
  if (is_safetensors(start)) return FileKind::kSafetensors;
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
  if (start.starts_with(kLegacyCkptMagic)) return FileKind::kLegacyCkpt;
  if (start.starts_with(kGguf)) return FileKind::kGguf;
  if (start.size() >= 2 && start[0] == '\x80' && start[1] >= 2 && start[1] <= 5) {
    fail("a Python pickle, but not a PyTorch checkpoint");
  }
  for (const Magic& magic : kMagics) {
    if (start.starts_with(magic.bytes)) fail(magic.what);
  }
  if (const auto other = other_model(start); !other.empty()) {
    fail(fmt::format("{}, which is not supported; take the model's .safetensors or .ckpt", other));
  }
  if (is_tar(start)) fail("a tar archive; unpack it first");
  if (is_ascii_text(start)) fail("a text file, not a model");
  if (start.size() <= 8)
    fail(fmt::format("truncated to {} bytes. Download or copy it again.", file.size()));
  if (start[8] == '{') return FileKind::kSafetensors;  // of a length that lies
  fail("neither a .ckpt nor a .safetensors or GGUF file nor anything else that is known here");
}

}  // namespace sd
