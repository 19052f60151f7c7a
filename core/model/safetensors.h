#pragma once
// safetensors files: memory-mapped reading with every tensor asked for by name and shape; writing.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace polykv {

enum class StoredType { f32, f16, bf16 };

struct StoredTensor {
  StoredType type = StoredType::f32;
  std::vector<std::int64_t> shape;
  const unsigned char* data =
      nullptr;  // little endian, may be unaligned; lives as long as the file
  std::size_t bytes = 0;
};

class SafetensorsFile {
 public:
  // Maps the file and checks its header: size, JSON, types, shapes, offsets inside the file without
  // overlap. Throws an input Error naming file, tensor and expectation.
  explicit SafetensorsFile(const std::string& path);
  ~SafetensorsFile();
  SafetensorsFile(const SafetensorsFile&) = delete;
  SafetensorsFile& operator=(const SafetensorsFile&) = delete;

  bool has(const std::string& name) const {
    return tensors_.count(name) != 0 || unusable_.count(name) != 0;
  }
  // Throws an input Error when the name is missing or the type or shape is another one.
  const StoredTensor& find(const std::string& name, const std::vector<std::int64_t>& shape) const;
  const std::map<std::string, StoredTensor>& tensors() const { return tensors_; }
  std::string_view bytes() const { return {map_, size_}; }  // the whole file
  const std::string& path() const { return path_; }

 private:
  void read_header();
  std::string path_;
  const char* map_ = nullptr;
  std::size_t size_ = 0;
  std::map<std::string, StoredTensor> tensors_;
  std::map<std::string, std::string> unusable_;  // name -> dtype, of types nobody computes with
};

// One fp32 tensor to write.
struct FloatTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};
void write_safetensors(const std::string& path, const std::vector<FloatTensor>& tensors);

}  // namespace polykv
