#include "core/policies/artefact.h"

#include <cmath>

#include "core/error.h"

namespace polykv {

Json read_artefact(const std::string& path, const char* key) {
  if (path.empty())
    fail_input("plan", "file", "is empty, expected a JSON file with " + std::string(key));
  const Json file = read_json_file(path);
  if (!file.is_object() || !file.contains(key) || !file[key].is_array()) {
    fail_input(path, key, "is missing, expected a list with one entry per layer");
  }
  return file;
}

std::vector<float> number_list(const Json& list, const std::string& path, const std::string& key) {
  if (!list.is_array()) fail_input(path, key, "must be a list of numbers");
  std::vector<float> numbers;
  for (const Json& item : list) {
    const float number = item.is_number() ? item.get<float>() : NAN;
    if (!std::isfinite(number)) fail_input(path, key, "must hold finite numbers only");
    numbers.push_back(number);
  }
  return numbers;
}

void check_artefact(const std::string& path, const char* key, const std::vector<std::size_t>& sizes,
                    const LayerView& view) {
  const ModelShape& s = view.shape();
  if (sizes.size() != static_cast<std::size_t>(s.layers)) {
    fail_input(path, key,
               "has " + std::to_string(sizes.size()) + " layers, this model has " +
                   std::to_string(s.layers));
  }
  const std::size_t heads = static_cast<std::size_t>(view.first_kv_head() + s.kv_heads);
  const std::size_t found = sizes[static_cast<std::size_t>(view.layer())];
  if (found < heads || (view.phase() == Phase::prefill && found != heads)) {
    fail_input(path, key,
               "has " + std::to_string(found) + " kv heads in layer " +
                   std::to_string(view.layer()) + ", this model has " + std::to_string(heads));
  }
}

}  // namespace polykv
