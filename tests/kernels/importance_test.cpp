#include "kernels/importance.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/kernels/hostile.h"

namespace {

using polykv::ImportanceShape;

// The definition: every query's softmax over the keys it sees, in double, summed by column.
std::vector<double> sums_by_definition(const std::vector<float>& queries,
                                       const std::vector<float>& keys,
                                       const ImportanceShape& shape) {
  std::vector<double> sums(static_cast<std::size_t>(shape.heads) * shape.keys);
  for (int head = 0; head < shape.heads; ++head) {
    const int kv_head = head / (shape.heads / shape.kv_heads);
    for (int i = 0; i < shape.queries; ++i) {
      const int seen = std::min(shape.keys, shape.first + i + 1);
      const float* query =
          &queries[(static_cast<std::size_t>(head) * shape.queries + i) * shape.dim];
      std::vector<double> p(seen);
      double highest = -1e300, total = 0;
      for (int k = 0; k < seen; ++k) {
        const float* key = &keys[(static_cast<std::size_t>(kv_head) * shape.keys + k) * shape.dim];
        for (int d = 0; d < shape.dim; ++d) p[k] += static_cast<double>(query[d]) * key[d];
        p[k] *= shape.scale;
        highest = std::max(highest, p[k]);
      }
      for (double& value : p) total += value = std::exp(value - highest);
      for (int k = 0; k < seen; ++k) {
        sums[static_cast<std::size_t>(head) * shape.keys + k] += p[k] / total;
      }
    }
  }
  return sums;
}

// Largest |got - expected| / (expected + floor); a key no query sees must be exactly 0.
double worst_error(const std::vector<float>& got, const std::vector<double>& expected,
                   double floor) {
  double worst = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (expected[i] == 0 && got[i] != 0) return 1e30;
    const double error = std::abs(got[i] - expected[i]) / (expected[i] + floor);
    worst = error > worst || std::isnan(error) ? (std::isnan(error) ? 1e30 : error) : worst;
  }
  return worst;
}

std::vector<float> run(const std::vector<float>& queries, const std::vector<float>& keys,
                       const ImportanceShape& shape) {
  const std::size_t size = static_cast<std::size_t>(shape.heads) * shape.keys;
  std::vector<float> sums(size + hostile::kSentinels, hostile::kFloatSentinel);
  polykv::importance_cpu(queries.data(), keys.data(), shape, 0, shape.heads, sums.data());
  for (int i = 0; i < hostile::kSentinels; ++i) {
    REQUIRE(sums[size + i] == hostile::kFloatSentinel);
  }
  sums.resize(size);
  return sums;
}

struct Inputs {
  std::vector<float> queries, keys;
};

Inputs inputs(std::mt19937& random, const ImportanceShape& shape) {
  return {hostile::normal_values(random,
                                 static_cast<std::size_t>(shape.heads) * shape.queries * shape.dim),
          hostile::normal_values(
              random, static_cast<std::size_t>(shape.kv_heads) * shape.keys * shape.dim)};
}

ImportanceShape causal(int heads, int kv_heads, int queries, int keys, int dim) {
  return {heads,
          kv_heads,
          queries,
          keys,
          dim,
          keys - queries,
          1.0f / std::sqrt(static_cast<float>(dim))};
}

}  // namespace

TEST_CASE("importance equals the full n x n softmax to 1e-5 with 1024 queries") {
  for (int heads : {2, 3}) {
    const ImportanceShape shape = causal(heads, 1, 1024, 1024, 32);
    std::mt19937 random(heads);
    const Inputs in = inputs(random, shape);
    CHECK(worst_error(run(in.queries, in.keys, shape),
                      sums_by_definition(in.queries, in.keys, shape), 0) < 1e-5);
  }
}

TEST_CASE("importance equals the definition at every odd size") {
  for (unsigned seed = 0; seed < 400; ++seed) {
    std::mt19937 random(seed);
    const int kv_heads = hostile::between(random, 1, 3);
    ImportanceShape shape =
        causal(kv_heads * hostile::between(random, 1, 4), kv_heads, hostile::between(random, 0, 40),
               hostile::between(random, 1, 140), hostile::between(random, 1, 70));
    shape.first =
        hostile::between(random, 0, shape.keys + 5);  // also more and fewer keys than seen
    const Inputs in = inputs(random, shape);
    INFO("seed " << seed << ", " << hostile::words(shape));
    REQUIRE(worst_error(run(in.queries, in.keys, shape),
                        sums_by_definition(in.queries, in.keys, shape), 1e-12) < 1e-5);
  }
}

