#pragma once

namespace sd {

/// A rectangle in shares of a picture's width and height, from its upper left corner.
struct ShareBox {
  double x0 = 0, y0 = 0, x1 = 1, y1 = 1;
  bool operator==(const ShareBox&) const = default;
};

}  // namespace sd
