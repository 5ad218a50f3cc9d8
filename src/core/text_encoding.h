#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace sd {

enum class TextEncoding { kUtf8, kUtf16Little, kUtf16Big, kUtf32Little, kUtf32Big };

/// "UTF-16", for messages.
const char* name_of(TextEncoding encoding);

/// Reads a text of any of these encodings, byte by byte, as UTF-8. A byte order mark at the
/// beginning tells the encoding, or zeros that alternate with letters there do. The mark is left
/// out. What the encoding does not allow (half a surrogate pair, half a character at the end) comes
/// out as bytes that are not UTF-8, so that a later check for UTF-8 finds it.
class Utf8Reader {
 public:
  static constexpr int kEnd = -1;

  /// `next` gives the text's bytes, 0 to 255, and kEnd behind the last; it must outlive this.
  explicit Utf8Reader(std::function<int()> next);

  /// The next byte of UTF-8, or kEnd.
  int next();

  TextEncoding encoding() const { return encoding_; }

 private:
  void begin();
  int raw();
  char32_t unit();
  void decode();

  std::function<int()> source_;
  TextEncoding encoding_ = TextEncoding::kUtf8;
  std::string ahead_;    // bytes of the source, read to tell the encoding
  std::string decoded_;  // bytes of UTF-8 that are to be given out
  std::size_t given_ = 0;
  char32_t pending_;  // a unit that was read behind half a surrogate pair
};

/// A whole text as UTF-8, without a byte order mark, as Utf8Reader reads it.
std::string to_utf8(std::string_view text);

/// Each carriage return alone, which old editors end lines with and TOML and YAML's comments do not
/// know, as a line feed.
std::string with_line_feeds(std::string text);

}  // namespace sd
