#include "kernels/importance.h"

#include "tests/cuda/place.h"
#include "tests/kernels/hostile.h"
#include "tests/support/cuda_on_cpu.h"

// The emulated build of the same file, under a name of its own beside nvcc's.
#define importance_cuda importance_emulated
#include "kernels/importance.cu"
#undef importance_cuda

namespace {

using polykv::ImportanceShape;

// Sums over q probabilities in fp32, each with a relative error of some 1e-6 from its logit.
constexpr float kTolerance = 1e-5f;

void check(Place place, std::mt19937& random, const ImportanceShape& shape) {
  const std::size_t size = static_cast<std::size_t>(shape.heads) * shape.keys;
  const auto queries = hostile::normal_values(
      random, static_cast<std::size_t>(shape.heads) * shape.queries * shape.dim);
  const auto keys = hostile::normal_values(
      random, static_cast<std::size_t>(shape.kv_heads) * shape.keys * shape.dim);
  std::vector<float> expected(size + hostile::kSentinels, hostile::kFloatSentinel);
  Buffer<float> query_in(place, queries), key_in(place, keys), out(place, expected);
  polykv::importance_cpu(queries.data(), keys.data(), shape, 0, shape.heads, expected.data());
  if (place == Place::emulation) {
    polykv::importance_emulated(query_in.data(), key_in.data(), shape, out.data(), nullptr);
  }
#ifdef POLYKV_WITH_CUDA
  if (place == Place::gpu) {
    polykv::importance_cuda(query_in.data(), key_in.data(), shape, out.data(), nullptr);
  }
#endif
  INFO(hostile::words(shape));
  const auto got = out.read();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    INFO("entry " << i << ": " << got[i] << ", plain version " << expected[i]);
    REQUIRE(std::abs(got[i] - expected[i]) <= kTolerance * std::abs(expected[i]));
  }
}

void check_all(Place place) {
  std::mt19937 random(3);
  check(place, random, {2, 1, 0, 5, 4, 5, 0.5f});
  check(place, random, {1, 1, 1, 1, 1, 0, 1.0f});
  check(place, random, {4, 2, 100, 100, 32, 0, 0.2f});
  check(place, random, {4, 1, 8, 1000, 64, 992, 0.125f});
  check(place, random, {1, 1, 3, 2000, 33, 1997, 0.2f});
  for (unsigned seed = 0; seed < 24; ++seed) {
    std::mt19937 own(seed);
    ImportanceShape shape;
    shape.kv_heads = hostile::between(own, 1, 2);
    shape.heads = shape.kv_heads * hostile::between(own, 1, 3);
    shape.queries = hostile::between(own, 1, 70);
    shape.keys = hostile::between(own, 1, 140);
    shape.dim = hostile::between(own, 1, 70);
    shape.first = hostile::between(own, 0, shape.keys + 5);
    shape.scale = 0.25f;
    INFO("seed " << seed);
    check(place, own, shape);
  }
}

}  // namespace

TEST_CASE("the importance kernels equal the plain version, under emulation") {
  if (emulation_or_warning()) check_all(Place::emulation);
}

TEST_CASE("the importance kernels equal the plain version, on a GPU") {
  if (gpu_or_warning()) check_all(Place::gpu);
}
