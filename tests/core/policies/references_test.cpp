// Policies without a published fixture against plain loops in double, written from the formula.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "core/files.h"
#include "tests/core/policies/layer_probe.h"
#include "tests/support/goldens.h"
#include "tests/support/scratch.h"

using namespace polykv;

namespace {

using Rows = std::vector<std::vector<double>>;  // [kv head][token]

const Policy& row(const char* id) { return *find_policy(id); }

void check_scores(const LayerScores& got, const Rows& want, int first, int last) {
  double largest = 0;
  for (const auto& head : want) {
    for (int t = first; t < last; ++t) largest = std::max(largest, std::abs(head[t]));
  }
  REQUIRE(largest > 0);
  REQUIRE(got.rows == static_cast<int>(want.size()));
  for (int h = 0; h < got.rows; ++h) {
    for (int t = first; t < last; ++t) {
      INFO("head " << h << " token " << t);
      CHECK(std::abs(got.scores[h * got.tokens + t] - want[h][t]) <= 1e-5 * largest);
    }
  }
}

// Average over `kernel` neighbours among tokens [0, end), zeros outside counted.
double pooled(const std::vector<double>& x, int t, int end, int kernel) {
  double sum = 0;
  for (int i = t - kernel / 2; i <= t + kernel / 2; ++i) sum += i >= 0 && i < end ? x[i] : 0;
  return sum / kernel;
}

// Sum over queries [first, q) of the layer for one query head.
std::vector<double> column_sums(const LayerNumbers& n, int head, int first) {
  std::vector<double> sums(static_cast<std::size_t>(n.tokens), 0);
  for (int q = first; q < n.queries; ++q) {
    for (int t = 0; t < n.tokens; ++t) sums[t] += n.a(head, q, t);
  }
  return sums;
}

// |Wo_h v| in the L1 norm.
double output_norm(const LayerNumbers& n, int head, int token) {
  double norm = 0;
  for (int out = 0; out < n.hidden; ++out) {
    double sum = 0;
    for (int c = 0; c < n.dim; ++c) {
      sum += double(n.output[out * n.query_heads * n.dim + head * n.dim + c]) *
             n.v(head / n.group(), token)[c];
    }
    norm += std::abs(sum);
  }
  return norm;
}

double cosine(const float* a, const float* b, int dim) {
  double dot = 0, aa = 0, bb = 0;
  for (int c = 0; c < dim; ++c) dot += a[c] * b[c], aa += a[c] * a[c], bb += b[c] * b[c];
  return dot / std::sqrt(aa * bb);
}

std::vector<int> gone_from(const Kept& kept, int head, int tokens) {
  std::vector<int> gone;
  for (int t = 0; t < tokens; ++t) {
    if (!std::binary_search(kept.head(head).begin(), kept.head(head).end(), t)) gone.push_back(t);
  }
  return gone;
}

}  // namespace

TEST_CASE("scissorhands weighs each query of the history window by decay to its age") {
  for (const Phase phase : {Phase::prefill, Phase::decode}) {
    const LayerNumbers n = random_layer(4, 2, 30, 1, phase);
    for (const double decay : {1.0, 0.7}) {
      Rows want(2, std::vector<double>(30, 0));
      for (int h = 0; h < 4; ++h) {
        for (int q = 30 - 6; q < 30; ++q) {
          for (int t = 0; t < 30; ++t) {
            want[h / 2][t] += std::pow(decay, 29 - q) * n.a(h, q, t) / 2;
          }
        }
      }
      check_scores(probe_scores(row("scissorhands"), n, {{"window", 6.0}, {"decay", decay}}, 12),
                   want, 0, 30);
    }
  }
}

TEST_CASE("h2o normalises by the queries that can see a token, also after tokens have gone") {
  const LayerNumbers n = random_layer(4, 2, 20, 2, Phase::decode);
  Rows want(2, std::vector<double>(20, 0));
  std::int64_t newest = 0;
  for (const std::int64_t p : n.positions) newest = std::max(newest, p);
  for (int h = 0; h < 4; ++h) {
    const std::vector<double> sums = column_sums(n, h, 0);
    for (int t = 0; t < 20; ++t) {
      want[h / 2][t] += sums[t] / 2 / double(newest + 1 - n.positions[h / 2 * 20 + t]);
    }
  }
  check_scores(probe_scores(row("h2o"), n, {{"normalise", true}}, 12), want, 0, 20);
}

