#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "text/sequence_matcher.h"

namespace sd {
namespace {

std::vector<Edit> read_opcodes(const nlohmann::json& opcodes) {
  const std::map<std::string, EditKind> kinds = {{"equal", EditKind::kEqual},
                                                 {"replace", EditKind::kReplace},
                                                 {"delete", EditKind::kDelete},
                                                 {"insert", EditKind::kInsert}};
  std::vector<Edit> edits;
  for (const auto& code : opcodes) {
    edits.push_back({kinds.at(code[0]), code[1], code[2], code[3], code[4]});
  }
  return edits;
}

TEST(FindEdits, EqualsPythonsDifflib) {
  std::ifstream file(std::filesystem::path(SD_TEST_DATA) / "text" / "difflib_opcodes.json");
  const auto cases = nlohmann::json::parse(file);
  ASSERT_EQ(cases.size(), 72U);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const auto a = cases[i]["a"].get<std::vector<int64_t>>();
    const auto b = cases[i]["b"].get<std::vector<int64_t>>();
    EXPECT_EQ(find_edits(a, b), read_opcodes(cases[i]["opcodes"])) << "case " << i;
  }
}

TEST(FindEdits, NumbersPopularInALongSequenceBeginNoStretch) {
  std::vector<int64_t> b(199, 7);
  std::vector<int64_t> a = b;
  a.front() = 1;
  EXPECT_EQ(find_edits(a, b), (std::vector<Edit>{{EditKind::kDelete, 0, 1, 0, 0},
                                                 {EditKind::kEqual, 1, 199, 0, 198},
                                                 {EditKind::kInsert, 199, 199, 198, 199}}));
  a.push_back(7);
  b.push_back(7);
  EXPECT_EQ(find_edits(a, b), (std::vector<Edit>{{EditKind::kReplace, 0, 200, 0, 200}}));
}

TEST(FindEdits, EmptySequencesHaveNone) { EXPECT_TRUE(find_edits({}, {}).empty()); }

}  // namespace
}  // namespace sd
