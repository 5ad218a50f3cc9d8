#include "kernels/attention_avx512.h"

namespace sd::kernels {
namespace {

struct Vec : Avx512 {
  template <int kDegree>
  SD_VEC V power(V x) {
    return power_of_two_avx512<kDegree>(x);
  }
};

}  // namespace

AttentionMicro attention_avx512() { return make_attention<Vec>(); }

}  // namespace sd::kernels
