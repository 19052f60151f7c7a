#include "core/policies/artefact.h"

#include <cmath>

#include "core/error.h"

namespace polykv {
namespace {

void check_layers(const std::string& path, const char* key, const std::vector<std::size_t>& sizes,
                  int layers) {
  if (sizes.size() == static_cast<std::size_t>(layers)) return;
  fail_input(
      path, key,
      "has " + std::to_string(sizes.size()) + " layers, this model has " + std::to_string(layers));
}

// all: the layer has no more kv heads than these.
void check_heads(const std::string& path, const char* key, const std::vector<std::size_t>& sizes,
                 int layer, int heads, bool all) {
  const std::size_t found = sizes[static_cast<std::size_t>(layer)];
  const auto wanted = static_cast<std::size_t>(heads);
  if (found == wanted || (!all && found > wanted)) return;
  fail_input(path, key,
             "has " + std::to_string(found) + " kv heads in layer " + std::to_string(layer) +
                 ", this model has " + std::to_string(heads));
}

}  // namespace

std::string file_stamp(const std::string& path) {
  std::error_code none;
  const auto changed = std::filesystem::last_write_time(path, none).time_since_epoch().count();
  const auto size = std::filesystem::file_size(path, none);
  return none ? "" : std::to_string(size) + " " + std::to_string(changed);
}

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
  check_layers(path, key, sizes, s.layers);
  check_heads(path, key, sizes, view.layer(), view.first_kv_head() + s.kv_heads,
              view.phase() == Phase::prefill);
}

void check_artefact(const std::string& path, const char* key, const std::vector<std::size_t>& sizes,
                    const ModelShape& model) {
  check_layers(path, key, sizes, model.layers);
  for (int l = 0; l < model.layers; ++l) check_heads(path, key, sizes, l, model.kv_heads, true);
}

}  // namespace polykv
