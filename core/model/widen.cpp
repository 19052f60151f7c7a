#include "core/model/widen.h"

#include <bit>
#include <cstdint>
#include <cstring>

namespace polykv {
namespace {

template <typename Word>
Word word_at(const unsigned char* data, std::size_t i) {
  Word word;
  std::memcpy(&word, data + i * sizeof(Word), sizeof(Word));
  return word;
}

constexpr std::uint32_t kExponent32 = 0x7f800000u;  // all ones: NaN or infinity
constexpr std::uint32_t kExponent16 = 0x7c00u;

}  // namespace

bool widen(const StoredTensor& tensor, std::size_t first, std::size_t last, float* out) {
  const unsigned char* data = tensor.data;
  std::uint32_t bad = 0;
  switch (tensor.type) {
    case StoredType::f32:
      for (std::size_t i = first; i < last; ++i) {
        const auto bits = word_at<std::uint32_t>(data, i);
        bad |= (bits & kExponent32) == kExponent32;
        out[i] = std::bit_cast<float>(bits);
      }
      break;
    case StoredType::bf16:  // the upper half of an fp32
      for (std::size_t i = first; i < last; ++i) {
        const std::uint32_t bits = std::uint32_t{word_at<std::uint16_t>(data, i)} << 16;
        bad |= (bits & kExponent32) == kExponent32;
        out[i] = std::bit_cast<float>(bits);
      }
      break;
    case StoredType::f16:
      for (std::size_t i = first; i < last; ++i) {
        const std::uint32_t half = word_at<std::uint16_t>(data, i);
        bad |= (half & kExponent16) == kExponent16;
        // The exponent's bias differs by 112; the product also makes subnormal halves right.
        const float size = std::bit_cast<float>((half & 0x7fffu) << 13) * 0x1p112f;
        out[i] = std::bit_cast<float>(std::bit_cast<std::uint32_t>(size) | (half & 0x8000u) << 16);
      }
      break;
  }
  return bad == 0;
}

}  // namespace polykv
