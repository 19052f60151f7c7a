#include "kernels/select.h"

#include "tests/cuda/place.h"
#include "tests/kernels/hostile.h"
#include "tests/support/cuda_on_cpu.h"

// The emulated build of the same file, under a name of its own beside nvcc's.
#define select_cuda select_emulated
#include "kernels/select.cu"
#undef select_cuda

namespace {

using polykv::SelectShape;

// The plain version and the kernel, each over sentinels, must leave the same memory behind.
void check(Place place, const std::vector<float>& scores, const SelectShape& shape) {
  const std::size_t size =
      static_cast<std::size_t>(std::max(shape.rows, 0)) * polykv::kept_count(shape);
  std::vector<std::int32_t> expected(size + hostile::kSentinels, hostile::kPositionSentinel);
  Buffer<float> in(place, scores);
  Buffer<std::int32_t> out(place, expected);
  polykv::select_cpu(scores.data(), shape, expected.data());
  if (place == Place::emulation) polykv::select_emulated(in.data(), shape, out.data(), nullptr);
#ifdef POLYKV_WITH_CUDA
  if (place == Place::gpu) polykv::select_cuda(in.data(), shape, out.data(), nullptr);
#endif
  REQUIRE(hostile::first_difference(out.read(), expected) == -1);
}

void check_all(Place place) {
  std::mt19937 random(1);
  for (int tokens : {1, 2, 31, 256, 257, 5000}) {
    for (int kind = 0; kind < hostile::kScoreKinds; ++kind) {
      const int budget = hostile::between(random, 1, tokens);
      const SelectShape shape{2, tokens, budget, 4, 8};
      INFO("kind " << kind << ", " << hostile::words(shape));
      check(place, hostile::scores(random, 2 * static_cast<std::size_t>(tokens), kind), shape);
    }
  }
  for (int budget = -1; budget <= 42; ++budget) {  // every budget of a row of ties
    const SelectShape shape{1, 40, budget, 2, 3};
    INFO("ties, " << hostile::words(shape));
    check(place, hostile::scores(random, 40, 1), shape);
  }
  for (int rows : {0, 3}) {
    const SelectShape shape{rows, rows == 0 ? 5 : 0, 3, 1, 1};
    INFO("empty, " << hostile::words(shape));
    check(place, std::vector<float>(5, 1.0f), shape);
  }
  for (unsigned seed = 0; seed < 120; ++seed) {
    std::mt19937 own(seed);
    const SelectShape shape = hostile::select_shape(own, 700);
    const int kind = static_cast<int>(seed) % hostile::kScoreKinds;
    INFO("seed " << seed << ", kind " << kind << ", " << hostile::words(shape));
    check(place, hostile::scores(own, static_cast<std::size_t>(shape.rows) * shape.tokens, kind),
          shape);
  }
}

}  // namespace

TEST_CASE("the select kernel keeps what the plain version keeps, under emulation") {
  if (emulation_or_warning()) check_all(Place::emulation);
}

TEST_CASE("the select kernel keeps what the plain version keeps, on a GPU") {
  if (gpu_or_warning()) check_all(Place::gpu);
}
