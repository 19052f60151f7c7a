// What every row of the table must do, whatever it computes.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>
#include <set>

#include "core/cache/engine.h"
#include "core/error.h"
#include "core/files.h"
#include "kernels/select.h"
#include "tests/core/policies/layer_probe.h"
#include "tests/support/goldens.h"
#include "tests/support/scratch.h"

using namespace polykv;

namespace {

const ScratchFolder& folder() {
  static const ScratchFolder made;
  return made;
}

// Trained numbers for random_layer's shapes: 3 layers, 4 channels.
std::string artefact(const Policy& policy, int kv_heads) {
  Json layers = Json::array();
  for (int l = 0; l < 3; ++l) {
    layers.push_back(Json::array());
    for (int h = 0; h < kv_heads; ++h) {
      const double x = 0.9 - 0.2 * h + 0.05 * l;
      layers.back().push_back(policy.id == std::string("duo") ? Json(x)
                                                              : Json({x, -0.5, 0.25, 1 - x}));
    }
  }
  Json file = {{"q_filters", layers},
               {"full_attention_heads", layers},
               {"sink_size", 2},
               {"recent_size", 5}};
  return folder().write(std::string(policy.id) + std::to_string(kv_heads) + ".json", file.dump());
}

Params params_for(const Policy& policy, int kv_heads) {
  if (policy.needs & kNeedsFile) return {{"file", artefact(policy, kv_heads)}};
  return {};
}

// Small windows, so that short prompts have candidates.
Params small_params(const Policy& policy, int kv_heads) {
  Params params = params_for(policy, kv_heads);
  for (const ParamSpec& spec : param_specs(policy, {}, Phase::prefill)) {
    const std::string name = spec.name;
    if (name == "window" || name == "lag" || name == "chunk") params[name] = 4.0;
    if (name == "future") params[name] = 8.0;
  }
  return params;
}

// simlayerkv keeps all tokens of a layer that is not lazy, above the budget; that is its rule.
bool may_exceed(const Policy& policy) { return policy.id == std::string("simlayerkv"); }

struct Shape {
  int query_heads, kv_heads;
};
constexpr Shape kShapes[] = {{4, 2}, {3, 3}, {4, 1}, {6, 2}};  // grouped, multi-head, multi-query

std::vector<Phase> phases_of(const Policy& policy) {
  std::vector<Phase> phases;
  if (policy.phases & kPrefill) phases.push_back(Phase::prefill);
  if (policy.phases & kDecode) phases.push_back(Phase::decode);
  return phases;
}

template <typename Check>
void for_every_row(const Check& check) {
  int rows = 0;
  for (const Policy& policy : policies()) {
    if (!policy.score) continue;
    for (const Shape& shape : kShapes) {
      for (const Phase phase : phases_of(policy)) {
        INFO(policy.id << " " << to_string(phase) << " heads " << shape.query_heads << "/"
                       << shape.kv_heads);
        check(policy, shape, phase);
      }
    }
    ++rows;
  }
  CHECK(rows == 24);
}

void check_counts(const Policy& policy, const Kept& kept, int kv_heads, int tokens, int budget) {
  int sum = 0;
  for (int h = 0; h < kv_heads; ++h) {
    const auto row = kept.head(h);
    sum += kept.count(h);
    REQUIRE(kept.count(h) >= 1);
    REQUIRE(std::is_sorted(row.begin(), row.end()));
    REQUIRE(std::set<int>(row.begin(), row.end()).size() == row.size());
    REQUIRE((row.front() >= 0 && row.back() < tokens));
    if (policy.sharing != Sharing::ragged && !may_exceed(policy)) REQUIRE(kept.count(h) == budget);
  }
  if (may_exceed(policy)) {
    REQUIRE((sum == kv_heads * budget || sum == kv_heads * tokens));
  } else {
    REQUIRE(sum == kv_heads * budget);
  }
}

// The layer with its kv heads (and their query heads) in another order.
LayerNumbers reordered(const LayerNumbers& from, const std::vector<int>& kv_order,
                       const std::vector<int>& head_order) {
  LayerNumbers to = from;
  const auto move = [](auto& out, const auto& in, const std::vector<int>& order) {
    const std::size_t block = in.size() / order.size();
    for (std::size_t i = 0; i < order.size(); ++i) {
      std::copy_n(in.begin() + static_cast<std::ptrdiff_t>(order[i] * block), block,
                  out.begin() + static_cast<std::ptrdiff_t>(i * block));
    }
  };
  move(to.keys, from.keys, kv_order);
  move(to.values, from.values, kv_order);
  move(to.repeat, from.repeat, kv_order);
  move(to.positions, from.positions, kv_order);
  move(to.attention, from.attention, head_order);
  move(to.pre_rope, from.pre_rope, head_order);
  move(to.head_scores, from.head_scores, head_order);
  const int columns = from.query_heads * from.dim;
  for (int row = 0; row < from.hidden; ++row) {
    for (int h = 0; h < from.query_heads; ++h) {
      std::copy_n(from.output.begin() + row * columns + head_order[h] * from.dim, from.dim,
                  to.output.begin() + row * columns + h * from.dim);
    }
  }
  for (std::size_t i = 0; i < from.ranked_heads.size(); ++i) {
    to.ranked_heads[i] = static_cast<int>(
        std::find(head_order.begin(), head_order.end(), from.ranked_heads[i]) - head_order.begin());
  }
  return to;
}

const Model& model() {
  static const auto opened = Model::open(golden("models/llama_gqa"));
  return *opened;
}

KeepResult keep_all_layers(const std::string& policy, int budget, int n, std::uint64_t seed = 0) {
  GenerateRequest request;
  for (int i = 0; i < n; ++i) request.context.push_back((i * 37 + 11) % 400);
  request.plan = uniform_plan(policy, budget, model().shape().layers, QueryVisibility::aware);
  request.plan.seed = seed;
  return keep(model(), request);
}

}  // namespace

