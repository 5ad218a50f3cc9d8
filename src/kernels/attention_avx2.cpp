#include "kernels/attention_tile.h"
#include "kernels/vec_avx2.h"

namespace sd::kernels {
namespace {

struct Vec : Avx2 {
  template <int kDegree>
  SD_VEC V power(V x) {
    return power_of_two<Avx2, kDegree>(x);
  }
};

}  // namespace

AttentionMicro attention_avx2() { return make_attention<Vec>(); }

}  // namespace sd::kernels
