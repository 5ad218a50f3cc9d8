// What other programs write into pictures: any bytes as one text, its name by the first byte.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "image/exif_comment.h"
#include "sd/image/foreign_recipe.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  constexpr std::array kKeywords = {"parameters", "prompt",      "workflow", "invokeai_metadata",
                                    "Dream",      "sd-metadata", "Comment"};
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(bytes + 1), size - 1);
  sd::decode_user_comment(std::as_bytes(std::span(bytes + 1, size - 1)));
  const std::string keyword = kKeywords.at(bytes[0] % kKeywords.size());
  sd::PictureMetadata metadata{"PNG", 64, 64, {{keyword, text}, {"Software", "NovelAI"}}, {}};
  if (keyword == "parameters") metadata.parameters = text;
  const auto recipe = sd::foreign_recipe(metadata);
  if (recipe && recipe->program.empty()) std::abort();
  return 0;
}