TEST_CASE("every policy gives finite scores of the right shape, the same ones twice") {
  for_every_row([](const Policy& policy, Shape shape, Phase phase) {
    const LayerNumbers n = random_layer(shape.query_heads, shape.kv_heads, 40, 3, phase);
    for (const Params& params :
         {params_for(policy, shape.kv_heads), small_params(policy, shape.kv_heads)}) {
      const LayerScores a = probe_scores(policy, n, params, 12);
      CHECK(a.tokens == 40);
      CHECK((a.rows == 1 || a.rows == shape.kv_heads));
      CHECK(a.scores.size() == static_cast<std::size_t>(a.rows) * 40);
      if (policy.sharing == Sharing::layer && phase == Phase::prefill) CHECK(a.rows == 1);
      CHECK(
          std::all_of(a.scores.begin(), a.scores.end(), [](float s) { return std::isfinite(s); }));
      CHECK(probe_scores(policy, n, params, 12).scores == a.scores);
    }
  });
}

TEST_CASE("NaN keys are an error with layer and policy for every policy that reads them") {
  int refused = 0;
  for_every_row([&](const Policy& policy, Shape shape, Phase phase) {
    LayerNumbers n = random_layer(shape.query_heads, shape.kv_heads, 20, 3, phase);
    // A NaN key in the first kv head, and what it makes of the attention of its query heads.
    n.keys[9 * n.dim + 1] = NAN;
    for (int t = 0; t < n.tokens; ++t) n.repeat[t] = NAN;
    for (int h = 0; h < n.group(); ++h) {
      for (int q = 9; q < n.queries; ++q) {
        for (int t = 0; t <= q; ++t) n.attention[(h * n.queries + q) * n.tokens + t] = NAN;
      }
    }
    const Params params = small_params(policy, shape.kv_heads);
    const unsigned reads = kNeedsKeys | kNeedsWindow | kNeedsAllQueries | kNeedsRepeat;
    if (!(needs_of(policy, params) & reads)) {
      probe_scores(policy, n, params, 8);  // sees none of it
      return;
    }
    ++refused;
    CHECK_THROWS_WITH(probe_scores(policy, n, params, 8), Catch::Contains("layer 1") &&
                                                              Catch::Contains(policy.id) &&
                                                              Catch::Contains("NaN"));
  });
  CHECK(refused > 80);
}

TEST_CASE("every policy keeps exactly its budget at hostile sizes") {
  for_every_row([](const Policy& policy, Shape shape, Phase phase) {
    for (const int tokens : {1, 2, 5, 9, 23, 40}) {
      const LayerNumbers n = random_layer(shape.query_heads, shape.kv_heads, tokens, 5, phase);
      for (const int budget : {1, 2, 3, 5, 8, 9, 22, 39, 40, 41}) {
        INFO("tokens " << tokens << " budget " << budget);
        for (const Params& params :
             {params_for(policy, shape.kv_heads), small_params(policy, shape.kv_heads)}) {
          const Kept kept = probe_kept(policy, n, params, budget);
          REQUIRE(kept.everything() == (budget >= tokens));
          if (!kept.everything()) check_counts(policy, kept, shape.kv_heads, tokens, budget);
        }
      }
    }
  });
}

