#pragma once
// Stored weights to another type in one pass over the bytes.
#include <cstddef>

#include "core/model/safetensors.h"

namespace polykv {

// Converts elements [first, last) of the tensor (data may be unaligned) to out[first ..]. False
// when one of them is NaN or infinite. Exact for fp16, bf16 and fp32.
bool widen(const StoredTensor& tensor, std::size_t first, std::size_t last, float* out);

// The same to any type; a narrower one rounds to nearest even. out points to the whole tensor's
// numbers. False also when a number is too large for fp16 (65504).
bool convert(const StoredTensor& tensor, std::size_t first, std::size_t last, StoredType to,
             void* out);

}  // namespace polykv
