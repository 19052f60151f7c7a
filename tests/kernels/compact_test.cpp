#include "kernels/compact.h"

#include <catch2/catch.hpp>

#include "tests/kernels/hostile.h"

TEST_CASE("compact copies each kept row, in the order given, and touches nothing else") {
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    polykv::CompactShape shape;
    shape.rows = hostile::between(random, 0, 4);
    shape.tokens = hostile::between(random, 1, 60);
    shape.kept = hostile::between(random, 0, 70);  // positions may repeat
    shape.dim = hostile::between(random, 1, 40);
    shape.out_stride = shape.kept + hostile::between(random, 0, 5);
    const auto source = hostile::normal_values(
        random, static_cast<std::size_t>(shape.rows) * shape.tokens * shape.dim);
    std::vector<std::int32_t> positions(static_cast<std::size_t>(shape.rows) * shape.kept);
    for (auto& position : positions) position = hostile::between(random, 0, shape.tokens - 1);
    const std::size_t size = static_cast<std::size_t>(shape.rows) * shape.out_stride * shape.dim;
    std::vector<float> out(size + hostile::kSentinels, hostile::kFloatSentinel), expected = out;
    for (int row = 0; row < shape.rows; ++row) {
      for (int i = 0; i < shape.kept; ++i) {
        for (int d = 0; d < shape.dim; ++d) {
          expected[(row * shape.out_stride + i) * shape.dim + d] =
              source[(row * shape.tokens + positions[row * shape.kept + i]) * shape.dim + d];
        }
      }
    }
    polykv::compact_cpu(source.data(), positions.data(), shape, out.data());
    INFO("seed " << seed << ", rows " << shape.rows << ", tokens " << shape.tokens << ", kept "
                 << shape.kept << ", dim " << shape.dim << ", stride " << shape.out_stride);
    REQUIRE(hostile::first_difference(out, expected) == -1);
  }
}
