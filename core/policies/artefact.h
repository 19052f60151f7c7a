#pragma once
// Trained numbers that some policies read from a file the user gives.
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/cache/layer_view.h"
#include "core/files.h"

namespace polykv {

// Size and time of the last change, as a text that another version of the file does not have.
std::string file_stamp(const std::string& path);

// What `parse` made of a file, read again only when the file has changed. For any thread.
template <typename T>
class ArtefactCache {
 public:
  explicit ArtefactCache(T (*parse)(const std::string& path)) : parse_(parse) {}

  std::shared_ptr<const T> read(const std::string& path) {
    const std::string stamp = file_stamp(path);
    const std::lock_guard lock(mutex_);
    Entry& entry = read_[path];
    if (!entry.value || entry.stamp != stamp) {
      entry.value = std::make_shared<const T>(parse_(path));
      entry.stamp = stamp;
    }
    return entry.value;
  }

 private:
  struct Entry {
    std::string stamp;
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
// The same for every layer of a model.
void check_artefact(const std::string& path, const char* key, const std::vector<std::size_t>& sizes,
                    const ModelShape& model);

}  // namespace polykv