TEST_CASE("cake is the mean plus gamma times the population variance over the window, pooled") {
  for (const Phase phase : {Phase::prefill, Phase::decode}) {
    const LayerNumbers n = random_layer(4, 2, 30, 3, phase);
    const int window = 6, end = 30 - window;
    Rows want(2, std::vector<double>(30, 0));
    for (int h = 0; h < 4; ++h) {
      std::vector<double> indicator(30, 0);
      for (int t = 0; t < end; ++t) {
        double mean = 0, variance = 0;
        for (int q = end; q < 30; ++q) mean += n.a(h, q, t) / window;
        for (int q = end; q < 30; ++q) variance += std::pow(n.a(h, q, t) - mean, 2) / window;
        indicator[t] = mean + 50 * variance;
      }
      for (int t = 0; t < end; ++t) want[h / 2][t] += pooled(indicator, t, end, 5) / 2;
    }
    check_scores(probe_scores(row("cake"), n, {{"window", 6.0}, {"gamma", 50.0}}, 12), want, 0,
                 end);
  }
}

TEST_CASE("defensivekv is the floored worst case times the token's share of projected values") {
  const LayerNumbers n = random_layer(4, 2, 30, 4);
  const int window = 6, end = 30 - window;
  Rows want(2, std::vector<double>(30, 0));
  for (int g = 0; g < 2; ++g) {
    std::vector<double> worst(30, 0), norm(30, 0);
    for (int h = 2 * g; h < 2 * g + 2; ++h) {
      for (int q = end; q < 30; ++q) {
        std::vector<double> probabilities;
        for (int t = 0; t < end; ++t) probabilities.push_back(n.a(h, q, t));
        for (int t = 0; t < end; ++t) {
          worst[t] = std::max(worst[t], pooled(probabilities, t, end, 3));
        }
      }
      for (int t = 0; t < end; ++t) norm[t] += output_norm(n, h, t) / 2;
    }
    const double floor = std::accumulate(worst.begin(), worst.begin() + end, 0.0) / end;
    const double total = std::accumulate(norm.begin(), norm.begin() + end, 0.0);
    for (int t = 0; t < end; ++t) want[g][t] = std::max(worst[t], floor) * norm[t] / total;
  }
  check_scores(probe_scores(row("defensivekv"), n, {{"window", 6.0}, {"kernel", 3.0}}, 12), want, 0,
               end);
}

TEST_CASE("adakv keeps the flat best of all heads above each head's floor") {
  for (const double alpha : {0.0, 0.2, 0.5, 1.0}) {
    for (const int budget : {8, 12, 20, 35}) {
      const LayerNumbers n = random_layer(6, 3, 40, 5);
      const Params params = {{"alpha", alpha}, {"window", 6.0}};
      const LayerScores scores = probe_scores(row("adakv"), n, params, budget);
      CHECK(scores.scores == probe_scores(row("snapkv"), n, {{"window", 6.0}}, budget).scores);
      const int even = budget - 6, floor = static_cast<int>(alpha * even + 1e-9);
      struct Token {
        double score;
        int head, position;
      };
      std::vector<std::vector<int>> want(3);
      std::vector<Token> rest;
      for (int g = 0; g < 3; ++g) {
        std::vector<Token> own;
        for (int t = 0; t < 34; ++t) own.push_back({scores.scores[g * 40 + t], g, t});
        std::stable_sort(own.begin(), own.end(),
                         [](const Token& a, const Token& b) { return a.score > b.score; });
        for (int i = 0; i < 34; ++i) {
          if (i < floor) want[g].push_back(own[i].position);
          if (i >= floor) rest.push_back(own[i]);
        }
        for (int t = 34; t < 40; ++t) want[g].push_back(t);
      }
      std::stable_sort(rest.begin(), rest.end(),
                       [](const Token& a, const Token& b) { return a.score > b.score; });
      for (int i = 0; i < 3 * (even - floor); ++i) want[rest[i].head].push_back(rest[i].position);
      const Kept kept = probe_kept(row("adakv"), n, params, budget);
      for (int g = 0; g < 3; ++g) {
        std::sort(want[g].begin(), want[g].end());
        INFO("alpha " << alpha << " budget " << budget << " head " << g);
        CHECK(std::vector<int>(kept.head(g).begin(), kept.head(g).end()) == want[g]);
      }
    }
  }
}

