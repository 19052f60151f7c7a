#pragma once
// Trained numbers that some policies read from a file the user gives.
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/cache/layer_view.h"
#include "core/files.h"

namespace polykv {

// What `parse` made of a file, read again only when the file has changed. For any thread.
template <typename T>
class ArtefactCache {
 public:
  explicit ArtefactCache(T (*parse)(const std::string& path)) : parse_(parse) {}

  std::shared_ptr<const T> read(const std::string& path) {
    std::error_code none;
    const auto changed = std::filesystem::last_write_time(path, none);
    const std::lock_guard lock(mutex_);
    Entry& entry = read_[path];
    if (!entry.value || none || entry.changed != changed) {
      entry.value = std::make_shared<const T>(parse_(path));
      entry.changed = changed;
    }
    return entry.value;
  }

 private:
  struct Entry {
    std::filesystem::file_time_type changed;
    std::shared_ptr<const T> value;
  };
  T (*parse_)(const std::string& path);
  std::mutex mutex_;
  std::map<std::string, Entry> read_;
};

// The JSON object in the file. Throws an input Error that names file, key and expectation when
// there is none or `key` is not a list.
Json read_artefact(const std::string& path, const char* key);

// The finite numbers of a JSON list.
std::vector<float> number_list(const Json& list, const std::string& path, const std::string& key);

// Throws an input Error unless a list with one entry per layer, and per kv head in each, fits the
// view (which may show some kv heads of the layer only). sizes: entries of every layer.
void check_artefact(const std::string& path, const char* key, const std::vector<std::size_t>& sizes,
                    const LayerView& view);

}  // namespace polykv
