#pragma once
// --dtype: the type that matrices are kept in while a model is open.
#include <optional>
#include <string>

#include "core/model/weights.h"

namespace polykv {

const char* dtype_name(StoredType type);  // "fp32", "fp16" or "bf16"
// The words of --dtype, "float32" and its like included; none for any other word.
std::optional<StoredType> dtype_from(const std::string& word);
std::int64_t dtype_bytes(StoredType type);  // of one number

// Bytes of all weights in memory: matrices in `type`, norms and biases in fp32.
std::int64_t weight_bytes(const Weights& weights, StoredType type);

// fp32 while the weights then take at most 4 GiB, else the type most of them are stored in.
inline constexpr std::int64_t kMostFp32Bytes = std::int64_t{4} << 30;
StoredType default_dtype(const Weights& weights);

}  // namespace polykv
