#pragma once
// Engine self-check (product.md, section 4): the lights of `check` and of the window.
#include <memory>
#include <string>
#include <vector>

#include "core/model/model.h"

namespace polykv {

struct CheckLight {
  std::string id, what;  // "budget_full", "budget >= n gives the logits of the full cache"
  bool ok = false;
  std::string measured;  // "largest difference 0"
};

std::vector<CheckLight> self_check(std::shared_ptr<const Model> model,
                                   const CancelFlag* cancel = nullptr);

}  // namespace polykv
