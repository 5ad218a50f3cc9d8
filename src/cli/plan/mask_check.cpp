#include "cli/plan/mask_check.h"

#include <fmt/format.h>

#include <string_view>
#include <system_error>

#include "sd/core/error.h"
#include "sd/image/metadata.h"

namespace sd::cli {
namespace {

namespace fs = std::filesystem;

void forbid(bool given, std::string_view option, std::string_view why) {
  if (given) throw UsageError(fmt::format("--{}: {}", option, why));
}

/// Reads the head of a picture, so that what is none is said before anything is loaded.
void require_picture(std::string_view option, const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    throw IoError(fmt::format("--{}: {} does not exist", option, path.string()));
  }
  read_metadata(path);
}

void check_edit_mask(const DrawOptions& options) {
  const auto& input = options.input;
  if (!input.edit_mask) return;
  forbid(input.init_mask.has_value(), "edit-mask",
         "and --init-mask both say where to change the picture: give one of them");
  forbid(options.swap.blend_mask.has_value(), "edit-mask",
         "and --blend-mask both say where to edit: give one of them");
  forbid(!input.init_img && !options.swap.source && !options.from_file, "edit-mask",
         "outside of it pictures stay their source's: give --sprompt TEXT, or --init-img");
  require_picture("edit-mask", *input.edit_mask);
}

void check_auto_mask(const DrawOptions& options) {
  const auto& input = options.input;
  if (!input.auto_mask) return;
  forbid(!input.init_img, "auto-mask", "needs a picture to look at: --init-img");
  forbid(input.init_mask.has_value(), "auto-mask",
         "and --init-mask both say where to change the picture: give one of them");
  forbid(input.edit_mask.has_value(), "auto-mask",
         "and --edit-mask both say where to change the picture: give one of them");
}

void check_saved_mask(const DrawOptions& options) {
  const auto& file = options.input.save_mask;
  if (!file) return;
  forbid(file->extension() != ".png", "save-mask", "masks are written as PNG: FILE.png");
  forbid(options.input.auto_mask && options.lists_prompts(), "save-mask",
         "prompts of a list have a mask each, and there is one file");
  std::error_code ignored;
  if (fs::exists(*file, ignored)) {
    throw IoError(
        fmt::format("--save-mask: {} is there already and is not overwritten", file->string()));
  }
}

void check_regions(const DrawOptions& options) {
  const auto& regions = options.regions;
  if (regions.regions.empty()) return;
  forbid(options.prompt_syntax == PromptSyntax::kPlain, "region",
         "the prompts of regions are put together with AND, which --prompt-syntax plain reads as "
         "text\nLeave --prompt-syntax out.");
  forbid(regions.base == 0 && options.swap.source.has_value(), "region-base",
         "a swap takes its target's attention by --prompt, which 0 leaves out");
  const auto& added = options.added;
  forbid(added.pag_scale != 0 || added.seg_scale != 0 || added.sag_scale != 0, "region",
         "--pag, --seg and --sag push one prompt, and regions have several\nLeave one of the two "
         "out.");
  for (const auto& region : regions.regions) {
    if (!region.box) require_picture("region", region.mask);
  }
}

}  // namespace

void check_masks(const DrawOptions& options) {
  check_edit_mask(options);
  check_auto_mask(options);
  check_saved_mask(options);
  check_regions(options);
  forbid(!options.concept_edits.empty() && options.deepcache > 1, "edit",
         "looks at the attention of every step, and between the whole steps of --deepcache deep "
         "layers are not computed\nLeave one of the two out.");
}

}  // namespace sd::cli
