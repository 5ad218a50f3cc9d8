#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sd/core/inversion_method.h"
#include "sd/image/image.h"
#include "sd/pipeline/inversion.h"
#include "sd/pipeline/row_sharing.h"
#include "sd/pipeline/word_controls.h"
#include "trainer/eval_context.h"
#include "trainer/eval_prompts.h"
#include "trainer/picture_reading.h"

namespace sd::train {

/// What edits a picture beside its inversion.
enum class Editor {
  kPrompt,    // the target's prompt alone
  kSwap,      // Prompt-to-Prompt's attention from the source, as published
  kBlend,     // the same with a local blend and the old object's box (eval_swap.h)
  kPaste,     // the same, and pixels away from it are the source's (`--blend-margin`)
  kMasaCtrl,  // arXiv:2304.08465
  kPlugPlay,  // arXiv:2211.12572
  kDiffEdit,  // the target's prompt within DiffEdit's mask, arXiv:2210.11427 (`--auto-mask`)
  kLedits,    // the source's prompt, the new object added, the old one taken out, arXiv:2311.16711
};

/// "prompt", "swap", "blend", "paste", "masactrl", "pnp", "diffedit", "ledits".
std::string_view name_of(Editor editor);

/// A way to edit a picture.
struct EditMethod {
  /// Absent: the source is drawn from noise with its prompt, and the edit is held against that
  /// picture, as `sd swap` does without one.
  std::optional<InversionMethod> inversion;
  Editor editor = Editor::kSwap;
  /// Without an inversion: source and target start from the picture made noisy (--strength 0.75),
  /// and the edit is held against the picture.
  bool noised = false;

  std::string name() const;  // "direct + blend", "from noise + swap", "noised + swap"
};

/// Every inversion with every editor, those from noise first.
std::vector<EditMethod> edit_methods();
/// Those whose names are given, between commas. Throws UsageError for a name that is none.
std::vector<EditMethod> edit_methods(const std::string& names);

/// A scene that is edited: its picture, its object's box, and what the edit is to make of it.
struct EditCase {
  SwapPair pair;
  Caption source, target;
  Scene scene;
  PixelBox box;
};

/// What something took.
struct Spent {
  double seconds = 0;    // of the processor's time
  int64_t calls = 0;     // of the UNet; of null-text those without gradients
  double megabytes = 0;  // the most memory beyond what was held before
};

/// Measures from its making to `stop`.
class SpendingWatch {
 public:
  SpendingWatch();
  Spent stop(int64_t calls) const;

 private:
  double began_, held_;
};

struct KeptInversion {
  Inversion inversion;
  Spent spent;
};

/// The inversions of cases, each made once: methods with one path share it (docs/editing.md).
class InversionShelf {
 public:
  explicit InversionShelf(const EvalContext& context) : context_(context) {}

  const KeptInversion& of(const EditCase& one, int64_t number, InversionMethod method);

 private:
  KeptInversion make(const EditCase& one, int64_t number, InversionMethod method) const;

  const EvalContext& context_;
  std::map<std::pair<int64_t, InversionMethod>, KeptInversion> kept_;
};

/// What one edit came to.
struct Edited {
  Image before, after;
  Spent spent;  // inversion included
};

Edited edit(const EvalContext& context, const EditMethod& method, const EditCase& one,
            int64_t number, InversionShelf& shelf);

}  // namespace sd::train
