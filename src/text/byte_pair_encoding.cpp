#include "text/byte_pair_encoding.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <queue>
#include <utility>

#include "sd/core/error.h"
#include "text/unicode.h"

namespace sd {
namespace {

constexpr int32_t kBytes = 256;
constexpr std::string_view kEndOfWord = "</w>";

uint64_t pair_key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

bool is_printable(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

/// GPT-2's order of the bytes: the printable ones of Latin-1, then the others.
std::vector<int> byte_order() {
  std::vector<int> order;
  for (const bool printable : {true, false}) {
    for (int byte = 0; byte < kBytes; ++byte) {
      if (is_printable(byte) == printable) order.push_back(byte);
    }
  }
  return order;
}

/// The symbols that spell the bytes in `merges.txt`: themselves if printable, else U+0100 and on in
/// order.
std::vector<std::string> byte_spellings(const std::vector<int>& order) {
  std::vector<std::string> spellings;
  char32_t substitute = 0x100;
  for (const int byte : order) {
    append_utf8(is_printable(byte) ? static_cast<char32_t>(byte) : substitute++,
                spellings.emplace_back());
  }
  return spellings;
}

/// The lines of `text` behind its first, which is a comment.
std::vector<std::string_view> merge_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  std::size_t begin = text.find('\n');
  while (begin != std::string_view::npos && ++begin < text.size()) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end < text.size() ? end : std::string_view::npos;
  }
  return lines;
}

/// A doubly linked list in a vector, so that a merge costs constant time.
struct Link {
  BytePairEncoding::Piece piece;
  int64_t previous = -1;
  int64_t next = -1;
  bool alive = true;
};

}  // namespace

BytePairEncoding::BytePairEncoding(std::string_view merges) : id_of_byte_(kBytes) {
  const auto order = byte_order();
  const auto lines = merge_lines(merges);
  const std::size_t count = 2 * kBytes + lines.size();
  // By id, end of word included, and back. The views stay valid: reserved strings are not moved.
  std::vector<std::string> spellings;
  std::unordered_map<std::string_view, int32_t> ids;
  spellings.reserve(count);
  ids.reserve(count);
  symbols_.reserve(count);
  merged_.reserve(lines.size());
  const auto add = [&](std::string spelling, std::string symbol) {
    const auto id = static_cast<int32_t>(symbols_.size());
    ids.emplace(spellings.emplace_back(std::move(spelling)), id);
    symbols_.push_back(std::move(symbol));
    return id;
  };

  const auto byte_symbols = byte_spellings(order);
  for (const bool word_end : {false, true}) {
    for (std::size_t i = 0; i < order.size(); ++i) {
      const std::string byte(1, static_cast<char>(order[i]));
      const auto id = word_end ? add(byte_symbols[i] + std::string(kEndOfWord), byte + " ")
                               : add(byte_symbols[i], byte);
      if (!word_end) id_of_byte_[static_cast<std::size_t>(order[i])] = id;
    }
  }
  for (const std::string_view line : lines) {
    const std::size_t space = std::min(line.find(' '), line.size());
    const auto left = ids.find(line.substr(0, space));
    const auto right = ids.find(line.substr(std::min(space + 1, line.size())));
    if (left == ids.end() || right == ids.end()) {
      throw Error(fmt::format("merge {} of the byte-pair encoding is damaged: '{}'",
                              symbols_.size() - 2 * kBytes, line));
    }
    const auto pair = pair_key(left->second, right->second);
    const auto id = add(std::string(left->first).append(right->first),
                        bytes(left->second) + bytes(right->second));
    merged_.emplace(pair, id);
  }
}

std::vector<BytePairEncoding::Piece> BytePairEncoding::encode(std::string_view word) const {
  std::vector<Link> links(word.size());
  for (std::size_t i = 0; i < word.size(); ++i) {
    const int32_t id = id_of_byte_[static_cast<unsigned char>(word[i])];
    const bool last = i + 1 == word.size();
    links[i].piece = {last ? id + kBytes : id, i, i + 1};
    links[i].previous = static_cast<int64_t>(i) - 1;
    links[i].next = last ? -1 : static_cast<int64_t>(i) + 1;
  }
  // The id that `left` and its neighbour make, or -1.
  const auto merge_at = [&](int64_t left) -> int32_t {
    const Link& link = links[static_cast<std::size_t>(left)];
    if (link.next < 0) return -1;
    const auto found =
        merged_.find(pair_key(link.piece.id, links[static_cast<std::size_t>(link.next)].piece.id));
    return found == merged_.end() ? -1 : found->second;
  };
  // Earliest merge first, then the leftmost. Entries are not taken back when a neighbour changes,
  // but checked.
  using Candidate = std::pair<int32_t, int64_t>;
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> candidates;
  const auto propose = [&](int64_t left) {
    if (const int32_t id = left < 0 ? -1 : merge_at(left); id >= 0) candidates.emplace(id, left);
  };
  for (std::size_t i = 0; i < word.size(); ++i) propose(static_cast<int64_t>(i));
  while (!candidates.empty()) {
    const auto [id, left] = candidates.top();
    candidates.pop();
    Link& link = links[static_cast<std::size_t>(left)];
    if (!link.alive || merge_at(left) != id) continue;
    Link& gone = links[static_cast<std::size_t>(link.next)];
    gone.alive = false;
    link.piece = {id, link.piece.begin, gone.piece.end};
    link.next = gone.next;
    if (link.next >= 0) links[static_cast<std::size_t>(link.next)].previous = left;
    propose(link.previous);
    propose(left);
  }
  std::vector<Piece> pieces;
  for (const Link& link : links) {
    if (link.alive) pieces.push_back(link.piece);
  }
  return pieces;
}

std::vector<std::string> spelled_vocabulary(std::string_view merges) {
  auto spellings = byte_spellings(byte_order());
  for (int byte = 0; byte < kBytes; ++byte) {
    const auto& spelling = spellings[static_cast<std::size_t>(byte)];
    spellings.push_back(spelling + std::string(kEndOfWord));
  }
  for (const std::string_view line : merge_lines(merges)) {
    std::string& joined = spellings.emplace_back(line);
    joined.erase(std::min(joined.find(' '), joined.size() - 1), 1);
  }
  return spellings;
}

}  // namespace sd
