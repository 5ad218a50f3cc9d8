#pragma once

#include <string>
#include <vector>

#include "sd/core/sampler_table.h"

namespace sd::test {

inline std::vector<SamplerKind> all_sampler_kinds() {
  std::vector<SamplerKind> kinds;
  for (const auto& info : all_samplers()) kinds.push_back(info.kind);
  return kinds;
}

/// As names of tests may be: letters and digits.
inline std::string case_name(SamplerKind kind) {
  std::string name;
  for (const char c : info_of(kind).name) {
    if (c == '+') {
      name += 'p';
    } else if (c != '_') {
      name += c;
    }
  }
  return name;
}

}  // namespace sd::test