TEST_CASE("headkv gives kv heads a floor and a share of the pool by their mean head score") {
  LayerNumbers n = random_layer(4, 2, 100, 6);
  n.head_scores = {0.5f, 0.1f, 0.2f, 0.0f};  // kv heads 0.3 and 0.1: three quarters and one
  // 40 tokens beside the window of 8: pool 2 * 32 / 2, floor 16; 16 + 24 and 16 + 8.
  const Kept kept = probe_kept(row("headkv"), n, {{"beta", 2.0}}, 40);
  CHECK(kept.count(0) == 8 + 40);
  CHECK(kept.count(1) == 8 + 24);
  n.head_scores = {0, 0, 0, 0};
  CHECK(probe_kept(row("headkv"), n, {{"beta", 2.0}}, 40).count(0) == 40);
  n.head_scores = {1, 1, 0, 0};  // 16 + 32 = 48 does not fit beside a window in 50 tokens
  const LayerNumbers shorter = [&] {
    LayerNumbers made = random_layer(4, 2, 50, 6);
    made.head_scores = n.head_scores;
    return made;
  }();
  const Kept clipped = probe_kept(row("headkv"), shorter, {{"beta", 2.0}}, 40);
  CHECK(clipped.count(0) == 50);
  CHECK(clipped.count(1) == 30);
  n.head_scores.clear();
  CHECK_THROWS_WITH(probe_scores(row("headkv"), n, {}, 40), Catch::Contains("head list"));
  n.ranked_heads.clear();
  CHECK_THROWS_WITH(probe_scores(row("headkv"), n, {}, 40), Catch::Contains("head list"));
}

TEST_CASE("compresskv lets the best retrieval heads of the layer vote, wherever they sit") {
  LayerNumbers n = random_layer(4, 2, 30, 7);
  n.ranked_heads = {3, 1, 0, 2};
  const int window = 6, end = 24;
  for (const int votes : {1, 2, 4}) {
    Rows want(1, std::vector<double>(30, 0));
    for (int i = 0; i < votes; ++i) {
      const std::vector<double> sums = column_sums(n, n.ranked_heads[i], end);
      for (int t = 0; t < end; ++t) want[0][t] += pooled(sums, t, end, 5) / votes;
    }
    check_scores(probe_scores(row("compresskv"), n,
                              {{"window", double(window)}, {"heads", double(votes)}}, 12),
                 want, 0, end);
  }
  n.ranked_heads = {4};
  CHECK_THROWS_AS(probe_scores(row("compresskv"), n, {}, 12), Error);
  n.ranked_heads = {};
  CHECK_THROWS_WITH(probe_scores(row("compresskv"), n, {}, 12), Catch::Contains("head list"));
}

TEST_CASE("d2o folds evicted rows into the nearest kept key above a threshold that runs") {
  for (const Phase phase : {Phase::prefill, Phase::decode}) {
    LayerNumbers n = random_layer(4, 2, 40, 8, phase);
    const Policy& policy = row("d2o");
    const Params params = {{"threshold", 0.6}};
    std::vector<double> memory;
    std::vector<double> threshold(2, 0.6);
    for (int cut = 0; cut < 3; ++cut) {  // the same cut again and again: only the threshold moves
      const LayerScores scores = probe_scores(policy, n, params, 16);
      const Kept kept = probe_kept(policy, n, params, 16);
      const Merged got = probe_merge(policy, n, kept, params, memory);
      int merged = 0, left = 0;
      for (int h = 0; h < 2; ++h) {
        const auto slots = kept.head(h);
        std::vector<double> weight(16, std::exp(1.0));
        Rows k(16), v(16);
        for (int i = 0; i < 16; ++i) {
          for (int c = 0; c < n.dim; ++c) {
            k[i].push_back(std::exp(1.0) * n.k(h, slots[i])[c]);
            v[i].push_back(std::exp(1.0) * n.v(h, slots[i])[c]);
          }
        }
        double sum = 0;
        const std::vector<int> gone = gone_from(kept, h, 40);
        for (const int t : gone) {
          int nearest = 0;
          double best = -2;
          for (int i = 0; i < 16; ++i) {
            const double c = cosine(n.k(h, t), n.k(h, slots[i]), n.dim);
            if (c > best) best = c, nearest = i;
          }
          sum += best;
          if (best < threshold[h]) {
            ++left;
            continue;
          }
          ++merged;
          weight[nearest] += std::exp(best);
          for (int c = 0; c < n.dim; ++c) {
            k[nearest][c] += std::exp(best) * n.k(h, t)[c];
            v[nearest][c] += std::exp(best) * n.v(h, t)[c];
          }
        }
        for (int i = 0; i < 16; ++i) {
          for (int c = 0; c < n.dim; ++c) {
            const std::size_t at = (std::size_t(h) * 16 + i) * n.dim + c;
            CHECK(got.k[at] == Approx(k[i][c] / weight[i]).margin(1e-5));
            CHECK(got.v[at] == Approx(v[i][c] / weight[i]).margin(1e-5));
          }
        }
        threshold[h] = (threshold[h] + sum / double(gone.size())) / 2;
        CHECK(memory[h] == Approx(threshold[h]).epsilon(1e-5));
      }
      CHECK(merged > 0);
      CHECK(left > 0);
    }
    const LayerScores as_h2o = probe_scores(row("h2o"), n, {}, 16);
    CHECK(probe_scores(policy, n, {}, 16).scores == as_h2o.scores);
    CHECK(policy.protect({}, 16, 40).sink == 4);
    CHECK(policy.protect({}, 16, 40).recent == 8);
    CHECK(policy.protect({{"recent", 3.0}}, 16, 40).recent == 3);
  }
}

