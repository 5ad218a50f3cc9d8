#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "sd/core/error.h"
#include "support/expect_error.h"
#include "trainer/eval_edit.h"

namespace sd::train {
namespace {

TEST(EditMethods, EveryInversionComesWithEveryEditorOnce) {
  std::set<std::string> names;
  for (const auto& method : edit_methods()) EXPECT_TRUE(names.insert(method.name()).second);
  for (const char* inversion : {"direct", "ddim", "npi", "null-text", "edit-friendly"}) {
    for (const char* editor :
         {"prompt", "swap", "blend", "paste", "masactrl", "pnp", "diffedit", "ledits"})
      EXPECT_TRUE(names.contains(std::string(inversion) + " + " + editor));
  }
  for (const char* other :
       {"from noise + swap", "from noise + paste", "noised + blend", "noised + diffedit"})
    EXPECT_TRUE(names.contains(other));
}

TEST(EditMethods, AreFoundByTheirNames) {
  const auto chosen = edit_methods("noised + swap,direct+paste");
  ASSERT_EQ(chosen.size(), 2u);
  EXPECT_TRUE(chosen[0].noised);
  EXPECT_EQ(chosen[1].inversion, InversionMethod::kDirect);
  EXPECT_EQ(chosen[1].editor, Editor::kPaste);
  test::expect_error<UsageError>([] { edit_methods("direct + magic"); }, "direct + magic");
}

TEST(EditReport, TellsMeansWithTheirErrors) {
  EditReport report;
  report.autoencoder.add(40);
  report.autoencoder.add(44);
  EditScores scores;
  scores.method = edit_methods("direct + blend").front();
  for (const double psnr : {30.0, 34.0}) scores.psnr.add(psnr);
  for (const double changed : {0.0, 1.0}) scores.changed.add(changed);
  report.scores.push_back(scores);
  const auto text = markdown_of(report);
  EXPECT_NE(text.find("2 scenes; through the autoencoder alone 42.00 ± 2.00 dB"), text.npos);
  EXPECT_NE(text.find("| direct + blend | 32.00 ± 2.00 |"), text.npos) << text;
  EXPECT_NE(text.find("| 50.0 ± 50.0 |"), text.npos) << text;
  const auto json = nlohmann::json::parse(json_of(report));
  EXPECT_DOUBLE_EQ(json["methods"][0]["psnr"]["standard_error"].get<double>(), 2);
}

}  // namespace
}  // namespace sd::train
