#include "cli/text_output.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <ios>
#include <new>
#include <stdexcept>
#include <system_error>

#include "sd/core/error.h"

namespace sd::cli {
namespace {

TEST(IsUtf8, AcceptsEveryLengthOfCharacter) { EXPECT_TRUE(is_utf8("a é € 😀")); }

TEST(IsUtf8, RejectsWhatUnicodeForbids) {
  EXPECT_FALSE(is_utf8("\xC0\xAF"));          // overlong '/'
  EXPECT_FALSE(is_utf8("\xE0\x80\x80"));      // overlong NUL
  EXPECT_FALSE(is_utf8("\xED\xA0\x80"));      // surrogate
  EXPECT_FALSE(is_utf8("\xF4\x90\x80\x80"));  // above U+10FFFF
  EXPECT_FALSE(is_utf8("\x80"));              // continuation alone
  EXPECT_FALSE(is_utf8("caf\xC3"));           // cut short
}

TEST(Printable, NeverPassesControlOfTheTerminal) {
  EXPECT_EQ(printable("\x1b[31mred\x07"), "\\x1b[31mred\\x07");
  EXPECT_EQ(printable("\xC2\x9B"
                      "2J"),
            "\\xc2\\x9b2J");  // C1 control sequence introducer
  EXPECT_EQ(printable("a\xE2\x80\xAE"
                      "b"),
            "a\\xe2\\x80\\xaeb");  // right-to-left override
}

TEST(Printable, KeepsTextLinesAndEmoji) { EXPECT_EQ(printable("a\tb\nü 😀"), "a\tb\nü 😀"); }

TEST(Printable, ShowsBrokenBytes) { EXPECT_EQ(printable("a\xFFz"), "a\\xffz"); }

TEST(Shorten, CountsCharactersAndNotBytes) {
  EXPECT_EQ(shorten("äöü", 3), "äöü");
  EXPECT_EQ(shorten("äöüß", 3), "äöü…");
}

TEST(Shorten, KeepsToOneLine) { EXPECT_EQ(shorten("a\nb", 10), "a b"); }

TEST(RunGuarded, TurnsErrorsIntoExitCodes) {
  EXPECT_EQ(run_guarded([] { return 0; }, false), 0);
  EXPECT_EQ(run_guarded([]() -> int { throw UsageError("x"); }, false), 2);
  EXPECT_EQ(run_guarded([]() -> int { throw IoError("x"); }, false), 5);
  EXPECT_EQ(run_guarded([]() -> int { throw std::bad_alloc(); }, false), 6);
  EXPECT_EQ(run_guarded([]() -> int { throw Cancelled(); }, false), 130);
  EXPECT_EQ(run_guarded([]() -> int { throw 7; }, false), 1);
}

TEST(RunGuarded, CountsErrorsOfTheStandardLibrarysFilesAsInputAndOutput) {
  const auto full = std::make_error_code(std::errc::no_space_on_device);
  EXPECT_EQ(
      run_guarded([&]() -> int { throw std::filesystem::filesystem_error("x", full); }, false), 5);
  EXPECT_EQ(run_guarded([&]() -> int { throw std::ios_base::failure("x", full); }, false), 5);
}

TEST(RunGuarded, PrintsHintsIndented) {
  testing::internal::CaptureStderr();
  run_guarded([]() -> int { throw UsageError("wrong\nDo this."); }, false);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "sd: wrong\n    Do this.\n");
}

TEST(RunGuarded, PrintsTheStackOfUnexpectedErrorsOnlyWhenVerbose) {
  const auto fail = []() -> int { throw std::runtime_error("bad\nframe #0"); };
  testing::internal::CaptureStderr();
  run_guarded(fail, false);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "sd: unexpected error: bad\n");
  testing::internal::CaptureStderr();
  run_guarded(fail, true);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "sd: unexpected error: bad\n    frame #0\n");
}

}  // namespace
}  // namespace sd::cli
