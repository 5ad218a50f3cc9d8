#include "pipeline/null_text_run.h"

#include "sd/core/error.h"

namespace sd {

void optimise_inversion(const LoadedModel&, const InversionRequest&, Inversion&) {
  throw UsageError("TEMPORARY");
}

}  // namespace sd
