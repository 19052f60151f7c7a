#include "core/cache/layer_rows.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <random>

using namespace polykv;

namespace {

const ModelShape kShape{
    .layers = 1, .query_heads = 6, .kv_heads = 3, .head_dim = 8, .hidden = 16, .vocab = 8};
constexpr int kGroup = 2;

// One kv head as plain lists: what the layer must do, in the plainest words.
struct PlainHead {
  struct Row {
    int position = 0;
    std::vector<double> k, v;
    std::vector<double> total = std::vector<double>(kGroup, 0.0);  // per query head of the group
    std::vector<std::vector<double>> seen{};  // per query so far, per query head of the group
  };
  std::vector<Row> rows;
};

std::vector<double> row_of(const at::Tensor& t) {
  const at::Tensor flat = t.contiguous().to(at::kDouble);
  return {flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel()};
}

// Attention of query `i` of t new ones, for one query head; also remembers it.
std::vector<double> plain_attention(PlainHead& head, const std::vector<double>& q, int group_head,
                                    int i, int t) {
  const std::size_t count = head.rows.size() - static_cast<std::size_t>(t - 1 - i);
  std::vector<double> weight(count);
  double top = -1e300, sum = 0;
  for (std::size_t r = 0; r < count; ++r) {
    double dot = 0;
    for (std::size_t c = 0; c < q.size(); ++c) dot += q[c] * head.rows[r].k[c];
    weight[r] = dot / std::sqrt(double(q.size()));
    top = std::max(top, weight[r]);
  }
  for (double& w : weight) sum += w = std::exp(w - top);
  std::vector<double> out(q.size(), 0.0);
  for (std::size_t r = 0; r < head.rows.size(); ++r) {
    const double p = r < count ? weight[r] / sum : 0;
    for (std::size_t c = 0; c < out.size(); ++c) out[c] += p * head.rows[r].v[c];
    head.rows[r].total[group_head] += p;
    if (group_head == 0) head.rows[r].seen.emplace_back(kGroup, 0.0);
    head.rows[r].seen[head.rows[r].seen.size() - 1][group_head] = p;
  }
  return out;
}

Kept random_kept(std::mt19937& random, const std::vector<int>& lengths, bool same_count) {
  Kept kept;
  int count = 1 + static_cast<int>(random() % lengths[0]);
  for (const int length : lengths) {
    if (!same_count) count = 1 + static_cast<int>(random() % length);
    std::vector<std::int32_t> all(length);
    for (int i = 0; i < length; ++i) all[i] = i;
    std::shuffle(all.begin(), all.end(), random);
    all.resize(std::min(count, length));
    std::sort(all.begin(), all.end());
    kept.add_head(all);
  }
  return kept;
}

}  // namespace

TEST_CASE("rows of any lengths attend, remember and leave as plain lists do") {
  const at::InferenceMode guard;
  for (unsigned seed = 0; seed < 40; ++seed) {
    INFO("seed " << seed);
    std::mt19937 random(seed);
    at::manual_seed(seed);
    const int n = 5 + static_cast<int>(random() % 20), window = 3;
    const bool even = seed % 2 == 0, remembers = seed % 3 != 0;
    const LayerState state{at::zeros({n, 16}), at::randn({3, n, 8}), at::randn({3, n, 8})};
    const at::Tensor totals = at::rand({6, n}), recent = at::rand({6, 2, n});
    LayerRows rows(kShape, 0, remembers ? QueryMemory{true, window} : QueryMemory{});
    const Kept kept = random_kept(random, {n, n, n}, even);
    rows.fill(state, n, kept, static_cast<int>(random() % 4));  // sometimes too little room
    if (remembers) rows.fill_memory(totals, recent);
    std::int64_t bytes = 0;
    std::vector<PlainHead> plain(3);
    for (int h = 0; h < 3; ++h) {
      bytes += 2LL * kept.count(h) * 8 * 4;
      for (const int p : kept.head(h)) {
        PlainHead::Row row{p, row_of(state.k[h][p]), row_of(state.v[h][p])};
        row.seen.assign(2, std::vector<double>(kGroup));
        for (int g = 0; g < kGroup; ++g) {
          row.total[g] = totals[h * kGroup + g][p].item<float>();
          for (int q = 0; q < 2; ++q) {
            row.seen[q][g] = recent[h * kGroup + g][q][p].item<float>();
          }
        }
        plain[h].rows.push_back(row);
      }
    }
    CHECK(rows.filled_bytes() == bytes);
    int position = n;
    for (int turn = 0; turn < 4; ++turn) {
      const int t = 1 + static_cast<int>(random() % 3);
      const at::Tensor k = at::randn({3, t, 8}), v = at::randn({3, t, 8}), q = at::randn({6, t, 8});
      rows.append(k, v, position);
      const at::Tensor out = rows.attend(q);
      for (int h = 0; h < 3; ++h) {
        const std::size_t queries = plain[h].rows[0].seen.size();
        for (int i = 0; i < t; ++i) {
          PlainHead::Row row{position + i, row_of(k[h][i]), row_of(v[h][i])};
          row.seen.assign(queries, std::vector<double>(kGroup, 0.0));
          plain[h].rows.push_back(row);
        }
        for (int i = 0; i < t; ++i) {
          for (int g = 0; g < kGroup; ++g) {
            const int head = h * kGroup + g;
            const auto want = plain_attention(plain[h], row_of(q[head][i]), g, i, t);
            const auto got = row_of(out[i].narrow(0, head * 8, 8));
            for (int c = 0; c < 8; ++c) REQUIRE(got[c] == Approx(want[c]).margin(1e-5));
          }
        }
      }
      position += t;
      const Kept slots =
          random_kept(random, {rows.length(0), rows.length(1), rows.length(2)}, even);
      rows.keep(0, slots);
      for (int h = 0; h < 3; ++h) {
        std::vector<PlainHead::Row> stays;
        for (const int slot : slots.head(h)) stays.push_back(plain[h].rows[slot]);
        plain[h].rows = stays;
        REQUIRE(rows.length(h) == static_cast<int>(stays.size()));
        for (int r = 0; r < rows.length(h); ++r) {
          REQUIRE(rows.positions(h)[r] == stays[r].position);
          const auto key = row_of(rows.keys(h)[r]), value = row_of(rows.values(h)[r]);
          REQUIRE((key == stays[r].k && value == stays[r].v));
          if (!remembers) continue;
          for (int g = 0; g < kGroup; ++g) {
            REQUIRE(rows.totals(h)[g][r].item<float>() == Approx(stays[r].total[g]).margin(1e-5));
            const at::Tensor seen = rows.recent(h)[g];
            for (int back = 1; back <= seen.size(0); ++back) {
              const double want = stays[r].seen[stays[r].seen.size() - back][g];
              REQUIRE(seen[seen.size(0) - back][r].item<float>() == Approx(want).margin(1e-5));
            }
          }
        }
      }
    }
  }
}
