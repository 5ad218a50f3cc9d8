#include "sd/text/sentence_piece_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "sd/core/error.h"
#include "sd/core/mapped_file.h"
#include "text/sentence_piece_file.h"
#include "text/sentence_piece_library.h"
#include "text/specials.h"
#include "text/unicode.h"

namespace sd {
namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{64} << 20;  // T5's has 800 kB

/// `text` without the white space it begins and ends with; `begin` moves along.
std::string_view trimmed(std::string_view text, std::size_t& begin) {
  const auto chars = decode_utf8(text);
  const auto is_space = [](const SourceChar& c) { return char_class(c.code) == CharClass::kSpace; };
  const auto first = std::ranges::find_if_not(chars, is_space);
  if (first == chars.end()) return text;  // nothing else: the space itself is what it came from
  const auto last = std::find_if_not(chars.rbegin(), chars.rend(), is_space);
  begin += first->begin;
  return text.substr(first->begin, last->end - first->begin);
}

/// A text as it is encoded, and where each of its bytes came from.
struct Prepared {
  std::string text;
  std::vector<SourceChar> source;  // of each byte

  /// The bytes [begin, end) of the prompt that bytes [first, last) came from.
  Token token(int64_t id, std::size_t first, std::size_t last, std::size_t at_end) const {
    if (first >= last) {
      const std::size_t place = first < source.size() ? source[first].begin : at_end;
      return {id, place, place};
    }
    return {id, source[first].begin, source[last - 1].end};
  }
};

Prepared prepare(std::string_view text, std::size_t offset, bool lower_case) {
  auto chars = decode_utf8(text, offset);
  if (lower_case) chars = to_lower(std::move(chars));
  Prepared prepared;
  for (const SourceChar& c : chars) {
    append_utf8(c.code, prepared.text);
    prepared.source.resize(prepared.text.size(), c);
  }
  return prepared;
}

}  // namespace

struct SentencePieceTokenizer::Model {
  const SentencePieceModule& library = sentence_piece_library();
  void* handle = nullptr;
  bool lower_case = false;
  std::vector<std::pair<std::string, int64_t>> specials;
  std::vector<SpecialText> special_texts;  // of those
  std::string label;

  Model(std::string_view bytes, std::string name, const SentencePieceConfig& config)
      : lower_case(config.lower_case), label(std::move(name)) {
    check_sentence_piece_file(bytes, label);
    std::array<char, 512> reason{};
    handle = library.open(bytes.data(), bytes.size(), reason.data(), reason.size());
    if (handle == nullptr) {
      throw CheckpointError(
          fmt::format("{}: this is no SentencePiece model: {}", label, reason.data()));
    }
    for (const auto& text : config.specials) specials.emplace_back(text, 0);
    std::erase_if(specials, [&](auto& special) {
      special.second = library.id(handle, special.first.c_str());
      return special.first.empty() || special.second < 0;
    });
    for (const auto& [text, id] : specials) special_texts.push_back({text, id});
  }
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;
  ~Model() {
    if (handle != nullptr) library.close(handle);
  }

  int64_t id_of(const std::string& piece) const {
    const int id = library.id(handle, piece.c_str());
    if (id >= 0) return id;
    throw CheckpointError(fmt::format(
        "{}: it has no piece '{}', which the tokenizer's configuration names", label, piece));
  }

  /// Text without specials; its first byte is byte `offset` of the prompt.
  void append_plain(std::string_view text, std::size_t offset, std::vector<Token>& tokens) const {
    const auto prepared = prepare(text, offset, lower_case);
    struct Taking {
      const Prepared& prepared;
      std::size_t end;
      std::vector<Token>& tokens;
    } taking{prepared, offset + text.size(), tokens};
    const auto take = [](void* context, int id, std::size_t begin, std::size_t end) {
      auto& [source, text_end, taken] = *static_cast<Taking*>(context);
      end = std::min(end, source.text.size());
      begin = std::min(begin, end);
      const auto part = trimmed(std::string_view(source.text).substr(begin, end - begin), begin);
      taken.push_back(source.token(id, begin, begin + part.size(), text_end));
    };
    if (!library.encode(handle, prepared.text.data(), prepared.text.size(), &taking, take)) {
      throw OutOfMemory(fmt::format("{}: a text could not be encoded", label));
    }
  }
};

namespace {

std::string_view bytes_of(const MappedFile& file, const std::string& label) {
  if (file.size() > kMaxFileBytes) {
    throw CheckpointError(fmt::format("{}: {} bytes; a SentencePiece model of at most {} is read",
                                      label, file.size(), kMaxFileBytes));
  }
  const auto bytes = file.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

SentencePieceTokenizer::SentencePieceTokenizer(std::shared_ptr<const Model> model,
                                               const SentencePieceConfig& config, int64_t length)
    : Tokenizer({.begin = std::nullopt,
                 .end = model->id_of(config.end),
                 .padding = model->id_of(config.padding)},
                length),
      model_(std::move(model)) {}

SentencePieceTokenizer::SentencePieceTokenizer(std::string_view bytes, const std::string& label,
                                               const SentencePieceConfig& config, int64_t length)
    : SentencePieceTokenizer(std::make_shared<const Model>(bytes, label, config), config, length) {}

SentencePieceTokenizer::SentencePieceTokenizer(const SentencePieceConfig& config, int64_t length)
    : SentencePieceTokenizer(bytes_of(*MappedFile::open(config.model), config.model), config.model,
                             config, length) {}

std::vector<Token> SentencePieceTokenizer::tokenize(std::string_view text) const {
  return tokenize_between(
      text, model_->special_texts,
      [this](std::string_view part, std::size_t offset, std::vector<Token>& tokens) {
        model_->append_plain(part, offset, tokens);
      });
}

std::string SentencePieceTokenizer::decode(int64_t id) const {
  if (id < 0 || id >= vocabulary()) {
    throw UsageError(
        fmt::format("token id {} is outside the vocabulary [0, {})", id, vocabulary()));
  }
  return model_->library.piece(model_->handle, static_cast<int>(id));
}

int64_t SentencePieceTokenizer::vocabulary() const { return model_->library.size(model_->handle); }

}  // namespace sd
