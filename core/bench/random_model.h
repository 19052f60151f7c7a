#pragma once
// A Llama whose weights are noise, for measuring what does not depend on them.
#include <cstdint>
#include <filesystem>
#include <string>

#include "core/model/config.h"

namespace polykv {

// config.json and model.safetensors (fp32, embedding and head are one) in a temporary folder that
// goes with this object. Throws Error(failed) when there is no room for it.
class RandomModel {
 public:
  RandomModel(const ModelShape& shape, int intermediate, std::uint64_t seed);
  ~RandomModel();
  RandomModel(const RandomModel&) = delete;
  RandomModel& operator=(const RandomModel&) = delete;
  std::string folder() const { return folder_.string(); }

 private:
  std::filesystem::path folder_;
};

}  // namespace polykv
