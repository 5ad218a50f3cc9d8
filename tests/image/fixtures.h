#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <fstream>
#include <iterator>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "sd/core/error.h"
#include "sd/image/image.h"

namespace sd::test {

inline std::string image_path(const std::string& name) {
  std::string path(SD_TEST_DATA "/image/");
  path += name;  // g++ 12 takes operator+ for an overflow here
  return path;
}

inline std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

inline std::vector<std::byte> to_bytes(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

/// A file of tests/data/image.
inline std::vector<std::byte> load(const std::string& name) {
  return to_bytes(read_text(image_path(name)));
}

/// What Pillow decodes the file to (tests/tools/make_image_fixtures.py).
inline Image load_expected(const std::string& name) {
  const auto text = read_text(image_path(name + ".expected"));
  const auto end = text.find('\n');
  Image image;
  std::istringstream(text.substr(0, end)) >> image.width >> image.height >> image.channels;
  image.pixels.assign(text.begin() + static_cast<std::ptrdiff_t>(end) + 1, text.end());
  return image;
}

/// The message of the IoError that `body` throws; fails the test if it throws none.
template <typename Body>
std::string io_error(const Body& body) {
  try {
    body();
  } catch (const IoError& error) {
    return error.what();
  }
  ADD_FAILURE() << "no IoError";
  return "";
}

inline std::string big_endian(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
          static_cast<char>(value >> 8), static_cast<char>(value)};
}

/// A PNG chunk with its check sum.
std::string png_chunk(const std::string& type, const std::string& body);

/// Signature and IHDR of an RGB picture.
std::string png_start(uint32_t width, uint32_t height);

/// `text` as a zlib stream.
std::string deflated(const std::string& text);

}  // namespace sd::test
