#include "kernels/attention.h"

#include "tests/cuda/place.h"
#include "tests/kernels/hostile.h"
#include "tests/support/cuda_on_cpu.h"

// The emulated build of the same file, under a name of its own beside nvcc's.
#define attention_cuda attention_emulated
#include "kernels/attention.cu"
#undef attention_cuda

namespace {

using hostile::AttentionInputs;

// The plain version and the kernels, each over sentinels. Probabilities to 1e-5 of themselves,
// outputs to 1e-5 of values of size 1 (weighed by shares that add up to 1).
void check(Place place, const AttentionInputs& in, bool with_rows = true) {
  const polykv::AttentionShape& s = in.shape;
  const std::size_t out_size = static_cast<std::size_t>(s.queries) * s.heads * s.dim;
  const std::size_t rows_size = static_cast<std::size_t>(s.heads) * s.queries * in.row_stride;
  std::vector<float> expected(out_size + hostile::kSentinels, hostile::kFloatSentinel);
  // Not negative: an exponential of what was there before must show.
  std::vector<float> expected_rows(rows_size + hostile::kSentinels, -hostile::kFloatSentinel);
  Buffer<float> queries(place, in.queries), keys(place, in.keys), values(place, in.values);
  Buffer<std::int64_t> starts(place, in.starts);
  Buffer<int> lengths(place, in.lengths);
  Buffer<float> out(place, expected), rows(place, expected_rows);
  polykv::attention_cpu(in.queries.data(), in.keys.data(), in.values.data(), in.starts.data(),
                        in.lengths.data(), s, 0, s.heads, expected.data(),
                        with_rows ? expected_rows.data() : nullptr, in.row_stride);
  if (place == Place::emulation) {
    polykv::attention_emulated(queries.data(), keys.data(), values.data(), starts.data(),
                               lengths.data(), s, out.data(), with_rows ? rows.data() : nullptr,
                               in.row_stride, nullptr);
  }
#ifdef POLYKV_WITH_CUDA
  if (place == Place::gpu) {
    polykv::attention_cuda(queries.data(), keys.data(), values.data(), starts.data(),
                           lengths.data(), s, out.data(), with_rows ? rows.data() : nullptr,
                           in.row_stride, nullptr);
  }
#endif
  INFO(hostile::words(s));
  const auto got = out.read(), got_rows = rows.read();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    INFO("output " << i << ": " << got[i] << ", plain version " << expected[i]);
    REQUIRE(std::abs(got[i] - expected[i]) <= 1e-5f * std::max(1.0f, std::abs(expected[i])));
  }
  for (std::size_t i = 0; i < expected_rows.size(); ++i) {
    INFO("probability " << i << ": " << got_rows[i] << ", plain version " << expected_rows[i]);
    REQUIRE(std::abs(got_rows[i] - expected_rows[i]) <=
            1e-5f * std::abs(expected_rows[i]) + 1e-30f);
  }
}

void check_all(Place place) {
  std::mt19937 random(4);
  check(place, hostile::attention_inputs(random, {2, 1, 0, 4, 0.5f}, {5}));
  check(place, hostile::attention_inputs(random, {3, 3, 1, 1, 1.0f}, {1, 2, 9}));
  check(place, hostile::attention_inputs(random, {4, 2, 1, 256, 0.06f}, {300, 31}));
  check(place, hostile::attention_inputs(random, {2, 1, 3, 33, 0.2f}, {3}));
  check(place, hostile::attention_inputs(random, {2, 2, 1, 128, 0.1f}, {1000, 33}), false);
  AttentionInputs large = hostile::attention_inputs(random, {1, 1, 2, 8, 1.0f}, {70});
  for (float& x : large.queries) x = x < 0 ? -1250.0f : 1250.0f;
  for (float& x : large.keys) x = x < 0 ? -1.0f : 1.0f;
  check(place, large);  // logits of -1e4 to 1e4
  for (unsigned seed = 0; seed < 24; ++seed) {
    std::mt19937 own(seed);
    INFO("seed " << seed);
    check(place, hostile::attention_inputs(own, 40));
  }
}

}  // namespace

TEST_CASE("the attention kernels equal the plain version, under emulation") {
  if (emulation_or_warning()) check_all(Place::emulation);
}

TEST_CASE("the attention kernels equal the plain version, on a GPU") {
  if (gpu_or_warning()) check_all(Place::gpu);
}

TEST_CASE("the attention kernels refuse rows of more than 256 floats") {
  const polykv::AttentionShape wide{1, 1, 1, 257, 1.0f};
  CHECK_THROWS_AS(polykv::attention_emulated(nullptr, nullptr, nullptr, nullptr, nullptr, wide,
                                             nullptr, nullptr, 0, nullptr),
                  std::invalid_argument);
}