TEST_CASE("protected tokens survive when all scores are equal") {
  for_every_row([](const Policy& policy, Shape shape, Phase) {
    const int tokens = 40, rows = policy.sharing == Sharing::layer ? 1 : shape.kv_heads;
    for (const int budget : {1, 3, 7, 20, 39}) {
      LayerScores equal;
      equal.rows = rows;
      equal.tokens = tokens;
      equal.scores.assign(static_cast<std::size_t>(rows) * tokens, 1);
      equal.head_weights.assign(static_cast<std::size_t>(shape.kv_heads), 1);
      const LayerChoice choice{
          .policy = policy.id, .budget = budget, .params = small_params(policy, shape.kv_heads)};
      const SelectShape fixed = fit_protected(keep_shape(policy, choice, rows, tokens));
      const Kept kept = keep_rows(policy, choice, equal, shape.kv_heads);
      for (int h = 0; h < shape.kv_heads; ++h) {
        const auto row = kept.head(h);
        INFO("budget " << budget << " sink " << fixed.sink << " recent " << fixed.recent);
        for (int i = 0; i < fixed.sink; ++i) CHECK(row[i] == i);
        for (int i = 0; i < fixed.recent; ++i) CHECK(row[row.size() - 1 - i] == tokens - 1 - i);
      }
    }
  });
}

TEST_CASE("kv heads in another order give the same scores in that order") {
  for_every_row([](const Policy& policy, Shape shape, Phase phase) {
    // These depend on a head's number by design: a draw per head, trained numbers per head.
    if (policy.id == std::string("random") || (policy.needs & kNeedsFile)) return;
    const LayerNumbers n = random_layer(shape.query_heads, shape.kv_heads, 40, 11, phase);
    const int heads = shape.kv_heads, group = n.group();
    std::vector<int> kv_order, head_order;
    for (int h = heads - 1; h >= 0; --h) {
      kv_order.push_back(h);
      for (int r = 0; r < group; ++r) head_order.push_back(h * group + (r + 1) % group);
    }
    const Params params = small_params(policy, heads);
    const LayerScores a = probe_scores(policy, n, params, 12);
    const LayerScores b = probe_scores(policy, reordered(n, kv_order, head_order), params, 12);
    REQUIRE(a.rows == b.rows);
    for (int row = 0; row < a.rows; ++row) {
      const int from = a.rows == 1 ? 0 : kv_order[row];
      for (int t = 0; t < 40; ++t) {
        CHECK(b.scores[row * 40 + t] == Approx(a.scores[from * 40 + t]).epsilon(1e-4));
      }
    }
  });
}

TEST_CASE("a second cut of what was kept keeps position order and its own budget") {
  for_every_row([](const Policy& policy, Shape shape, Phase phase) {
    if (phase == Phase::decode || policy.sharing == Sharing::ragged || may_exceed(policy)) return;
    const Params params = small_params(policy, shape.kv_heads);
    LayerNumbers n = random_layer(shape.query_heads, shape.kv_heads, 40, 17, phase);
    const Kept first = probe_kept(policy, n, params, 20);
    LayerNumbers rest = random_layer(shape.query_heads, shape.kv_heads, 20, 18, phase);
    for (int h = 0; h < shape.kv_heads; ++h) {  // the held rows, as a second cut sees them
      for (int i = 0; i < 20; ++i) {
        rest.positions[h * 20 + i] = n.positions[h * 40 + first.head(h)[i]];
        std::copy_n(n.k(h, first.head(h)[i]), n.dim, &rest.keys[(h * 20 + i) * n.dim]);
      }
    }
    const Kept second = probe_kept(policy, rest, params, 9);
    check_counts(policy, second, shape.kv_heads, 20, 9);
    for (int h = 0; h < shape.kv_heads; ++h) {
      for (int i = 1; i < 9; ++i) {
        CHECK(rest.positions[h * 20 + second.head(h)[i]] >
              rest.positions[h * 20 + second.head(h)[i - 1]]);
      }
    }
  });
}

