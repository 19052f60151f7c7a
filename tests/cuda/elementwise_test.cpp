#include "kernels/elementwise.h"

#include "tests/cuda/place.h"
#include "tests/kernels/hostile.h"
#include "tests/support/cuda_on_cpu.h"

// The emulated build of the same file, under names of its own beside nvcc's.
#define rms_norm_cuda rms_norm_emulated
#define silu_gate_cuda silu_gate_emulated
#define split_heads_cuda split_heads_emulated
#include "kernels/elementwise.cu"
#undef rms_norm_cuda
#undef silu_gate_cuda
#undef split_heads_cuda

namespace {

using polykv::HeadShape;

constexpr double kTolerance = 3e-6;  // of numbers of about 1: other orders of sums, another exp

std::vector<float> sentinels(std::size_t size) {
  return std::vector<float>(size + hostile::kSentinels, hostile::kFloatSentinel);
}

void require_close(const std::vector<float>& got, const std::vector<float>& expected) {
  for (std::size_t i = 0; i < expected.size(); ++i) {
    INFO("entry " << i << ": " << got[i] << ", plain version " << expected[i]);
    REQUIRE(std::abs(got[i] - expected[i]) <=
            kTolerance * std::max(1.0, std::abs(double(expected[i]))));
  }
}

void check_norm(Place place, std::mt19937& random, int rows, int columns) {
  const std::size_t size = static_cast<std::size_t>(rows) * columns;
  const auto x = hostile::normal_values(random, size);
  const auto weight = hostile::normal_values(random, columns);
  auto expected = sentinels(size);
  Buffer<float> in(place, x), scales(place, weight), out(place, expected);
  polykv::rms_norm_cpu(x.data(), weight.data(), rows, columns, 1e-5f, expected.data());
  if (place == Place::emulation) {
    polykv::rms_norm_emulated(in.data(), scales.data(), rows, columns, 1e-5f, out.data(), nullptr);
  }
#ifdef POLYKV_WITH_CUDA
  if (place == Place::gpu) {
    polykv::rms_norm_cuda(in.data(), scales.data(), rows, columns, 1e-5f, out.data(), nullptr);
  }
#endif
  INFO("norm, rows " << rows << ", columns " << columns);
  require_close(out.read(), expected);
}

// scale 40: up to where exp(-x) is 0 or infinite.
void check_gate(Place place, std::mt19937& random, int rows, int columns, float scale) {
  const std::size_t size = static_cast<std::size_t>(rows) * columns;
  auto x = hostile::normal_values(random, 2 * size);
  for (float& value : x) value *= scale;
  auto expected = sentinels(size);
  Buffer<float> in(place, x), out(place, expected);
  polykv::silu_gate_cpu(x.data(), rows, columns, expected.data());
  if (place == Place::emulation) {
    polykv::silu_gate_emulated(in.data(), rows, columns, out.data(), nullptr);
  }
#ifdef POLYKV_WITH_CUDA
  if (place == Place::gpu) {
    polykv::silu_gate_cuda(in.data(), rows, columns, out.data(), nullptr);
  }
#endif
  INFO("gate, rows " << rows << ", columns " << columns << ", scale " << scale);
  require_close(out.read(), expected);
}

void check_split(Place place, std::mt19937& random, HeadShape shape, bool norms) {
  const std::size_t tokens = shape.tokens, d = shape.dim, heads = shape.heads, kv = shape.kv_heads;
  const auto qkv = hostile::normal_values(random, tokens * (heads + 2 * kv) * d);
  const auto cos = hostile::normal_values(random, tokens * d / 2);
  const auto sin = hostile::normal_values(random, tokens * d / 2);
  const auto q_norm = hostile::normal_values(random, d), k_norm = hostile::normal_values(random, d);
  const auto q_stride = static_cast<std::ptrdiff_t>((tokens + 1) * d);
  const auto kv_stride = static_cast<std::ptrdiff_t>((tokens + 2) * d);
  auto q = sentinels(heads * q_stride), k = sentinels(kv * kv_stride), v = k;
  Buffer<float> in(place, qkv), c(place, cos), s(place, sin), qn(place, q_norm), kn(place, k_norm),
      q_out(place, q), k_out(place, k), v_out(place, v);
  HeadShape there = shape;
  if (norms) {
    shape.q_norm = q_norm.data(), shape.k_norm = k_norm.data();
    there.q_norm = qn.data(), there.k_norm = kn.data();
  }
  polykv::split_heads_cpu(qkv.data(), shape, cos.data(), sin.data(), q.data(), q_stride, k.data(),
                          v.data(), kv_stride);
  if (place == Place::emulation) {
    polykv::split_heads_emulated(in.data(), there, c.data(), s.data(), q_out.data(), q_stride,
                                 k_out.data(), v_out.data(), kv_stride, nullptr);
  }
#ifdef POLYKV_WITH_CUDA
  if (place == Place::gpu) {
    polykv::split_heads_cuda(in.data(), there, c.data(), s.data(), q_out.data(), q_stride,
                             k_out.data(), v_out.data(), kv_stride, nullptr);
  }
#endif
  INFO("split, tokens " << tokens << ", heads " << heads << ", kv_heads " << kv << ", dim " << d
                        << ", norms " << norms);
  require_close(q_out.read(), q);
  require_close(k_out.read(), k);
  REQUIRE(hostile::first_difference(v_out.read(), v) == -1);
}

void check_all(Place place) {
  std::mt19937 random(5);
  for (const auto& [rows, columns] : {std::pair{0, 5}, {1, 1}, {3, 255}, {2, 256}, {2, 1025}}) {
    check_norm(place, random, rows, columns);
    check_gate(place, random, rows, columns, 1.0f);
  }
  check_gate(place, random, 2, 140000, 40.0f);  // more numbers than one sweep of the grid
  for (const bool norms : {false, true}) {
    check_split(place, random, {.heads = 0, .kv_heads = 0, .dim = 4, .tokens = 3}, norms);
    check_split(place, random, {.heads = 2, .kv_heads = 1, .dim = 4, .tokens = 0}, norms);
    check_split(place, random, {.heads = 4, .kv_heads = 2, .dim = 128, .tokens = 5}, norms);
  }
  for (unsigned seed = 0; seed < 40; ++seed) {
    std::mt19937 own(seed);
    const int rows = hostile::between(own, 0, 4), columns = hostile::between(own, 1, 600);
    HeadShape shape;
    shape.heads = hostile::between(own, 0, 4);
    shape.kv_heads = hostile::between(own, 0, 3);
    shape.dim = 2 * hostile::between(own, 1, 70);
    shape.tokens = hostile::between(own, 0, 5);
    shape.eps = 1e-6f;
    INFO("seed " << seed);
    check_norm(place, own, rows, columns);
    check_gate(place, own, rows, columns, seed % 3 == 0 ? 40.0f : 3.0f);
    check_split(place, own, shape, seed % 2 == 0);
  }
}

}  // namespace

TEST_CASE("the norm, gate and split kernels equal the plain versions, under emulation") {
  if (emulation_or_warning()) check_all(Place::emulation);
}

TEST_CASE("the norm, gate and split kernels equal the plain versions, on a GPU") {
  if (gpu_or_warning()) check_all(Place::gpu);
}
