#include "kernels/attention.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/kernels/hostile.h"

namespace {

using hostile::AttentionInputs;
using polykv::AttentionShape;

struct Attended {
  std::vector<float> out, rows;
};

// The plain version over sentinels, heads [begin, end); `rows` says whether they are asked for.
Attended run(const AttentionInputs& in, int begin, int end, bool rows = true) {
  const AttentionShape& s = in.shape;
  const std::size_t out_size = static_cast<std::size_t>(s.queries) * s.heads * s.dim;
  const std::size_t rows_size = static_cast<std::size_t>(s.heads) * s.queries * in.row_stride;
  Attended made{std::vector<float>(out_size + hostile::kSentinels, hostile::kFloatSentinel),
                std::vector<float>(rows_size + hostile::kSentinels, hostile::kFloatSentinel)};
  polykv::attention_cpu(in.queries.data(), in.keys.data(), in.values.data(), in.starts.data(),
                        in.lengths.data(), s, begin, end, made.out.data(),
                        rows ? made.rows.data() : nullptr, in.row_stride);
  for (int i = 0; i < hostile::kSentinels; ++i) {
    REQUIRE(made.out[out_size + i] == hostile::kFloatSentinel);
    REQUIRE(made.rows[rows_size + i] == hostile::kFloatSentinel);
  }
  made.out.resize(out_size);
  made.rows.resize(rows_size);
  return made;
}

Attended run(const AttentionInputs& in) { return run(in, 0, in.shape.heads); }

// The probabilities of one query by definition, in double; as many as it sees.
std::vector<double> row_by_definition(const AttentionInputs& in, int head, int query) {
  const AttentionShape& s = in.shape;
  const int kv_head = head / (s.heads / s.kv_heads);
  std::vector<double> p(in.lengths[kv_head] - s.queries + query + 1);
  double highest = -1e300, total = 0;
  for (std::size_t k = 0; k < p.size(); ++k) {
    for (int d = 0; d < s.dim; ++d) {
      p[k] += static_cast<double>(
                  in.queries[(static_cast<std::size_t>(head) * s.queries + query) * s.dim + d]) *
              in.keys[(in.starts[kv_head] + k) * s.dim + d];
    }
    p[k] *= s.scale;
    highest = std::max(highest, p[k]);
  }
  for (double& value : p) total += value = std::exp(value - highest);
  for (double& value : p) value /= total;
  return p;
}

// Compares with the definition: probabilities to `tolerance` relative to themselves (what lies
// below 1e-30 is below fp32's care), outputs relative to the sum of the absolute addends.
void check(const AttentionInputs& in, double tolerance) {
  const AttentionShape& s = in.shape;
  const Attended got = run(in);
  for (int head = 0; head < s.heads; ++head) {
    const int kv_head = head / (s.heads / s.kv_heads);
    for (int query = 0; query < s.queries; ++query) {
      INFO("head " << head << ", query " << query << ", length " << in.lengths[kv_head]);
      const auto p = row_by_definition(in, head, query);
      const float* row =
          &got.rows[(static_cast<std::size_t>(head) * s.queries + query) * in.row_stride];
      for (std::size_t k = 0; k < p.size(); ++k) {
        INFO("row " << k << ": " << row[k] << ", by definition " << p[k]);
        REQUIRE(std::abs(row[k] - p[k]) <= tolerance * p[k] + 1e-30);
      }
      REQUIRE(std::all_of(row + p.size(), row + in.row_stride, [](float x) { return x == 0.0f; }));
      for (int d = 0; d < s.dim; ++d) {
        double expected = 0, size = 0;
        for (std::size_t k = 0; k < p.size(); ++k) {
          const double addend = p[k] * in.values[(in.starts[kv_head] + k) * s.dim + d];
          expected += addend;
          size += std::abs(addend);
        }
        const float out = got.out[(static_cast<std::size_t>(query) * s.heads + head) * s.dim + d];
        INFO("output " << d << ": " << out << ", by definition " << expected);
        REQUIRE(std::abs(out - expected) <= tolerance * size + 1e-30);
      }
    }
  }
}

}  // namespace

TEST_CASE("attention over ragged rows equals the definition at every odd size") {
  for (unsigned seed = 0; seed < 400; ++seed) {
    std::mt19937 random(seed);
    const AttentionInputs in = hostile::attention_inputs(random, 150);
    INFO("seed " << seed << ", " << hostile::words(in.shape));
    check(in, 1e-5);
  }
}

TEST_CASE("attention over 1 to 32768 rows in one layer equals the definition") {
  std::mt19937 random(7);
  check(hostile::attention_inputs(random, {8, 4, 1, 128, 0.09f}, {32768, 1, 8191, 63}), 1e-5);
  check(hostile::attention_inputs(random, {2, 2, 3, 33, 0.2f}, {3, 20001}), 1e-5);
}

TEST_CASE("attention of a token that sees only itself is its value") {
  std::mt19937 random(3);
  const AttentionInputs in = hostile::attention_inputs(random, {6, 3, 1, 20, 0.3f}, {1, 1, 1});
  const Attended got = run(in);
  for (int head = 0; head < 6; ++head) {
    for (int d = 0; d < 20; ++d) {
      REQUIRE(got.out[head * 20 + d] == in.values[in.starts[head / 2] * 20 + d]);
    }
    REQUIRE(got.rows[head * in.row_stride] == 1.0f);
  }
}

