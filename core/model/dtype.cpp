#include "core/model/dtype.h"

#include <algorithm>

namespace polykv {
namespace {

struct DtypeRow {
  StoredType type;
  const char *name, *long_name;
  std::int64_t bytes;
};
constexpr DtypeRow kRows[] = {{StoredType::f32, "fp32", "float32", 4},
                              {StoredType::f16, "fp16", "float16", 2},
                              {StoredType::bf16, "bf16", "bfloat16", 2}};

const DtypeRow& row_of(StoredType type) {
  return *std::find_if(std::begin(kRows), std::end(kRows),
                       [&](const DtypeRow& row) { return row.type == type; });
}

}  // namespace

const char* dtype_name(StoredType type) { return row_of(type).name; }

std::int64_t dtype_bytes(StoredType type) { return row_of(type).bytes; }

std::optional<StoredType> dtype_from(const std::string& word) {
  for (const DtypeRow& row : kRows) {
    if (word == row.name || word == row.long_name) return row.type;
  }
  return std::nullopt;
}

std::int64_t weight_bytes(const Weights& weights, StoredType type) {
  std::int64_t bytes = 0;
  for (const auto& file : weights.files()) {
    for (const auto& [name, tensor] : file->tensors()) {
      const auto count = static_cast<std::int64_t>(tensor.bytes) / dtype_bytes(tensor.type);
      bytes += count * (tensor.shape.size() > 1 ? dtype_bytes(type) : dtype_bytes(StoredType::f32));
    }
  }
  return bytes;
}

StoredType default_dtype(const Weights& weights) {
  if (weight_bytes(weights, StoredType::f32) <= kMostFp32Bytes) return StoredType::f32;
  std::size_t bytes[std::size(kRows)] = {};
  for (const auto& file : weights.files()) {
    for (const auto& [name, tensor] : file->tensors()) {
      bytes[&row_of(tensor.type) - kRows] += tensor.bytes;
    }
  }
  return kRows[std::max_element(std::begin(bytes), std::end(bytes)) - bytes].type;
}

}  // namespace polykv
