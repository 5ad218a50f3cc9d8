#include "text/sentence_piece_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "sd/core/error.h"
#include "text/protobuf_reader.h"
#include "text/unicode.h"

namespace sd {
namespace {

// Fields of sentencepiece_model.proto.
constexpr uint64_t kPieces = 1, kNormalizer = 3, kDenormalizer = 5;
constexpr uint64_t kPieceText = 1, kPieceScore = 2;
constexpr uint64_t kCharsMap = 2;

constexpr std::size_t kMaxPieces = 1'000'000;  // 30 times those of the models that are known
constexpr std::size_t kMaxPieceBytes = 1024;
constexpr std::size_t kMaxReplacement = 256;  // bytes that one run of characters becomes

/// A double-array trie (Darts-clone) as a precompiled_charsmap holds it: 32-bit units.
class CharsTrie {
 public:
  explicit CharsTrie(std::string_view units) : units_(units) {}

  std::size_t size() const { return units_.size() / 4; }
  /// A unit that no label can reach: the value of a leaf.
  bool is_value(std::size_t i) const { return (unit(i) >> 31U) != 0; }
  bool has_leaf(std::size_t i) const { return ((unit(i) >> 8U) & 1U) != 0; }
  /// Where the children of unit i begin: child c stands at children(i) ^ c.
  std::size_t children(std::size_t i) const {
    const uint32_t bits = unit(i);
    return i ^ (static_cast<std::size_t>(bits >> 10U) << ((bits & (1U << 9U)) >> 6U));
  }
  /// What the leaf below unit i says.
  std::size_t value(std::size_t i) const { return unit(children(i)) & 0x7FFF'FFFFU; }

 private:
  uint32_t unit(std::size_t i) const {
    uint32_t value = 0;
    for (std::size_t k = 4; k-- > 0;) {
      value = value << 8U | static_cast<unsigned char>(units_[4 * i + k]);
    }
    return value;
  }
  std::string_view units_;
};

class FileCheck {
 public:
  FileCheck(std::string_view bytes, const std::string& label) : bytes_(bytes), label_(label) {}

  void run() {
    ProtobufReader model(bytes_, label_);
    while (const auto field = model.next()) {
      if (field->type != ProtobufReader::kBytes) continue;
      if (field->number == kPieces) check_piece(field->bytes);
      if (field->number == kNormalizer || field->number == kDenormalizer) {
        check_normalizer(field->bytes);
      }
    }
    if (pieces_ == 0) fail("no pieces in it");
  }

 private:
  [[noreturn]] void fail(std::string_view message) const {
    throw CheckpointError(fmt::format("{}: {}, so it is no SentencePiece model", label_, message));
  }

  void check_piece(std::string_view message) {
    if (++pieces_ > kMaxPieces) fail(fmt::format("more than {} pieces", kMaxPieces));
    ProtobufReader piece(message, label_);
    bool has_text = false;
    while (const auto field = piece.next()) {
      if (field->number == kPieceText && field->type == ProtobufReader::kBytes) {
        check_text(field->bytes);
        has_text = true;
      }
      if (field->number == kPieceScore && field->type == ProtobufReader::kFixed32 &&
          !std::isfinite(std::bit_cast<float>(static_cast<uint32_t>(field->value)))) {
        fail(fmt::format("the score of piece {} is no number", pieces_ - 1));
      }
    }
    if (!has_text) fail(fmt::format("piece {} has no text", pieces_ - 1));
  }

  void check_text(std::string_view text) const {
    const auto chars = decode_utf8(text);
    const bool broken = std::ranges::any_of(chars, [&](const SourceChar& c) {
      return c.code == 0 || (c.code == 0xFFFD && c.end - c.begin != 3);
    });
    if (text.empty() || text.size() > kMaxPieceBytes || broken) {
      fail(fmt::format("piece {} is no text of 1 to {} bytes", pieces_ - 1, kMaxPieceBytes));
    }
  }

  void check_normalizer(std::string_view message) const {
    ProtobufReader normalizer(message, label_);
    while (const auto field = normalizer.next()) {
      if (field->number == kCharsMap && field->type == ProtobufReader::kBytes &&
          !field->bytes.empty()) {
        check_chars_map(field->bytes);
      }
    }
  }

  /// The size of the trie, the trie, and the replacements with a NUL behind each.
  void check_chars_map(std::string_view map) const {
    constexpr std::size_t kHead = 4;
    constexpr std::size_t kBlock = 256;  // a trie consists of blocks with room for every label
    std::size_t size = 0;
    for (std::size_t k = std::min(kHead, map.size()); k-- > 0;) {
      size = size << 8U | static_cast<unsigned char>(map[k]);
    }
    if (map.size() < kHead || size > map.size() - kHead || size == 0 || size % (4 * kBlock) != 0) {
      fail("its table of characters is cut short or damaged");
    }
    const auto replacements = map.substr(kHead + size);
    check_replacements(replacements);
    const CharsTrie trie(map.substr(kHead, size));
    for (std::size_t i = 0; i < trie.size(); ++i) {
      const bool reached = i == 0 || !trie.is_value(i);  // the root's own mark is never asked for
      if (!reached) continue;
      const bool inside = (trie.children(i) | (kBlock - 1)) < trie.size();
      if (!inside || (trie.has_leaf(i) && trie.value(i) >= replacements.size())) {
        fail("its table of characters leads outside itself");
      }
    }
  }

  void check_replacements(std::string_view replacements) const {
    if (replacements.empty() || replacements.back() != '\0') {
      fail("its table of characters is cut short or damaged");
    }
    for (std::size_t at = 0; at < replacements.size();) {
      const std::size_t end = replacements.find('\0', at);
      if (end - at > kMaxReplacement) {
        fail(fmt::format("its table of characters has replacements of more than {} bytes",
                         kMaxReplacement));
      }
      at = end + 1;
    }
  }

  std::string_view bytes_;
  const std::string& label_;
  std::size_t pieces_ = 0;
};

}  // namespace

void check_sentence_piece_file(std::string_view bytes, const std::string& label) {
  FileCheck(bytes, label).run();
}

}  // namespace sd