TEST_CASE("importance of a window at the end of 8192 keys equals the definition") {
  for (int window : {1, 8, 32}) {
    const ImportanceShape shape = causal(4, 1, window, 8192, 128);
    std::mt19937 random(window);
    const Inputs in = inputs(random, shape);
    INFO("window " << window);
    CHECK(worst_error(run(in.queries, in.keys, shape),
                      sums_by_definition(in.queries, in.keys, shape), 0) < 1e-5);
  }
}

TEST_CASE("importance of one query stays within 1e-6 of softmax over a wide range of logits") {
  ImportanceShape shape{1, 1, 1, 801, 1, 800, 1.0f};
  std::vector<float> keys(801);
  for (int i = 0; i <= 800; ++i) keys[i] = -static_cast<float>(i) / 10;  // logits 0 to -80
  const std::vector<float> query{1.0f};
  CHECK(worst_error(run(query, keys, shape), sums_by_definition(query, keys, shape), 0) < 1e-6);
}

TEST_CASE("importance survives logits whose exponentials overflow") {
  for (float size : {1e3f, -1e3f, 1e18f}) {
    ImportanceShape shape{1, 1, 3, 40, 2, 37, 1.0f};
    std::vector<float> queries(6, size), keys(80);
    for (int i = 0; i < 80; ++i) keys[i] = static_cast<float>(i % 7);
    INFO("size " << size);
    CHECK(worst_error(run(queries, keys, shape), sums_by_definition(queries, keys, shape), 1e-30) <
          1e-5);
  }
}

TEST_CASE("importance finds the one large logit wherever it stands among 1000 keys") {
  for (int at : {0, 31, 40, 255, 256, 700, 999}) {
    const ImportanceShape shape{1, 1, 3, 1000, 2, 997, 1.0f};
    const std::vector<float> queries(6, 1e3f);
    std::vector<float> keys(2000);
    keys[2 * at] = 1.0f;
    INFO("large logit at " << at);
    CHECK(worst_error(run(queries, keys, shape), sums_by_definition(queries, keys, shape), 1e-30) <
          1e-5);
  }
}

TEST_CASE("every query shares out exactly one unit of importance") {
  const ImportanceShape shape = causal(4, 2, 77, 333, 48);
  std::mt19937 random(9);
  const Inputs in = inputs(random, shape);
  const auto sums = run(in.queries, in.keys, shape);
  for (int head = 0; head < shape.heads; ++head) {
    double total = 0;
    for (int k = 0; k < shape.keys; ++k) total += sums[head * shape.keys + k];
    CHECK(total == Approx(77).epsilon(1e-6));
  }
}

TEST_CASE("importance of a head range writes those heads alone and the same numbers") {
  for (int queries : {1, 3, 20}) {
    const ImportanceShape shape = causal(6, 2, queries, 100, 16);
    std::mt19937 random(queries);
    const Inputs in = inputs(random, shape);
    const auto whole = run(in.queries, in.keys, shape);
    for (int begin = 0; begin <= 6; ++begin) {
      for (int end = begin; end <= 6; ++end) {
        std::vector<float> part(600, hostile::kFloatSentinel);
        polykv::importance_cpu(in.queries.data(), in.keys.data(), shape, begin, end, part.data());
        for (int i = 0; i < 600; ++i) {
          const bool inside = i / 100 >= begin && i / 100 < end;
          INFO("queries " << queries << ", heads " << begin << " to " << end << ", entry " << i);
          if (inside) REQUIRE(part[i] == whole[i]);
          if (!inside) REQUIRE(part[i] == hostile::kFloatSentinel);
        }
      }
    }
  }
}

TEST_CASE("a NaN in one head's query spoils that head alone") {
  const ImportanceShape shape = causal(4, 2, 3, 50, 8);
  std::mt19937 random(3);
  Inputs in = inputs(random, shape);
  in.queries[1 * 3 * 8 + 5] = NAN;  // head 1
  const auto sums = run(in.queries, in.keys, shape);
  for (int head = 0; head < 4; ++head) {
    INFO("head " << head);
    CHECK(std::isnan(sums[head * 50]) == (head == 1));
  }
}