TEST_CASE("attention survives logits of 1e4 and gives equal logits equal shares") {
  for (float size : {1e4f, -1e4f, 0.0f}) {
    for (int length : {1, 2, 9, 64, 65, 1000}) {
      std::mt19937 random(length);
      AttentionInputs in = hostile::attention_inputs(random, {4, 1, 1, 8, 1.0f}, {length});
      std::fill(in.queries.begin(), in.queries.end(), 0.0f);
      for (int head = 0; head < 4; ++head) in.queries[head * 8] = size;
      for (int k = 0; k < length; ++k) in.keys[(in.starts[0] + k) * 8] = 1.0f;
      INFO("logits " << size << ", length " << length);
      check(in, 1e-6);                    // all equal
      for (int k = 0; k < length; ++k) {  // whole numbers: the logits are exact in fp32
        in.keys[(in.starts[0] + k) * 8] = static_cast<float>(hostile::between(random, -1, 1));
      }
      check(in, 1e-5);
      for (int k = 0; k < length; ++k) {  // the largest ones come late, or early
        in.keys[(in.starts[0] + k) * 8] = 2 * k >= length ? 1.0f : 0.0f;
      }
      check(in, 1e-5);
    }
  }
}

TEST_CASE("attention of a head range writes those heads alone and the same numbers") {
  for (unsigned seed = 0; seed < 40; ++seed) {
    std::mt19937 random(seed);
    const AttentionInputs in = hostile::attention_inputs(random, 100);
    const AttentionShape& s = in.shape;
    const Attended whole = run(in);
    const int begin = hostile::between(random, 0, s.heads);
    const int end = hostile::between(random, begin, s.heads);
    const Attended part = run(in, begin, end);
    INFO("seed " << seed << ", " << hostile::words(s) << ", heads " << begin << " to " << end);
    for (int head = 0; head < s.heads; ++head) {
      const bool inside = head >= begin && head < end;
      for (int query = 0; query < s.queries; ++query) {
        for (int d = 0; d < s.dim; ++d) {
          const std::size_t at = (static_cast<std::size_t>(query) * s.heads + head) * s.dim + d;
          REQUIRE(part.out[at] == (inside ? whole.out[at] : hostile::kFloatSentinel));
        }
        for (std::int64_t k = 0; k < in.row_stride; ++k) {
          const std::size_t at =
              (static_cast<std::size_t>(head) * s.queries + query) * in.row_stride + k;
          REQUIRE(part.rows[at] == (inside ? whole.rows[at] : hostile::kFloatSentinel));
        }
      }
    }
  }
}

TEST_CASE("attention gives the same outputs when the probabilities are not asked for") {
  std::mt19937 random(5);
  const AttentionInputs in = hostile::attention_inputs(random, {6, 2, 5, 24, 0.2f}, {5, 90});
  const Attended without = run(in, 0, 6, false);
  CHECK(hostile::first_difference(without.out, run(in).out) == -1);
  CHECK(std::all_of(without.rows.begin(), without.rows.end(),
                    [](float x) { return x == hostile::kFloatSentinel; }));
}

TEST_CASE("new tokens attended at once equal the same tokens attended one by one") {
  std::mt19937 random(11);
  const AttentionInputs in = hostile::attention_inputs(random, {4, 2, 7, 16, 0.25f}, {7, 40});
  const Attended together = run(in);
  for (int query = 0; query < 7; ++query) {
    AttentionInputs one = in;
    one.shape.queries = 1;
    for (int& length : one.lengths) length += query - 6;  // the later ones are not there yet
    one.queries.clear();
    for (int head = 0; head < 4; ++head) {
      const auto from = in.queries.begin() + (head * 7 + query) * 16;
      one.queries.insert(one.queries.end(), from, from + 16);
    }
    const Attended alone = run(one);
    for (int i = 0; i < 64; ++i) {
      INFO("query " << query << ", output " << i);
      REQUIRE(alone.out[i] == Approx(together.out[query * 64 + i]).epsilon(1e-5).margin(1e-6));
    }
  }
}

TEST_CASE("attention writes nothing for no queries and for no heads") {
  std::mt19937 random(1);
  const AttentionInputs in = hostile::attention_inputs(random, {2, 1, 1, 4, 1.0f}, {3});
  AttentionShape none = in.shape;
  none.queries = 0;
  float out = hostile::kFloatSentinel, rows = out;
  polykv::attention_cpu(in.queries.data(), in.keys.data(), in.values.data(), in.starts.data(),
                        in.lengths.data(), none, 0, 2, &out, &rows, in.row_stride);
  polykv::attention_cpu(in.queries.data(), in.keys.data(), in.values.data(), in.starts.data(),
                        in.lengths.data(), in.shape, 1, 1, &out, &rows, in.row_stride);
  CHECK(out == hostile::kFloatSentinel);
  CHECK(rows == hostile::kFloatSentinel);
}

TEST_CASE("a NaN in one query spoils that query alone") {
  std::mt19937 random(2);
  AttentionInputs in = hostile::attention_inputs(random, {4, 2, 2, 8, 0.3f}, {9, 30});
  in.queries[(1 * 2 + 1) * 8 + 5] = NAN;  // head 1, query 1
  const Attended got = run(in);
  for (int query = 0; query < 2; ++query) {
    for (int head = 0; head < 4; ++head) {
      INFO("query " << query << ", head " << head);
      CHECK(std::isnan(got.out[(query * 4 + head) * 8]) == (query == 1 && head == 1));
    }
  }
}
