#pragma once
// `tune --table`: the evidence for routes and searches at several budgets.
#include "app/commands/inputs.h"

namespace polykv {

int run_tune_table(const Options& given, const std::shared_ptr<const Model>& model,
                   ProgressLine& progress);

}  // namespace polykv
