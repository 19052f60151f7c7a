#include "core/model/widen.h"

#include <algorithm>
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

// The tensor from one of its numbers on; only type and data count.
StoredTensor from(const StoredTensor& tensor, std::size_t first) {
  StoredTensor rest;
  rest.type = tensor.type;
  rest.data = tensor.data + first * (tensor.type == StoredType::f32 ? 4 : 2);
  return rest;
}

// Finite fp32 bits to bf16, nearest even.
std::uint16_t upper_half_of(std::uint32_t bits) {
  return static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

// Finite fp32 bits to fp16, nearest even; infinite from 65520 on.
std::uint16_t half_of(std::uint32_t bits) {
  const std::uint32_t sign = bits >> 16 & 0x8000u, size = bits & 0x7fffffffu;
  std::uint32_t half;
  if (size >= std::bit_cast<std::uint32_t>(65520.0f)) {
    half = kExponent16;
  } else if (size < std::bit_cast<std::uint32_t>(0x1p-14f)) {
    // Subnormal: the last place of 0.5 is 2^-24, the step of subnormal halves.
    half = std::bit_cast<std::uint32_t>(std::bit_cast<float>(size) + 0.5f) -
           std::bit_cast<std::uint32_t>(0.5f);
  } else {
    half = ((size + 0xfffu + (size >> 13 & 1)) >> 13) - (112u << 10);  // the exponents' biases
  }
  return static_cast<std::uint16_t>(sign | half);
}

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
        // The exponent's bias differs by 112. Subnormal halves are counted from 2^-14 on: no number
        // on the way is denormal, which threads may take for 0.
        const std::uint32_t size = (half & 0x7fffu) << 13;
        const float normal = std::bit_cast<float>(size + (112u << 23));
        const float small = std::bit_cast<float>(size + (113u << 23)) - 0x1p-14f;
        const float value = (half & kExponent16) == 0 ? small : normal;
        out[i] = std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) | (half & 0x8000u) << 16);
      }
      break;
  }
  return bad == 0;
}

bool convert(const StoredTensor& tensor, std::size_t first, std::size_t last, StoredType to,
             void* out) {
  if (to == StoredType::f32) return widen(tensor, first, last, static_cast<float*>(out));
  auto* words = static_cast<std::uint16_t*>(out);
  const std::uint32_t exponent = to == StoredType::f16 ? kExponent16 : kExponent32 >> 16;
  std::uint32_t bad = 0;
  if (to == tensor.type) {
    for (std::size_t i = first; i < last; ++i) {
      words[i] = word_at<std::uint16_t>(tensor.data, i);
      bad |= (words[i] & exponent) == exponent;
    }
    return bad == 0;
  }
  float wide[1024];
  for (std::size_t begin = first; begin < last; begin += std::size(wide)) {
    const std::size_t count = std::min(std::size(wide), last - begin);
    if (!widen(from(tensor, begin), 0, count, wide)) return false;
    for (std::size_t i = 0; i < count; ++i) {
      const auto bits = std::bit_cast<std::uint32_t>(wide[i]);
      words[begin + i] = to == StoredType::f16 ? half_of(bits) : upper_half_of(bits);
      bad |= (words[begin + i] & exponent) == exponent;
    }
  }
  return bad == 0;
}

}  // namespace polykv
