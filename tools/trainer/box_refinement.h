#pragma once

#include "sd/image/image.h"
#include "trainer/picture_reading.h"

namespace sd::train {

/// Moves the edges of the objects' boxes, which read_cells() knows by shares of cells, to the
/// outermost pixels that do not look like the background around. The background is a plane through
/// the free cells, channel by channel: scenes have plain or evenly graded ones. Boxes stay as they
/// are where too little of it is free, or where nothing stands out from it.
///
/// `picture` is RGB with kSceneSide pixels a side; throws UsageError for another.
void refine_boxes(PictureReading& reading, const Image& picture);

}  // namespace sd::train
