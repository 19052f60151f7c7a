#include "kernels/select.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <numeric>
#include <set>

#include "tests/kernels/hostile.h"

namespace {

using polykv::SelectShape;

// The rule in its plainest words: protect, sort the rest stably by falling score, NaN last, take.
std::vector<std::int32_t> keep_by_definition(const float* scores, const SelectShape& shape) {
  int kept = shape.budget < 1 ? 1 : shape.budget;
  if (kept > shape.tokens) kept = shape.tokens;
  int sink = std::max(shape.sink, 0), recent = std::max(shape.recent, 0);
  while (sink + recent > kept && recent > 0) --recent;
  while (sink + recent > kept) --sink;
  std::vector<std::int32_t> order(shape.tokens - sink - recent), keep;
  std::iota(order.begin(), order.end(), sink);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    if (std::isnan(scores[a]) || std::isnan(scores[b])) {
      return !std::isnan(scores[a]) && std::isnan(scores[b]);
    }
    return scores[a] > scores[b];
  });
  for (int i = 0; i < sink; ++i) keep.push_back(i);
  keep.insert(keep.end(), order.begin(), order.begin() + (kept - sink - recent));
  for (int i = shape.tokens - recent; i < shape.tokens; ++i) keep.push_back(i);
  std::sort(keep.begin(), keep.end());
  return keep;
}

// Runs select_cpu over sentinels and compares every row with the definition.
void check(const std::vector<float>& scores, const SelectShape& shape) {
  std::vector<std::int32_t> expected;
  for (int row = 0; row < shape.rows; ++row) {
    const auto keep =
        keep_by_definition(scores.data() + static_cast<std::size_t>(row) * shape.tokens, shape);
    expected.insert(expected.end(), keep.begin(), keep.end());
  }
  std::vector<std::int32_t> kept(expected.size() + hostile::kSentinels, hostile::kPositionSentinel);
  polykv::select_cpu(scores.data(), shape, kept.data());
  expected.resize(kept.size(), hostile::kPositionSentinel);
  REQUIRE(hostile::first_difference(kept, expected) == -1);
}

std::vector<std::int32_t> select_row(const std::vector<float>& scores, int budget, int sink,
                                     int recent) {
  const SelectShape shape{1, static_cast<int>(scores.size()), budget, sink, recent};
  std::vector<std::int32_t> kept(polykv::kept_count(shape));
  polykv::select_cpu(scores.data(), shape, kept.data());
  return kept;
}

}  // namespace

TEST_CASE("select keeps what a stable sort by score keeps, on random hostile rows") {
  for (unsigned seed = 0; seed < 1500; ++seed) {
    std::mt19937 random(seed);
    const SelectShape shape = hostile::select_shape(random, seed % 50 == 0 ? 5000 : 70);
    const int kind = static_cast<int>(seed) % hostile::kScoreKinds;
    const auto scores =
        hostile::scores(random, static_cast<std::size_t>(shape.rows) * shape.tokens, kind);
    INFO("seed " << seed << ", kind " << kind << ", " << hostile::words(shape));
    check(scores, shape);
  }
}

TEST_CASE("select keeps what a stable sort keeps at every budget of a row with ties") {
  std::mt19937 random(5);
  for (int tokens : {1, 2, 3, 33}) {
    const auto scores = hostile::scores(random, tokens, 1);
    for (int budget = -1; budget <= tokens + 2; ++budget) {
      for (int sink : {0, 1, 4, tokens}) {
        for (int recent : {0, 1, 8, tokens}) {
          INFO("tokens " << tokens << ", budget " << budget << ", sink " << sink << ", recent "
                         << recent);
          check(scores, {1, tokens, budget, sink, recent});
        }
      }
    }
  }
}

TEST_CASE("select gives a tie to the lower position") {
  CHECK(select_row({1, 2, 2, 2, 1}, 2, 0, 0) == std::vector<std::int32_t>{1, 2});
  CHECK(select_row({-0.0f, 0.0f, -0.0f, 0.0f}, 2, 0, 0) == std::vector<std::int32_t>{0, 1});
}

