#include "kernels/compact.h"

#include "tests/cuda/place.h"
#include "tests/kernels/hostile.h"
#include "tests/support/cuda_on_cpu.h"

// The emulated build of the same file, under a name of its own beside nvcc's.
#define compact_cuda compact_emulated
#include "kernels/compact.cu"
#undef compact_cuda

namespace {

using polykv::CompactShape;

void check(Place place, std::mt19937& random, const CompactShape& shape) {
  const std::size_t rows = shape.rows, dim = shape.dim;
  std::vector<std::int32_t> positions(rows * shape.kept);
  for (auto& position : positions) position = hostile::between(random, 0, shape.tokens - 1);
  const auto source = hostile::normal_values(random, rows * shape.tokens * dim);
  std::vector<float> expected(rows * shape.out_stride * dim + hostile::kSentinels,
                              hostile::kFloatSentinel);
  Buffer<float> in(place, source), out(place, expected);
  Buffer<std::int32_t> at(place, positions);
  polykv::compact_cpu(source.data(), positions.data(), shape, expected.data());
  if (place == Place::emulation) {
    polykv::compact_emulated(in.data(), at.data(), shape, out.data(), nullptr);
  }
#ifdef POLYKV_WITH_CUDA
  if (place == Place::gpu) {
    polykv::compact_cuda(in.data(), at.data(), shape, out.data(), nullptr);
  }
#endif
  INFO("rows " << shape.rows << ", tokens " << shape.tokens << ", kept " << shape.kept << ", dim "
               << shape.dim << ", stride " << shape.out_stride);
  REQUIRE(hostile::first_difference(out.read(), expected) == -1);
}

void check_all(Place place) {
  std::mt19937 random(2);
  check(place, random, {0, 5, 3, 4, 3});
  check(place, random, {2, 5, 0, 4, 3});
  check(place, random, {1, 1, 1, 1, 1});
  check(place, random, {2, 1200, 1199, 128, 1200});  // more floats than one sweep of the grid
  for (unsigned seed = 0; seed < 60; ++seed) {
    std::mt19937 own(seed);
    CompactShape shape;
    shape.rows = hostile::between(own, 1, 4);
    shape.tokens = hostile::between(own, 1, 60);
    shape.kept = hostile::between(own, 1, 70);
    shape.dim = hostile::between(own, 1, 40);
    shape.out_stride = shape.kept + hostile::between(own, 0, 5);
    INFO("seed " << seed);
    check(place, own, shape);
  }
}

}  // namespace

TEST_CASE("the compact kernel copies what the plain version copies, under emulation") {
  if (emulation_or_warning()) check_all(Place::emulation);
}

TEST_CASE("the compact kernel copies what the plain version copies, on a GPU") {
  if (gpu_or_warning()) check_all(Place::gpu);
}
