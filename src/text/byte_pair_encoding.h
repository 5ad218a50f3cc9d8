#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace sd {

/// CLIP's byte-pair encoding: byte symbols 0..255, the same at the end of a word 256..511, then one
/// id a merge.
class BytePairEncoding {
 public:
  /// One id and the bytes [begin, end) of the word it stands for.
  struct Piece {
    int32_t id = 0;
    std::size_t begin = 0;
    std::size_t end = 0;
  };

  /// `merges`: a comment line, then two symbols a line in GPT-2's spelling of bytes. Throws Error
  /// if a line is none.
  explicit BytePairEncoding(std::string_view merges);

  /// The ids of one word (any bytes), in O(n log n).
  std::vector<Piece> encode(std::string_view word) const;

  /// How many ids there are, specials not counted.
  int64_t size() const { return static_cast<int64_t>(symbols_.size()); }

  /// The bytes of an id in [0, size()); an end of word is written as a space.
  const std::string& bytes(int64_t id) const { return symbols_[static_cast<std::size_t>(id)]; }

 private:
  std::vector<std::string> symbols_;
  std::unordered_map<uint64_t, int32_t> merged_;  // pair of ids -> id; a smaller id merges earlier
  std::vector<int32_t> id_of_byte_;
};

/// How vocabularies spell the ids of these merges, in order ("</w>" ends a word).
std::vector<std::string> spelled_vocabulary(std::string_view merges);

}  // namespace sd
