#pragma once
// The embedded model, opened once per test program, and needle cases for it.
#include <memory>
#include <string>
#include <vector>

#include "core/model/model.h"
#include "core/probe/needle.h"

namespace polykv {

inline std::shared_ptr<const Model> tiny() {
  static const auto model = Model::open(std::string(POLYKV_SOURCE) + "/assets/tiny-needle");
  return model;
}

inline std::vector<Case> short_cases(int n, int context_tokens = 160, int keys = 2) {
  NeedleSettings like;
  like.context_tokens = context_tokens;
  like.keys = keys;
  return make_needle_cases(n, like, tiny()->tokenizer());
}

}  // namespace polykv
