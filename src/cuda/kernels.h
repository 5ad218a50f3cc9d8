#pragma once

#include "cuda/backend.h"

namespace sd::cuda {

// The kernels behind Backend's calls of the same names.

int64_t group_norm_scratch(const Maps& maps, int64_t groups);
void group_norm(const GroupNormCall& call, void* stream);
void add(const AddCall& call, void* stream);
void gate(const GateCall& call, void* stream);
void note_nonfinite(const float* x, int64_t count, int step, int* first, void* stream);

}  // namespace sd::cuda
