#include "sd/pipeline/null_text.h"

#include "sd/core/error.h"

namespace sd {
NullTextState optimise_null_text(const LoadedModel&, const NullTextRequest&, NullTextState,
                                 const std::function<bool(const NullTextReport&)>&) {
  throw UsageError("TEMPORARY");
}
}  // namespace sd
