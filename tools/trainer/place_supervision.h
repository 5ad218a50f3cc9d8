#pragma once

#include <torch/types.h>

namespace sd::train {

/// Teaches the text encoder what "to the left of" means: two channels of its output are asked to
/// tell where an object of a scene of two stands. CLIP's tokens see only what precedes them, so the
/// first object's word cannot know; the second one's says its own place (channels 0 and 1), and
/// the end of the text both (0 to 3). A place is (x, y) of the centre, from -2 to 2 over the
/// picture, in the range of a normalised layer's output; where the caption does not say it, the
/// best answer is the mean. Without this, places stayed a matter of chance for 440,000 pictures.
///
/// `context` [N,77,C] is the encoder's output, `groups` [N,77] uint8 (TokenGroup), `ids` [N,77]
/// CLIP's, `masks` [N,2,h,w] uint8. The mean squared error over the captions with two objects, 0
/// if there are none; differentiable.
torch::Tensor place_loss(const torch::Tensor& context, const torch::Tensor& groups,
                         const torch::Tensor& ids, const torch::Tensor& masks);

}  // namespace sd::train