TEST_CASE("policies whose scores follow the budget say so") {
  for_every_row([](const Policy& policy, Shape shape, Phase phase) {
    const LayerNumbers n = random_layer(shape.query_heads, shape.kv_heads, 40, 23, phase);
    for (const ParamSpec& spec : param_specs(policy, {}, phase)) {
      if (spec.name == std::string("inner")) return;  // tested with their inner policies below
    }
    const Params params = small_params(policy, shape.kv_heads);
    const bool same =
        probe_scores(policy, n, params, 10).scores == probe_scores(policy, n, params, 25).scores;
    CHECK(same != policy.scores_follow_budget);
  });
}

TEST_CASE("ids and codes are unique, codes have two letters, papers are named") {
  std::set<std::string> ids, codes;
  for (const Policy& policy : policies()) {
    ids.insert(policy.id);
    codes.insert(policy.code);
    INFO(policy.id);
    CHECK(std::string(policy.code).size() == 2);
    const bool control = policy.id == std::string("full") || policy.id == std::string("random");
    CHECK(std::string(policy.paper).empty() == control);
    CHECK(std::string(policy.summary).size() > 10);
    CHECK((policy.phases & (kPrefill | kDecode)) != 0);
  }
  CHECK(ids.size() == 25);
  CHECK(codes.size() == 25);
}

TEST_CASE("every default lies inside its own range and every parameter has help") {
  for (const Policy& policy : policies()) {
    Params defaults;
    for (const ParamSpec& spec : policy.params) {
      defaults[spec.name] = spec.start;
      CHECK(std::string(spec.help).size() > 5);
    }
    INFO(policy.id);
    CHECK_NOTHROW(check_params(defaults, param_specs(policy, defaults, Phase::prefill), "here"));
  }
}

TEST_CASE("a policy with an inner policy takes that policy's parameters beside its own") {
  const Policy& policy = *find_policy("criticalkv");
  const auto names = [&](const Params& given) {
    std::set<std::string> found;
    for (const ParamSpec& spec : param_specs(policy, given, Phase::prefill))
      found.insert(spec.name);
    return found;
  };
  CHECK(names({}) == std::set<std::string>{"inner", "eps", "first", "window", "kernel", "pool"});
  CHECK(names({{"inner", std::string("cake")}}) ==
        std::set<std::string>{"inner", "eps", "first", "window", "gamma"});
  // expected_attention has an `eps` too: the outer one is meant.
  CHECK(
      param_specs(policy, {{"inner", std::string("expected_attention")}}, Phase::prefill).size() ==
      3 + 4);
  const LayerNumbers n = random_layer(4, 2, 40, 2);
  const auto with = [&](const Params& params) {
    return probe_scores(policy, n, params, 12).scores;
  };
  CHECK(with({{"window", 8.0}}) == with({}));
  CHECK(with({{"window", 4.0}}) != with({}));
  CHECK(with({{"inner", std::string("h2o")}}) != with({}));
  CHECK((needs_of(policy, {{"inner", std::string("kvzip")}}) & kNeedsRepeat) != 0);
  CHECK((needs_of(policy, {}) & kNeedsRepeat) == 0);
}

TEST_CASE("every inner policy that can be named works") {
  int tried = 0;
  for (const Policy& policy : policies()) {
    for (const ParamSpec& spec : policy.params) {
      if (spec.name != std::string("inner")) continue;
      std::istringstream choices(spec.choices);
      for (std::string inner; std::getline(choices, inner, '|'); ++tried) {
        INFO(policy.id << " of " << inner);
        const Policy* named = find_policy(inner);
        REQUIRE(named);
        CHECK(stands_alone(*named));
        CHECK((named->phases & policy.phases) == policy.phases);
        const LayerNumbers n = random_layer(4, 2, 40, 31);
        for (const int budget : {1, 6, 12, 39}) {
          const Params params = {{"inner", inner}};
          const LayerScores scores = probe_scores(policy, n, params, budget);
          CHECK(std::all_of(scores.scores.begin(), scores.scores.end(),
                            [](float s) { return std::isfinite(s); }));
          check_counts(policy, probe_kept(policy, n, params, budget), 2, 40, budget);
        }
      }
    }
  }
  CHECK(tried > 20);
}

