#pragma once

#include "sd/image/image.h"
#include "trainer/classifier.h"

namespace sd::train {

/// How far the structures of two scenes of one size are apart: the mean squared difference of their
/// self-similarities, the cosines between what the classifier says of any two cells of a picture
/// (Tumanyan et al., arXiv:2201.00424, equation 5, as PIE-Bench takes it, with the classifier's
/// logits in place of DINO's keys). 0 of equal pictures.
double structure_distance(Classifier& classifier, const Image& a, const Image& b);

}  // namespace sd::train
