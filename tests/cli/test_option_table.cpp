// Every option's row has what its role needs, so that a new one cannot be forgotten somewhere.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string>

#include "cli/options/option_table.h"
#include "cli/record/key_order.h"
#include "cli/record/picture_record.h"

namespace sd::cli {
namespace {

bool decides_about_pixels(const OptionRow& row) { return row.role != Role::kElsewhere; }

TEST(OptionTable, NamesAreGivenOnceACommand) {
  for (const unsigned command : {kTxt2ImgCommand, kImg2ImgCommand, kSwapCommand, kAttnCommand}) {
    std::set<std::string> seen;
    for (const auto& row : option_rows()) {
      if ((row.commands & command) == 0) continue;
      EXPECT_TRUE(seen.insert(std::string(first_name(row))).second) << row.names;
    }
  }
}

TEST(OptionTable, EveryRowSaysWhatItIs) {
  for (const auto& row : option_rows()) {
    SCOPED_TRACE(row.names);
    EXPECT_FALSE(row.group.empty());
    EXPECT_FALSE(row.help.empty());
    EXPECT_EQ(row.other_help.empty(), row.other_commands == kNoCommand);
    if (row.commands == kNoCommand) continue;  // added by hand
    const int ways =
        (row.value.read ? 1 : 0) + (row.value.flag ? 1 : 0) + (row.value.count ? 1 : 0);
    EXPECT_EQ(ways, 1);
    EXPECT_EQ(row.value.type.empty(), !row.value.read);
  }
}

TEST(OptionTable, WhatDecidesAboutPixelsIsTold) {
  for (const auto& row : option_rows()) {
    SCOPED_TRACE(row.names);
    const bool told = !row.key.key.empty() || !row.told_by.empty();
    EXPECT_EQ(told, decides_about_pixels(row));
    EXPECT_FALSE(!row.key.key.empty() && !row.told_by.empty());
    if (!row.key.key.empty()) {
      EXPECT_TRUE(row.value.tell);
    }
    if (row.told_if_given || !row.infotext.key.empty()) {
      EXPECT_TRUE(row.value.tell);
    }
  }
}

TEST(OptionTable, FilesThatDecideAboutPixelsAreToldAsSuch) {
  for (const auto& row : option_rows()) {
    const bool file = row.value.type.starts_with("FILE") || row.value.type == "MODEL";
    const bool named = row.role == Role::kInputFile || row.role == Role::kModelFile;
    if (decides_about_pixels(row)) {
      EXPECT_EQ(named, file) << row.names;
    }
  }
}

TEST(OptionTable, FoldersAreWrittenTo) {
  for (const auto& row : option_rows()) {
    if (row.value.type == "DIR") {
      EXPECT_EQ(row.role, Role::kElsewhere) << row.names;
    }
  }
}

TEST(OptionTable, WhatBelongsSomewhereSaysWhereAndWhetherItIsGiven) {
  for (const auto& row : option_rows()) {
    SCOPED_TRACE(row.names);
    EXPECT_EQ(row.needs == nullptr, row.without.empty());
    if (row.needs != nullptr) {
      ASSERT_TRUE(row.value.is_set);
      EXPECT_FALSE(row.value.is_set(DrawOptions()));
    }
  }
}

TEST(OptionTable, WhatIsAnsweredIsAnOption) {
  for (const auto& row : option_rows()) {
    std::string names(row.answers);
    std::replace(names.begin(), names.end(), ',', '\n');
    std::istringstream lines(names);
    for (std::string name; std::getline(lines, name);) {
      EXPECT_NE(find_row(name), nullptr) << row.names << " answers " << name;
    }
  }
}

TEST(OptionTable, KeysAreTheNamesThatTasksHave) {
  // Elsewhere older files and other programs' words decide.
  const std::map<std::string, std::string> others = {
      {"input.paste", "no-paste"},     {"vae.name", "vae"},
      {"clip.name", "clip"},           {"eta", "ddim_eta"},
      {"guides.boxes", "box"},         {"guides.res", "guide-res"},
      {"inversion.file", "inversion"}, {"inversion.method", "invert"},
      {"swap.source", "sprompt"}};
  for (const auto& row : option_rows()) {
    const std::string key(row.key.key);
    if (key.empty()) continue;
    const auto leaf = key.substr(key.rfind('.') + 1);
    const auto other = others.find(key);
    EXPECT_TRUE(is_named(row, other == others.end() ? leaf : other->second)) << key;
  }
}

TEST(OptionTable, ReadsWhatItTells) {
  for (const auto& row : option_rows()) {
    const auto& value = row.value;
    if (!value.tell || !value.read || row.settled || row.key.key.empty()) continue;
    const bool number = value.type == "N" || value.type == "X";
    if (!number) continue;
    SCOPED_TRACE(row.names);
    DrawOptions options;
    const bool side = first_name(row) == "W" || first_name(row) == "H";
    const std::string text = value.type == "X" ? "0.5" : side ? "128" : "1";
    value.read(options, "--x", text);
    EXPECT_EQ(value.tell(options), nlohmann::ordered_json::parse(text));
  }
}

TEST(OptionTable, WhatIsReadBackFromAnInfotextIsWrittenThere) {
  for (const auto& row : option_rows()) {
    if (row.infotext.read_back.empty()) continue;
    EXPECT_FALSE(row.infotext.key.empty()) << row.names;
    EXPECT_TRUE(is_named(row, row.infotext.read_back)) << row.names;
  }
}

TEST(OptionTable, EveryKeyHasItsPlaceInMetadata) {
  RunRecord run;
  run.options.seed = 1;
  run.embeddings = {{"ink", "ink.pt", "0123456789ab"}};  // told of only where there are some
  const auto settings = settings_of(run, {});
  for (const auto& row : option_rows()) {
    const bool plain = row.told_where == nullptr && !row.told_if_given;
    const std::string key(row.key.key);
    if (!plain || key.empty() || key.find('.') != key.npos) continue;
    EXPECT_TRUE(settings.contains(key)) << key;
  }
  for (const auto& row : option_rows()) {
    if (row.told_by.empty()) continue;
    auto pointer = "/" + std::string(row.told_by);
    std::replace(pointer.begin(), pointer.end(), '.', '/');
    const bool of_some = pointer.starts_with("/input/") || pointer.starts_with("/swap/");
    if (!of_some) {
      EXPECT_TRUE(settings.contains(nlohmann::json::json_pointer(pointer))) << pointer;
    }
  }
}

TEST(KeyOrder, FollowsWhatIsNamed) {
  EXPECT_EQ(key_order({{"a"}, {"b"}, {"c", "a"}, {"d"}, {}, {"o.x", "d"}, {"o.y"}, {"e", "o"}}),
            (std::vector<std::string>{"a", "b", "c", "d", "o.x", "o.y", "e"}));
}

TEST(KeyOrder, RefusesAPlaceBehindNothing) {
  EXPECT_THROW(key_order({{"a"}, {"b", "nowhere"}}), std::logic_error);
  EXPECT_THROW(key_order({{"a"}, {"b", "c"}, {"c", "b"}}), std::logic_error);
}

}  // namespace
}  // namespace sd::cli