TEST_CASE("d2o leaves rows as they are when nothing is near enough") {
  const LayerNumbers n = random_layer(2, 1, 30, 9);
  const Policy& policy = row("d2o");
  const Kept kept = probe_kept(policy, n, {}, 10);
  std::vector<double> memory = {2.0};  // no cosine reaches it
  const Merged got = probe_merge(policy, n, kept, {}, memory);
  for (int i = 0; i < 10; ++i) {
    for (int c = 0; c < n.dim; ++c) {
      CHECK(got.k[i * n.dim + c] == Approx(n.k(0, kept.head(0)[i])[c]).epsilon(1e-6));
    }
  }
}

TEST_CASE("cam averages all attention by position over the heads that hold it") {
  const LayerNumbers n = random_layer(4, 2, 20, 10, Phase::decode);
  Rows want(2, std::vector<double>(20, 0));
  for (int g = 0; g < 2; ++g) {
    for (int t = 0; t < 20; ++t) {
      double sum = 0;
      int heads = 0;
      for (int h = 0; h < 4; ++h) {
        for (int u = 0; u < 20; ++u) {
          if (n.positions[h / 2 * 20 + u] != n.positions[g * 20 + t]) continue;
          sum += column_sums(n, h, 0)[u];
          ++heads;
        }
      }
      want[g][t] = sum / heads;
    }
  }
  check_scores(probe_scores(row("cam"), n, {}, 10), want, 0, 20);
  const LayerNumbers prompt = random_layer(4, 2, 20, 10);
  Rows shared(1, std::vector<double>(20, 0));
  for (int h = 0; h < 4; ++h) {
    for (int t = 0; t < 20; ++t) shared[0][t] += column_sums(prompt, h, 0)[t] / 4;
  }
  check_scores(probe_scores(row("cam"), prompt, {}, 10), shared, 0, 20);
}

