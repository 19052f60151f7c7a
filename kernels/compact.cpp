#include "kernels/compact.h"

#include <cstring>

namespace polykv {

void compact_cpu(const float* source, const std::int32_t* positions, const CompactShape& shape,
                 float* out) {
  const std::size_t dim = shape.dim;
  for (int row = 0; row < shape.rows; ++row) {
    const float* from = source + static_cast<std::size_t>(row) * shape.tokens * dim;
    float* to = out + static_cast<std::size_t>(row) * shape.out_stride * dim;
    for (int i = 0; i < shape.kept; ++i, to += dim) {
      std::memcpy(to, from + *positions++ * dim, dim * sizeof(float));
    }
  }
}

}  // namespace polykv
