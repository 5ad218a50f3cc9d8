#include "trainer/scene_vocabulary.h"

#include <fmt/format.h>

#include <string>

#include "sd/core/error.h"

namespace sd::train {
namespace {

// Chosen to differ in outline and in inner structure, so that they stay apart when tinted.
constexpr ObjectKind kKinds[] = {
    {"cat", U'🐱'},          {"dog", U'🐶'},        {"rabbit", U'🐰'},       {"fox", U'🦊'},
    {"tiger", U'🐯'},        {"pig", U'🐷'},        {"frog", U'🐸'},         {"panda", U'🐼'},
    {"lion", U'🦁'},      {"monkey", U'🐵'},     {"penguin", U'🐧'},      {"octopus", U'🐙'},
    {"elephant", U'🐘'},     {"turtle", U'🐢'},     {"fish", U'🐠'},         {"whale", U'🐳'},
    {"butterfly", U'🦋'}, {"snail", U'🐌'},      {"apple", U'🍎'},        {"banana", U'🍌'},
    {"strawberry", U'🍓'},   {"watermelon", U'🍉'}, {"pineapple", U'🍍'},    {"carrot", U'🥕'},
    {"pizza", U'🍕'},        {"burger", U'🍔'},     {"donut", U'🍩'},        {"cake", U'🎂'},
    {"ice cream", U'🍦'},    {"mushroom", U'🍄'},   {"tree", U'🌳'},         {"cactus", U'🌵'},
    {"sunflower", U'🌻'},    {"star", U'⭐'},       {"moon", U'🌙'},         {"cloud", U'☁'},
    {"umbrella", U'☂'},     {"snowman", U'⛄'},    {"balloon", U'🎈'},      {"heart", U'❤'},
    {"robot", U'🤖'},     {"ghost", U'👻'},      {"skull", U'💀'},        {"pumpkin", U'🎃'},
    {"car", U'🚗'},          {"bus", U'🚌'},        {"rocket", U'🚀'},       {"sailboat", U'⛵'},
    {"house", U'🏠'},        {"castle", U'🏰'},     {"guitar", U'🎸'},       {"bell", U'🔔'},
    {"crown", U'👑'},        {"gift", U'🎁'},       {"clock", U'⏰'},        {"key", U'🔑'},
    {"diamond", U'💎'},      {"camera", U'📷'},     {"smiling face", U'😊'}, {"dinosaur", U'🦕'},
};

constexpr NamedColour kTints[] = {
    {"red", {222, 35, 40}},    {"orange", {246, 130, 20}}, {"yellow", {250, 215, 35}},
    {"green", {45, 165, 60}},  {"blue", {40, 100, 228}},   {"purple", {132, 52, 185}},
    {"pink", {252, 135, 185}}, {"brown", {122, 72, 38}},
};

constexpr NamedColour kBackgrounds[] = {
    {"white", {248, 248, 248}}, {"black", {14, 14, 14}},    {"gray", {128, 128, 128}},
    {"red", {212, 40, 40}},     {"yellow", {248, 214, 60}}, {"green", {60, 160, 72}},
    {"blue", {48, 98, 218}},    {"pink", {250, 160, 195}},  {"purple", {124, 60, 172}},
};

template <typename Row>
int find(std::span<const Row> table, std::string_view name, std::string_view what) {
  std::string known;
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (table[i].name == name) return static_cast<int>(i);
    known += (i == 0 ? "" : ", ") + std::string(table[i].name);
  }
  throw UsageError(
      fmt::format("'{}' is no {} of the demo's scenes. There are: {}", name, what, known));
}

}  // namespace

std::span<const ObjectKind> object_kinds() { return kKinds; }
std::span<const NamedColour> tints() { return kTints; }
std::span<const NamedColour> backgrounds() { return kBackgrounds; }

int find_kind(std::string_view name) { return find(object_kinds(), name, "kind of object"); }
int find_tint(std::string_view name) { return find(tints(), name, "tint"); }
int find_background(std::string_view name) { return find(backgrounds(), name, "background"); }

}  // namespace sd::train
