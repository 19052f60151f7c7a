#include "kernels/matvec.h"

#include "tests/cuda/place.h"
#include "tests/kernels/hostile.h"
#include "tests/support/cuda_on_cpu.h"

// The emulated build of the same file, under a name of its own beside nvcc's.
#define matvec_cuda matvec_emulated
#include "kernels/matvec.cu"
#undef matvec_cuda

namespace {

using polykv::MatvecShape;

// Both sum in fp32, in other orders: relative to the sum of the products' sizes.
constexpr double kTolerance = 2e-6;

template <class Number>
void check(Place place, std::mt19937& random, const MatvecShape& shape) {
  const std::size_t columns = shape.columns, size = std::size_t(shape.tokens) * shape.rows;
  const auto x = hostile::normal_values(random, shape.tokens * columns);
  std::vector<Number> weight(shape.rows * columns);
  for (Number& w : weight) w = hostile::weight<Number>(random);
  std::vector<float> expected(size + hostile::kSentinels, hostile::kFloatSentinel);
  Buffer<float> in(place, x), out(place, expected);
  Buffer<Number> matrix(place, weight);
  polykv::matvec_cpu(x.data(), weight.data(), shape, 0, shape.rows, expected.data());
  if (place == Place::emulation) {
    polykv::matvec_emulated(in.data(), matrix.data(), shape, out.data(), nullptr);
  }
#ifdef POLYKV_WITH_CUDA
  if (place == Place::gpu) {
    polykv::matvec_cuda(in.data(), matrix.data(), shape, out.data(), nullptr);
  }
#endif
  const auto got = out.read();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    double scale = 0;
    for (std::size_t c = 0; i < size && c < columns; ++c) {
      scale += std::abs(x[i / shape.rows * columns + c] *
                        polykv::widened(weight[i % shape.rows * columns + c]));
    }
    INFO("tokens " << shape.tokens << ", rows " << shape.rows << ", columns " << columns
                   << ", entry " << i << ": " << got[i] << ", plain version " << expected[i]);
    REQUIRE(std::abs(got[i] - expected[i]) <= kTolerance * scale);
  }
}

template <class Number>
void check_all(Place place) {
  std::mt19937 random(4);
  check<Number>(place, random, {0, 5, 3});
  check<Number>(place, random, {3, 0, 5});
  check<Number>(place, random, {1, 1, 1});
  check<Number>(place, random, {2, 3, 0});  // empty sums
  check<Number>(place, random, {1, 9, 1030});
  check<Number>(place, random, {9, 8, 32});
  for (unsigned seed = 0; seed < 40; ++seed) {
    std::mt19937 own(seed);
    INFO("seed " << seed);
    check<Number>(place, own,
                  {hostile::between(own, 1, 10), hostile::between(own, 1, 40),
                   hostile::between(own, 1, 140)});
  }
}

void check_types(Place place) {
  check_all<float>(place);
  check_all<polykv::Bf16>(place);
  check_all<polykv::Fp16>(place);
}

}  // namespace

TEST_CASE("the matvec kernels equal the plain version for every type, under emulation") {
  if (emulation_or_warning()) check_types(Place::emulation);
}

TEST_CASE("the matvec kernels equal the plain version for every type, on a GPU") {
  if (gpu_or_warning()) check_types(Place::gpu);
}
