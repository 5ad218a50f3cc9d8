#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

#include "cuda/backend.h"

namespace sd::cuda {

/// Throws what is wrong with the launch before.
inline void check_launch(const char* kernel) {
  const cudaError_t error = cudaGetLastError();
  if (error == cudaSuccess) return;
  throw std::runtime_error(std::string(kernel) + ": " + cudaGetErrorString(error));
}

/// Calls body(pointer) with a null pointer of the type that `type` names.
template <typename Body>
void for_type(Type type, Body body) {
  switch (type) {
    case Type::kFloat:
      return body(static_cast<float*>(nullptr));
    case Type::kHalf:
      return body(static_cast<__half*>(nullptr));
    case Type::kBFloat16:
      return body(static_cast<__nv_bfloat16*>(nullptr));
  }
}

inline int64_t quotient_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace sd::cuda
