#include <gtest/gtest.h>

#include <filesystem>
#include <ios>
#include <new>
#include <stdexcept>
#include <system_error>

#include "cli/shell/text_output.h"
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

TEST(CutText, SaysHowManyCharactersThereAre) {
  EXPECT_EQ(cut_text("äöü", 3), "äöü");
  EXPECT_EQ(cut_text("ä\nüß", 3), "ä\nü… (4 characters)");
}

TEST(PrintMessage, CutsNamesAndPathsThatAreTooLong) {
  testing::internal::CaptureStderr();
  print_message("'" + std::string(1 << 20, 'n') + "' is no tensor\nTry /" + std::string(300, 'd'));
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "sd: '" + std::string(199, 'n') + "… (1048578 characters) is no tensor\n    Try /" +
                std::string(199, 'd') + "… (301 characters)\n");
}

TEST(PrintMessage, CutsALineOfManyShortWords) {
  std::string words;
  for (int i = 0; i < 100'000; ++i) words += "word ";
  testing::internal::CaptureStderr();
  print_message(words + "\nhint");
  const auto said = testing::internal::GetCapturedStderr();
  EXPECT_LT(said.size(), 5000u);
  EXPECT_TRUE(said.ends_with("\n    hint\n"));
}

TEST(RunGuarded, TurnsErrorsIntoExitCodes) {
  EXPECT_EQ(run_guarded([] { return 0; }, false), 0);
  EXPECT_EQ(run_guarded([]() -> int { throw UsageError("x"); }, false), 2);
  EXPECT_EQ(run_guarded([]() -> int { throw IoError("x"); }, false), 5);
  EXPECT_EQ(run_guarded([]() -> int { throw std::bad_alloc(); }, false), 6);
  EXPECT_EQ(run_guarded([]() -> int { throw Cancelled(); }, false), 130);
  EXPECT_EQ(run_guarded([]() -> int { throw 7; }, false), 1);
}

TEST(RunGuarded, LackOfMemoryHasOneExitCodeWhoeverLacksIt) {
  EXPECT_EQ(run_guarded([]() -> int { throw std::length_error("vector"); }, false), 6);
  EXPECT_EQ(
      run_guarded([]() -> int { throw std::runtime_error("could not create a primitive"); }, false),
      6);
  EXPECT_EQ(run_guarded([]() -> int { throw IoError("x: cannot be read: Cannot allocate memory"); },
                        false),
            6);
  const auto no_thread = [] {
    throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again));
    return 0;
  };
  EXPECT_EQ(run_guarded(no_thread, false), 6);
}

TEST(RunGuarded, LackOfMemorySaysWhatIsNeeded) {
  testing::internal::CaptureStderr();
  run_guarded([]() -> int { throw std::bad_alloc(); }, false);
  const auto text = testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find("sd: out of memory\n    About "), std::string::npos) << text;
  EXPECT_NE(text.find("needed"), std::string::npos) << text;
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
