#pragma once

#include <cstdint>

#include "cli/options/picture_options.h"
#include "sd/image/image.h"

namespace sd::cli {

/// Where previews appear: in a file that is replaced, or on the terminal that stderr is, in lines
/// of its own above the cursor's, which one picture after the other takes.
class PreviewDisplay {
 public:
  explicit PreviewDisplay(const PictureOptions& options);

  /// Whether the step that was done as number `done` of `total` is to be shown.
  bool wants(int64_t done, int64_t total) const;

  /// New lines for the next picture, as text may have been printed below the last one.
  void begin_batch() { rows_ = 0; }

  /// Shows the picture, scaled to the terminal's size. The cursor must stand at the beginning of an
  /// empty line, and stands there afterwards. Throws IoError if the file cannot be written.
  void show(const Image& picture);

 private:
  void show_on_terminal(TerminalGraphics graphics, const Image& picture);

  PreviewTarget target_;
  int64_t every_;
  int64_t rows_ = 0;  // lines that the picture has; 0: none yet
};

}  // namespace sd::cli