namespace {

// What cam makes of the kept values when the evicted tokens for which `merges` holds merge.
template <typename Merges>
Rows cam_values(const LayerNumbers& n, const Kept& kept, int most, const Merges& merges) {
  const auto slots = kept.head(0);
  const int count = kept.count(0);
  Rows v(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) v[i].assign(n.v(0, slots[i]), n.v(0, slots[i]) + n.dim);
  for (const int t : gone_from(kept, 0, n.tokens)) {
    const int next =
        static_cast<int>(std::upper_bound(slots.begin(), slots.end(), t) - slots.begin());
    const int window = std::min(most, count - next);
    for (int i = next; i < next + window && merges(t); ++i) {
      for (int c = 0; c < n.dim; ++c) v[i][c] += n.v(0, t)[c] / double(window);
    }
  }
  return v;
}

bool equal_rows(const std::vector<float>& got, const Rows& want) {
  const std::size_t dim = want[0].size();
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (std::abs(got[i] - want[i / dim][i % dim]) > 1e-5) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("cam adds every evicted value to the next M kept ones when attention is even") {
  const Params params = {{"M", 3.0}, {"sink", 2.0}};
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    LayerNumbers n = random_layer(2, 1, 30, seed);
    const Kept kept = probe_kept(row("cam"), n, params, 12);
    n.attention.assign(n.attention.size(), 0.25f);  // ratio 1: certain
    std::vector<double> memory;
    const Merged got = probe_merge(row("cam"), n, kept, params, memory);
    CHECK(equal_rows(got.v, cam_values(n, kept, 3, [](int) { return true; })));
    for (int i = 0; i < 12 * n.dim; ++i) {
      CHECK(got.k[i] == n.k(0, kept.head(0)[i / n.dim])[i % n.dim]);
    }
  }
}

TEST_CASE("cam merges an evicted value as often as the ratio of its attention says") {
  const Params params = {{"M", 3.0}, {"sink", 2.0}};
  int merged = 0, dropped = 0;
  double expected = 0, variance = 0;
  for (std::uint64_t seed = 0; seed < 600; ++seed) {
    const LayerNumbers n = random_layer(2, 1, 14, seed);
    const LayerScores scores = probe_scores(row("cam"), n, params, 13);
    const Kept kept = probe_kept(row("cam"), n, params, 13);  // one token goes
    std::vector<double> memory;
    const Merged got = probe_merge(row("cam"), n, kept, params, memory);
    REQUIRE(probe_merge(row("cam"), n, kept, params, memory).v == got.v);
    const bool did = equal_rows(got.v, cam_values(n, kept, 3, [](int) { return true; }));
    REQUIRE(did != equal_rows(got.v, cam_values(n, kept, 3, [](int) { return false; })));
    const int t = gone_from(kept, 0, 14)[0];
    const double mean = (scores.scores[t + 1] + scores.scores[t + 2] + scores.scores[t + 3]) / 3.0;
    const double p = std::min(1.0, scores.scores[t] / mean);
    expected += p;
    variance += p * (1 - p);
    did ? ++merged : ++dropped;
  }
  CHECK(merged > 50);
  CHECK(dropped > 50);
  CHECK(std::abs(merged - expected) < 4 * std::sqrt(variance));
}

TEST_CASE("simlayerkv streams a layer only when the last query looks at sinks and recent tokens") {
  const LayerNumbers n = random_layer(4, 2, 30, 11);
  const int budget = 12;
  double mass = 0;
  for (int h = 0; h < 4; ++h) {
    for (int t = 0; t < 30; ++t) {
      if (t < 4 || t >= 30 - (budget - 4)) mass += n.a(h, 29, t) / 4;
    }
  }
  const Kept lazy = probe_kept(row("simlayerkv"), n, {{"threshold", mass - 1e-4}}, budget);
  const Kept busy = probe_kept(row("simlayerkv"), n, {{"threshold", mass + 1e-4}}, budget);
  for (int h = 0; h < 2; ++h) {
    CHECK(std::vector<int>(lazy.head(h).begin(), lazy.head(h).end()) ==
          std::vector<int>{0, 1, 2, 3, 22, 23, 24, 25, 26, 27, 28, 29});
    CHECK(busy.count(h) == 30);
  }
}

TEST_CASE("qfilter is minus the product of key and filter of the layer's own kv head") {
  const ScratchFolder folder;
  Json layers = Json::array();
  for (int l = 0; l < 3; ++l) {
    layers.push_back(Json::array());
    for (int h = 0; h < 2; ++h) {
      layers.back().push_back({0.5 * l, 1.0 - h, -0.25, 2.0 + l - h});
    }
  }
  const Params params = {
      {"file", folder.write("filters.json", Json({{"q_filters", layers}}).dump())}};
  for (const int first : {0, 1}) {
    LayerNumbers n = random_layer(first ? 2 : 4, first ? 1 : 2, 20, 12, Phase::decode);
    n.first_kv_head = first;
    Rows want(static_cast<std::size_t>(n.kv_heads), std::vector<double>(20, 0));
    for (int h = 0; h < n.kv_heads; ++h) {
      for (int t = 0; t < 20; ++t) {
        for (int c = 0; c < 4; ++c) {
          want[h][t] -= layers[1][first + h][c].get<double>() * n.k(h, t)[c];
        }
      }
    }
    check_scores(probe_scores(row("qfilter"), n, params, 10), want, 0, 20);
  }
}

TEST_CASE("duo makes whole heads of those with the largest gates as far as the budget goes") {
  const ScratchFolder folder;
  const Json file = {{"sink_size", 2},
                     {"recent_size", 4},
                     {"full_attention_heads", {{0, 0, 0}, {0.1, 0.9, 0.5}, {0, 0, 0}}}};
  const Params params = {{"file", folder.write("duo.json", file.dump())}};
  const LayerNumbers n = random_layer(3, 3, 40, 13);
  const auto counts = [&](int budget) {
    const Kept kept = probe_kept(row("duo"), n, params, budget);
    return std::vector<int>{kept.count(0), kept.count(1), kept.count(2)};
  };
  CHECK(counts(4) == std::vector<int>{4, 4, 4});
  CHECK(counts(6) == std::vector<int>{6, 6, 6});
  CHECK(counts(10) == std::vector<int>{6, 18, 6});
  CHECK(counts(20) == std::vector<int>{6, 40, 14});
  CHECK(counts(35) == std::vector<int>{25, 40, 40});
  const Kept kept = probe_kept(row("duo"), n, params, 10);
  CHECK(std::vector<int>(kept.head(0).begin(), kept.head(0).end()) ==
        std::vector<int>{0, 1, 36, 37, 38, 39});
  CHECK(kept.head(1)[2] == 40 - 16);
}

TEST_CASE("duo cuts heads of different lengths to the layer's budget in all") {
  const ScratchFolder folder;
  const Json file = {{"sink_size", 1}, {"recent_size", 2}, {"full_attention_heads", {{0, 0, 0}}}};
  const Params params = {{"file", folder.write("duo.json", file.dump())}};
  const auto counts = [&](const std::vector<int>& held, const std::vector<float>& gates,
                          int budget) {
    std::vector<LayerScores> heads;
    std::vector<std::vector<std::int32_t>> positions;
    std::vector<std::span<const std::int32_t>> spans;
    for (std::size_t h = 0; h < held.size(); ++h) {
      LayerScores one{std::vector<float>(held[h]), 1, held[h]};
      std::iota(one.scores.begin(), one.scores.end(), static_cast<float>(-held[h]));
      one.scores.front() = 2;
      one.scores.back() = gates[h];
      heads.push_back(one);
      positions.emplace_back(held[h]);
      std::iota(positions.back().begin(), positions.back().end(), 0);
    }
    spans.assign(positions.begin(), positions.end());
    const Kept kept = keep_ragged(row("duo"), {"duo", budget, params}, heads, spans);
    std::vector<int> made;
    for (std::size_t h = 0; h < held.size(); ++h) made.push_back(kept.count(static_cast<int>(h)));
    return made;
  };
  CHECK(counts({10, 4, 4}, {0.1f, 0.9f, 0.5f}, 5) == std::vector<int>{7, 4, 4});
  CHECK(counts({4, 10, 20}, {0.1f, 0.9f, 0.5f}, 6) == std::vector<int>{3, 10, 5});
  CHECK(counts({2, 10, 20}, {0.1f, 0.9f, 0.5f}, 3) == std::vector<int>{2, 4, 3});
  CHECK(counts({2, 10, 20}, {0.1f, 0.2f, 0.5f}, 10) == std::vector<int>{2, 8, 20});
}

TEST_CASE("kvzip scores are the attention of plain runs that read each chunk once more") {
  for (const std::string name : {"llama_gqa", "llama_mha_yarn", "qwen3_qknorm", "mistral_swa"}) {
    const auto model = Model::open(golden("models/" + name));
    std::vector<int> ids;
    for (int i = 0; i < 50; ++i) ids.push_back((i * i * 5 + i * 37 + 11) % 400);
    const PromptProbe probe(*model, ids);
    for (const int chunk : {7, 50, 2048}) {
      for (const int layer : {0, model->shape().layers - 1}) {
        const LayerScores got = probe.scores(layer, row("kvzip"), {{"chunk", double(chunk)}}, 20);
        const std::vector<float> want = probe.repeat_by_plain_runs(layer, chunk);
        INFO(name << " chunk " << chunk << " layer " << layer);
        CHECK(largest_difference(got.scores, want) <= 2e-5);
      }
    }
  }
}
