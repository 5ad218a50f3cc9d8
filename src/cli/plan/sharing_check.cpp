#include "cli/plan/sharing_check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>
#include <system_error>

#include "sd/core/error.h"
#include "sd/image/metadata.h"

namespace sd::cli {
namespace {

/// The options that are given, of which there may be one.
std::vector<std::string_view> methods_of(const SharingOptions& sharing) {
  std::vector<std::string_view> given;
  if (sharing.masactrl) given.push_back("--masactrl");
  if (sharing.pnp) given.push_back("--pnp");
  if (sharing.appearance) given.push_back("--appearance");
  if (sharing.style_aligned) given.push_back("--style-aligned");
  if (sharing.reference) given.push_back("--reference");
  return given;
}

void refuse(bool given, std::string_view method, std::string_view other, std::string_view why) {
  if (!given) return;
  throw UsageError(fmt::format("{}: {}\nLeave {} or {} out.", method, why, method, other));
}

void check_neighbours(const DrawOptions& options, std::string_view method) {
  refuse(options.deepcache > 1, method, "--deepcache",
         "pictures look at each other in the deep layers of every step, which --deepcache does not "
         "compute");
  refuse(options.token_merging > 0, method, "--tome",
         "pictures look at each other's pixels, which --tome merges");
  refuse(options.added.sag_scale != 0, method, "--sag",
         "--sag predicts from other latents, which look at themselves alone");
  refuse(options.guides.guides(), method, options.guides.excite.empty() ? "--box" : "--excite",
         "guides move latents by gradients of a picture that looks at itself alone");
}

void check_style(const DrawOptions& options) {
  constexpr std::string_view kMethod = "--style-aligned";
  if (!options.sharing.style_aligned) return;
  refuse(options.seed_mode == SeedMode::kImage, kMethod, "--seed-mode image",
         "pictures of a batch follow its first, and --seed-mode image draws each alone");
}

void check_source(const DrawOptions& options, std::string_view method) {
  if (!options.sharing.settings().needs_source()) return;
  if (!options.swap.source && !options.from_file) {
    throw UsageError(fmt::format("{}: takes from a source: give --sprompt TEXT", method));
  }
  refuse(options.swap.mode == SwapMode::kFork && options.given.has("mode"), method, "--mode fork",
         "goes with --mode p2p, or without --mode, not with the fork's swap of maps");
}

void check_picture(std::string_view option, const std::optional<std::filesystem::path>& picture) {
  if (!picture) return;
  std::error_code ignored;
  if (!std::filesystem::exists(*picture, ignored))
    throw IoError(fmt::format("{}: {} does not exist", option, picture->string()));
  read_metadata(*picture);
}

void check_appearance(const DrawOptions& options) {
  const auto& sharing = options.sharing;
  check_picture("--appearance-from", sharing.appearance_from);
  check_picture("--appearance-object", sharing.appearance_object);
  check_picture("--appearance-onto", sharing.appearance_onto);
  if (!sharing.appearance_from) return;
  const auto why = why_not_sampled(InversionMethod::kDirect, options.chosen_sampler());
  if (!why.empty()) throw UsageError(fmt::format("--appearance-from: {}", why));
}

bool has_word(const std::string& prompt, const std::vector<std::string>& words,
              const Tokenizer& tokenizer) {
  return std::ranges::any_of(words, [&](const std::string& word) {
    try {
      return !word_positions("", prompt, word, tokenizer).empty();
    } catch (const UsageError&) {
      return false;
    }
  });
}

}  // namespace

void check_sharing(const DrawOptions& options) {
  const auto methods = methods_of(options.sharing);
  if (methods.empty()) return;
  if (methods.size() > 1) {
    throw UsageError(fmt::format("{} each say what self-attention looks at\nGive one of them.",
                                 fmt::join(methods, ", ")));
  }
  check_source(options, methods.front());
  check_neighbours(options, methods.front());
  check_style(options);
  check_picture("--reference", options.sharing.reference);
  check_appearance(options);
}

void check_mask_words(const DrawOptions& options, const std::vector<PromptSet>& prompts,
                      const Tokenizer& tokenizer) {
  const auto& words = options.sharing.masactrl_mask;
  if (words.empty()) return;
  for (const auto& set : prompts) {
    auto texts = set.targets;
    if (set.source) texts.push_back(*set.source);
    for (const auto& prompt : texts) {
      if (has_word(prompt, words, tokenizer)) continue;
      throw UsageError(fmt::format(
          "--masactrl-mask: '{}' has none of: {}\nGive it once for each word, so that every "
          "prompt has one, the source's too.",
          prompt, fmt::join(words, ", ")));
    }
  }
}

}  // namespace sd::cli