TEST_CASE("random draws differ between seeds, layers and heads") {
  const KeepResult a = keep_all_layers("random", 10, 60, 1),
                   b = keep_all_layers("random", 10, 60, 2);
  CHECK(a.layers[0].positions != b.layers[0].positions);
  CHECK(a.layers[0].positions != a.layers[1].positions);
  CHECK(a.layers[0].positions[0] != a.layers[0].positions[1]);
}

TEST_CASE("a decode draw of random belongs to the token, not to its slot or the heads beside it") {
  const Policy& policy = *find_policy("random");
  const LayerNumbers whole = random_layer(4, 2, 30, 9, Phase::decode);
  const LayerScores all = probe_scores(policy, whole, {}, 10);
  LayerNumbers part = random_layer(2, 1, 20, 9, Phase::decode);
  part.first_kv_head = 1;
  for (int i = 0; i < 20; ++i) part.positions[i] = whole.positions[30 + i + 10];
  const LayerScores some = probe_scores(policy, part, {}, 10);
  for (int i = 0; i < 20; ++i) CHECK(some.scores[i] == all.scores[30 + i + 10]);
}

TEST_CASE("streaming_llm with fewer tokens than sinks keeps the first ones") {
  for (const KeptRows& layer : keep_all_layers("streaming_llm", 2, 30).layers) {
    CHECK(layer.positions[0] == std::vector<int>{0, 1});
  }
}

TEST_CASE("trained numbers that are missing or of another model are refused by name") {
  const LayerNumbers n = random_layer(4, 2, 20, 1);
  const auto refuses = [&](const char* id, const std::string& text, const std::string& part) {
    const std::string path =
        text.empty() ? folder().file("none.json")
                     : folder().write("bad" + std::to_string(text.size()) + ".json", text);
    INFO(id << " " << text);
    CHECK_THROWS_WITH(probe_scores(*find_policy(id), n, {{"file", path}}, 8),
                      Catch::Contains(path) && Catch::Contains(part));
    CHECK_THROWS_AS(probe_scores(*find_policy(id), n, {{"file", path}}, 8), Error);
  };
  CHECK_THROWS_WITH(probe_scores(*find_policy("qfilter"), n, {}, 8), Catch::Contains("file"));
  CHECK_THROWS_WITH(probe_scores(*find_policy("duo"), n, {}, 8), Catch::Contains("file"));
  refuses("qfilter", "", "");
  refuses("qfilter", "[1, 2", "");
  refuses("qfilter", R"({"filters": []})", "q_filters");
  refuses("qfilter", R"({"q_filters": [[[1, 2, 3, 4], [1, 2, 3, 4]]]})", "has 1 layers");
  refuses("qfilter", R"({"q_filters": [[], [[1, 2, 3, 4]], []]})", "has 1 kv heads");
  refuses("qfilter", R"({"q_filters": [[], [[1, 2, 3], [1, 2, 3]], []]})", "has 3 channels");
  refuses("qfilter", R"({"q_filters": [[], [["x"], [1]], []]})", "finite numbers");
  refuses("qfilter", R"({"q_filters": [1, 2, 3]})", "q_filters[0]");
  refuses("duo", R"({"full_attention_heads": [[1, 0], [1, 0], [1, 0]]})", "sink_size");
  refuses("duo", R"({"full_attention_heads": [[1, 0]], "sink_size": 1, "recent_size": -1})",
          "recent_size");
  refuses("duo", R"({"full_attention_heads": [[1, 0]], "sink_size": 1, "recent_size": 1})",
          "has 1 layers");
}

TEST_CASE("a changed file of trained numbers is read again") {
  const LayerNumbers n = random_layer(2, 1, 10, 4);
  const Policy& policy = *find_policy("qfilter");
  const auto write = [&](const char* filter) {
    const std::string row = std::string("[[") + filter + "]]";
    return folder().write("again.json", "{\"q_filters\": [" + row + "," + row + "," + row + "]}");
  };
  const std::string path = write("1, 0, 0, 0");
  const std::vector<float> a = probe_scores(policy, n, {{"file", path}}, 4).scores;
  write("0, 1, 0, 0");
  std::filesystem::last_write_time(path,
                                   std::filesystem::last_write_time(path) + std::chrono::hours(1));
  const std::vector<float> b = probe_scores(policy, n, {{"file", path}}, 4).scores;
  for (int t = 0; t < 10; ++t) {
    CHECK(a[t] == -n.k(0, t)[0]);
    CHECK(b[t] == -n.k(0, t)[1]);
  }
}
