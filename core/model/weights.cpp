#include "core/model/weights.h"

#include <filesystem>

#include "core/error.h"
#include "core/files.h"

namespace polykv {

Weights::Weights(const std::string& folder) {
  const std::string single = folder + "/model.safetensors";
  const std::string index = single + ".index.json";
  origin_ = single;
  // Only a file that is not there gives way to the index: a link to itself is an error.
  std::error_code ignored;
  const auto found = std::filesystem::status(single, ignored).type();
  if (found == std::filesystem::file_type::not_found && std::filesystem::exists(index, ignored)) {
    origin_ = index;
    open_shards(folder, index);
    return;
  }
  files_.push_back(std::make_unique<SafetensorsFile>(single));
  for (const auto& [name, tensor] : files_[0]->tensors()) owner_[name] = files_[0].get();
}

void Weights::open_shards(const std::string& folder, const std::string& index_path) {
  const Json index = read_json_file(index_path);
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object() ||
      index["weight_map"].empty()) {
    fail_input(index_path, "weight_map", "expected an object of tensor names and shard files");
  }
  std::map<std::string, const SafetensorsFile*> shards;
  for (const auto& [name, file] : index["weight_map"].items()) {
    if (!file.is_string()) fail_input(index_path, "weight_map." + name, "expected a file name");
    const std::string shard = file.get<std::string>();
    // A NUL would end the name early and open another file.
    if (shard.empty() || shard.find_first_of(std::string_view("/\0", 2)) != std::string::npos) {
      fail_input(index_path, "weight_map." + name,
                 "expected a file name in the same folder, found " + file.dump());
    }
    if (!shards.count(shard)) {
      files_.push_back(std::make_unique<SafetensorsFile>(folder + "/" + shard));
      shards[shard] = files_.back().get();
    }
    if (!shards[shard]->has(name)) {
      fail_input(folder + "/" + shard, name, "the tensor is missing, the index places it here");
    }
    owner_[name] = shards[shard];
  }
}

const StoredTensor& Weights::find(const std::string& name,
                                  const std::vector<std::int64_t>& shape) const {
  const auto owner = owner_.find(name);
  if (owner == owner_.end()) {
    if (origin_ == files_[0]->path()) return files_[0]->find(name, shape);  // says what is wrong
    fail_input(origin_, name, "the tensor is missing");
  }
  return owner->second->find(name, shape);
}

std::int64_t Weights::tensor_bytes() const {
  std::int64_t bytes = 0;
  for (const auto& file : files_) {
    for (const auto& [name, tensor] : file->tensors())
      bytes += static_cast<std::int64_t>(tensor.bytes);
  }
  return bytes;
}

const std::string& Weights::file_of(const std::string& name) const {
  const auto owner = owner_.find(name);
  return owner == owner_.end() ? origin_ : owner->second->path();
}

}  // namespace polykv
