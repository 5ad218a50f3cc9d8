#include "kernels/attention_tile.h"
#include "kernels/vec_plain.h"

namespace sd::kernels {
namespace {

struct Vec : Plain {
  template <int kDegree>
  SD_VEC V power(V x) {
    return power_of_two<Plain, kDegree>(x);
  }
  SD_VEC void store_pairs(uint16_t* to, V first, V second) {
    uint16_t halves[2][kLanes];
    store(halves[0], first);
    store(halves[1], second);
    for (int i = 0; i < kLanes; ++i) {
      to[2 * i] = halves[0][i];
      to[2 * i + 1] = halves[1][i];
    }
  }
};

}  // namespace

AttentionMicro attention_plain() {
  AttentionMicro micro = make_attention<Vec>();
  add_pairs<Vec>(micro);
  return micro;
}

}  // namespace sd::kernels
