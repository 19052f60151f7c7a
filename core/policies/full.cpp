#include "core/policies/rows.h"

namespace polykv {

const Policy& full_policy() {
  static const Policy row = {.id = "full",
                             .code = "FU",
                             .summary = "keeps every token; the ceiling of every score",
                             .paper = "",
                             .params = {},
                             .needs = kNeedsNothing,
                             .phases = kPrefill | kDecode,
                             .sharing = Sharing::layer,
                             .reads_queries = false,
                             .protect = protect_nothing,
                             .score = nullptr};
  return row;
}

}  // namespace polykv