TEST_CASE("select prefers -inf to NaN and keeps NaN only when nothing else is left") {
  const float inf = std::numeric_limits<float>::infinity();
  CHECK(select_row({NAN, -inf, -NAN, inf}, 2, 0, 0) == std::vector<std::int32_t>{1, 3});
  CHECK(select_row({NAN, -inf, -NAN, inf}, 3, 0, 0) == std::vector<std::int32_t>{0, 1, 3});
}

TEST_CASE("protected tokens survive whatever they score, and only once") {
  std::vector<float> scores(20, 0.5f);
  for (float protected_score : {0.5f, -1e30f, NAN}) {
    for (int i : {0, 1, 17, 18, 19}) scores[i] = protected_score;
    for (int budget = 5; budget <= 20; ++budget) {
      const auto kept = select_row(scores, budget, 2, 3);
      INFO("score " << protected_score << ", budget " << budget);
      CHECK(std::set<int>(kept.begin(), kept.end()).size() == static_cast<std::size_t>(budget));
      for (int i : {0, 1, 17, 18, 19}) {
        CHECK(std::find(kept.begin(), kept.end(), i) != kept.end());
      }
    }
  }
}

TEST_CASE("a budget below the protected tokens shrinks recent first, then sink, never to zero") {
  const auto fitted = [](int budget) { return polykv::fit_protected({1, 100, budget, 4, 8}); };
  CHECK((fitted(12).sink == 4 && fitted(12).recent == 8));
  CHECK((fitted(9).sink == 4 && fitted(9).recent == 5));
  CHECK((fitted(4).sink == 4 && fitted(4).recent == 0));
  CHECK((fitted(2).sink == 2 && fitted(2).recent == 0));
  CHECK(polykv::kept_count({1, 100, 0, 4, 8}) == 1);
  CHECK(polykv::kept_count({1, 100, -5, 0, 0}) == 1);
  CHECK(polykv::kept_count({1, 7, 100, 0, 0}) == 7);
  CHECK(polykv::kept_count({1, 0, 100, 4, 8}) == 0);
  const auto whole = polykv::fit_protected(
      {1, 6, 100, std::numeric_limits<int>::max(), std::numeric_limits<int>::max()});
  CHECK((whole.sink == 6 && whole.recent == 0));
}

TEST_CASE("select writes nothing for no rows and for no tokens") {
  const float score = 1.0f;
  std::int32_t kept = hostile::kPositionSentinel;
  polykv::select_cpu(&score, {0, 5, 3, 1, 1}, &kept);
  polykv::select_cpu(&score, {3, 0, 3, 1, 1}, &kept);
  CHECK(kept == hostile::kPositionSentinel);
}

TEST_CASE("moving the scores about moves the kept positions with them") {
  for (unsigned seed = 0; seed < 50; ++seed) {
    std::mt19937 random(seed);
    const int tokens = hostile::between(random, 2, 300);
    const int budget = hostile::between(random, 1, tokens);
    std::vector<float> scores(tokens), moved(tokens);
    std::iota(scores.begin(), scores.end(), -50.0f);  // no ties, so the order does not matter
    std::shuffle(scores.begin(), scores.end(), random);
    std::vector<std::int32_t> target(tokens);
    std::iota(target.begin(), target.end(), 0);
    std::shuffle(target.begin(), target.end(), random);
    for (int i = 0; i < tokens; ++i) moved[target[i]] = scores[i];
    auto expected = select_row(scores, budget, 0, 0);
    for (auto& position : expected) position = target[position];
    std::sort(expected.begin(), expected.end());
    INFO("seed " << seed << ", tokens " << tokens << ", budget " << budget);
    CHECK(select_row(moved, budget, 0, 0) == expected);
  }
}
