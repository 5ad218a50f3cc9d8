#include <gtest/gtest.h>

#include <string>

#include "sd/core/error.h"
#include "sd/core/sha256.h"
#include "support/temp_folder.h"

namespace sd {
namespace {

using test::as_bytes;

// Vectors of NIST's "SHA examples" and FIPS 180-2, appendix B.
TEST(Sha256, EqualsTheVectorsOfTheStandard) {
  EXPECT_EQ(sha256_hex(as_bytes("")),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex(as_bytes("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(as_bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256_hex(as_bytes(std::string(1000000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PiecesOfAnySizeGiveTheSameDigest) {
  const std::string text(200, 'x');
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    Sha256 pieces;
    for (std::size_t start = 0; start < text.size(); start += piece) {
      pieces.update(as_bytes(std::string_view(text).substr(start, piece)));
    }
    Sha256 whole;
    whole.update(as_bytes(text));
    ASSERT_EQ(pieces.finish(), whole.finish()) << piece;
  }
}

TEST(Sha256, PaddingIsRightAroundTheEndOfABlock) {
  // From Python's hashlib, for b'x' * n: 55 is the longest that pads into one block, 64 fills one.
  EXPECT_EQ(sha256_hex(as_bytes(std::string(55, 'x'))),
            "d5e285683cd4efc02d021a5c62014694958901005d6f71e89e0989fac77e4072");
  EXPECT_EQ(sha256_hex(as_bytes(std::string(56, 'x'))),
            "04c26261370ee7541549d16dee320c723e3fd14671e66a099afe0a377c16888e");
  EXPECT_EQ(sha256_hex(as_bytes(std::string(63, 'x'))),
            "75220b47218278e656f2013bb8f0c455a25eaf01e86c64924e9d48d89776d6f2");
  EXPECT_EQ(sha256_hex(as_bytes(std::string(64, 'x'))),
            "7ce100971f64e7001e8fe5a51973ecdfe1ced42befe7ee8d5fd6219506b5393c");
}

TEST(Sha256File, EqualsTheDigestOfItsBytes) {
  const test::TempFolder folder;
  const std::string text(3000000, 'z');  // more than one piece
  test::write_text(folder / "file", text);
  EXPECT_EQ(sha256_file(folder / "file"), sha256_hex(as_bytes(text)));
}

TEST(Sha256File, MissingFileAndFolderAreErrors) {
  const test::TempFolder folder;
  EXPECT_THROW(sha256_file(folder / "absent"), IoError);
  EXPECT_THROW(sha256_file(folder.path()), IoError);
}

}  // namespace
}  // namespace sd
