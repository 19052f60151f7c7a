#pragma once
// The weights of a model folder: model.safetensors, or the shards its index names.
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/model/safetensors.h"

namespace polykv {

class Weights {
 public:
  // Opens FOLDER/model.safetensors, else every shard of FOLDER/model.safetensors.index.json. Throws
  // an input Error naming file and key: nothing there, a missing shard, a tensor its shard does not
  // hold.
  explicit Weights(const std::string& folder);

  bool has(const std::string& name) const { return owner_.count(name) != 0; }
  // Throws an input Error naming file and tensor when it is missing or has another shape.
  const StoredTensor& find(const std::string& name, const std::vector<std::int64_t>& shape) const;
  const std::string& file_of(const std::string& name) const;
  std::int64_t tensor_bytes() const;  // of all tensors, as stored
  const std::vector<std::unique_ptr<SafetensorsFile>>& files() const { return files_; }

 private:
  void open_shards(const std::string& folder, const std::string& index_path);
  std::string origin_;  // file that errors about missing tensors name
  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::map<std::string, const SafetensorsFile*> owner_;  // by tensor name
};

}  // namespace polykv
