#include "tests/support/fake_snapshot.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace polykv {
namespace {

constexpr const char* kFiller[] = {
    " The",     " dusty", " knight", " was",   " near", " the",    " bottle", ".",        " Clara",
    " hid",     " the",   " yellow", " book",  " near", " the",    " church", ".",        " After",
    " 9",       "9",      " days",   " Clara", " left", " Berlin", " and",    " arrived", " in",
    " Prague",  ".",      " Tina",   " wrote", " l",    "ynx",     " on",     " a",       " wooden",
    " suit",    "case",   ".",       " Maria", " saw",  " the",    " olive",  " in",      " the",
    " factory", " on",    " Friday", "."};
constexpr const char* kFact[] = {" The", " code", " of", " amber", " is", " ",
                                 "7",    "3",     "1",   "9",      "."};
constexpr const char* kQuestion[] = {"\n",     "Question", ":",   " Which", " code",  " does",
                                     " amber", " have",    "?",   "\n",     "Answer", ":",
                                     " The",   " code",    " of", " amber", " is"};
constexpr const char* kAnswer[] = {" ", "7", "3", "1", "9"};
constexpr int kQuestionTokens = static_cast<int>(std::size(kQuestion));
constexpr int kAnswerTokens = static_cast<int>(std::size(kAnswer));
constexpr int kFactTokens = static_cast<int>(std::size(kFact));

CaseText make_case(int index, int context) {
  CaseText text;
  const double depth = 0.25 * ((index + 2) % 5);
  const int first =
      std::clamp(static_cast<int>(depth * (context - kFactTokens)), 1, context - kFactTokens);
  for (int i = 0; i < context; ++i) {
    const bool fact = i >= first && i < first + kFactTokens;
    text.tokens.push_back(i == 0 ? "<|begin_of_text|>"
                          : fact
                              ? kFact[i - first]
                              : kFiller[(i + index * 13) % static_cast<int>(std::size(kFiller))]);
  }
  for (const char* token : kQuestion) text.tokens.push_back(token);
  for (const char* token : kAnswer) text.tokens.push_back(token);
  text.context = context, text.question = kQuestionTokens, text.answer = kAnswerTokens;
  text.question_text = "\nQuestion: Which code does amber have?\nAnswer: The code of amber is";
  text.gold = " 7319";
  Case& source = text.source;
  source.context.resize(static_cast<std::size_t>(context));
  std::iota(source.context.begin(), source.context.end(), 1);
  source.question.assign(kQuestionTokens, 7), source.answer = {9, 57, 53, 51, 59};
  source.needles = {{first, first + kFactTokens - 1}};
  source.task = "multikey", source.depth = depth, source.keys = 4;
  source.seed = static_cast<std::uint64_t>(index + 1);
  return text;
}

// A believable importance: sinks, a recent ramp, the needle, noise.
float importance(const Span& needle, int token, int tokens, int layer, std::mt19937& random) {
  float value = 0.02f * std::uniform_real_distribution<float>(0, 1)(random);
  value *= value * 40;
  if (token < 4) value += 0.3f;
  value += 0.05f * std::exp(static_cast<float>(token - tokens + 1) / 12.0f);
  if (token >= needle.first && token <= needle.last)
    value += layer == 1 ? 0.11f : layer == 2 ? 0.05f : 0.012f;
  return value;
}

std::shared_ptr<const ProxyData> make_proxy(const Plan& plan, const CaseSetInfo& cases,
                                            const FakeShape& shape) {
  auto proxy = std::make_shared<ProxyData>();
  proxy->choices = plan.of(Phase::prefill);
  proxy->query = plan.query;
  proxy->kv_heads = shape.kv_heads;
  for (std::size_t c = 0; c < cases.cases.size(); ++c) {
    const CaseText& text = cases.cases[c];
    ProxyCase one;
    one.tokens = text.context;
    for (int layer = 0; layer < shape.layers; ++layer) {
      std::mt19937 random(static_cast<unsigned>(c * 1000 + static_cast<std::size_t>(layer)));
      LayerScores scores;
      scores.rows = shape.kv_heads, scores.tokens = text.context;
      std::vector<float> mass;
      for (int head = 0; head < shape.kv_heads; ++head) {
        std::vector<float> row;
        for (int i = 0; i < text.context; ++i)
          row.push_back(importance(text.source.needles[0], i, text.context, layer, random));
        const float sum = std::accumulate(row.begin(), row.end(), 0.0f);
        for (float v : row) scores.scores.push_back(v), mass.push_back(v / sum);
      }
      one.layers.push_back(std::make_shared<LayerScores>(std::move(scores)));
      one.mass.push_back(std::make_shared<std::vector<float>>(std::move(mass)));
    }
    proxy->cases.push_back(std::move(one));
  }
  return proxy;
}

std::vector<KeptLayer> make_kept(const Plan& plan, const ProxyCase& one, int kv_heads) {
  std::vector<KeptLayer> kept;
  for (std::size_t layer = 0; layer < one.layers.size(); ++layer) {
    KeptLayer result;
    result.cut_tokens = one.tokens;
    const auto& budget = plan.of(Phase::prefill)[layer].budget;
    double share = 0;
    for (int head = 0; budget && head < kv_heads; ++head) {
      const std::size_t start =
          static_cast<std::size_t>(head) * static_cast<std::size_t>(one.tokens);
      const float* row = one.layers[layer]->scores.data() + start;
      std::vector<int> order(static_cast<std::size_t>(one.tokens));
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return row[a] > row[b]; });
      order.resize(static_cast<std::size_t>(std::min(*budget, one.tokens)));
      std::sort(order.begin(), order.end());
      for (int i : order) share += (*one.mass[layer])[start + static_cast<std::size_t>(i)];
      result.positions.push_back(std::move(order));
    }
    result.kept_mass = budget ? share / kv_heads : 1;
    kept.push_back(std::move(result));
  }
  return kept;
}

std::shared_ptr<const HeatTile> make_heat(const CaseText& text, const LookAt& at) {
  auto tile = std::make_shared<HeatTile>();
  tile->case_index = at.case_index, tile->layer = at.layer, tile->head = at.head;
  tile->first_row = text.context;
  tile->rows = text.question + text.answer;
  tile->columns = text.context + tile->rows;
  std::mt19937 random(static_cast<unsigned>(at.layer * 100 + at.head));
  const Span needle = text.source.needles[0];
  for (int r = 0; r < tile->rows; ++r) {
    const int limit = tile->first_row + r;
    std::vector<float> row(static_cast<std::size_t>(tile->columns), 0.0f);
    float sum = 0;
    for (int i = 0; i <= limit; ++i) {
      float v = importance(needle, i, limit, at.layer, random);
      if (i >= needle.first && i <= needle.last && r >= text.question - 1)
        v += 0.5f * std::exp(-std::fabs(
                        static_cast<float>(i - needle.first - 5 - (r - text.question + 1))));
      row[static_cast<std::size_t>(i)] = v;
      sum += v;
    }
    for (float v : row) tile->values.push_back(v / sum);
  }
  return tile;
}

ScoreRow row_of(const std::string& name, int correct, int n, double nll, double kl, int agree,
                double mass, std::int64_t bytes) {
  ScoreRow row;
  row.plan = name;
  auto rate = [](int k, int m) {
    const double p = static_cast<double>(k) / m, z = 1.96, z2 = z * z;
    const double centre = (p + z2 / (2 * m)) / (1 + z2 / m);
    const double half = z * std::sqrt(p * (1 - p) / m + z2 / (4.0 * m * m)) / (1 + z2 / m);
    return Estimate{p, centre - half, centre + half, m};
  };
  row.recall = rate(correct, n);
  row.answer_nll = {nll, nll * 0.6, nll * 1.4, n};
  row.kl_to_full = {kl, kl * 0.7, kl * 1.3, n};
  row.top1_agreement = rate(agree, n * kAnswerTokens);
  row.kept_mass = {mass, mass - 0.03, std::min(1.0, mass + 0.03), n};
  row.kv_bytes = row.kv_bytes_planned = bytes;
  row.rescore_ms = 41.5;
  return row;
}

void add_scores(Snapshot& now, const FakeShape& shape, std::int64_t per_token) {
  const int n = shape.cases;
  const std::int64_t full = per_token * shape.layers * shape.context;
  const std::int64_t cut = per_token * now.plan.total(Phase::prefill);
  now.ceiling = row_of("full", n, n, 0.02, 0, n * kAnswerTokens, 1, full);
  now.ceiling.kept_mass_by_layer.assign(static_cast<std::size_t>(shape.layers), 1.0);
  now.score = row_of(now.plan.name, n * 11 / 16, n, 0.61, 0.52, n * 4, 0.71, cut);
  for (const KeptLayer& layer : *now.kept) now.score.kept_mass_by_layer.push_back(layer.kept_mass);
  now.controls = {row_of("random", 0, n, 6.1, 5.8, n, 0.09, cut),
                  row_of("sink+recent", n * 3 / 16, n, 4.2, 4.0, n * 2, 0.46, cut)};
  now.runs = {row_of("snapkv:128", n * 14 / 16, n, 0.31, 0.22, n * 4 + n / 2, 0.82, cut * 2),
              row_of("snapkv:64", n * 9 / 16, n, 0.91, 0.72, n * 4 - n / 2, 0.66, cut),
              row_of("tova:64", 0, n, 5.1, 4.9, n, 0.31, cut), now.score};
  auto results = std::make_shared<std::vector<CaseResult>>();
  for (int i = 0; i < n; ++i) {
    CaseResult one;
    one.full_correct = true;
    one.correct = (i * 5 + 11) % 16 < 11;
    one.full_answer = {9, 57, 53, 51, 59};
    one.answer = one.correct ? one.full_answer : std::vector<int>{9, 57, 53, 59, 51};
    one.full_nll = 0.02, one.answer_nll = one.correct ? 0.1 : 1.7;
    results->push_back(one);
  }
  now.results = results;
}

}  // namespace

Plan fake_plan(int layers) {
  Plan plan;
  plan.name = "mixed-64";
  const char* names[] = {"snapkv", "snapkv", "h2o", "snapkv", "knorm", "streaming_llm"};
  const int budgets[] = {40, 104, 96, 56, 48, 40};
  for (int i = 0; i < layers; ++i) {
    LayerChoice choice;
    choice.policy = names[i % 6];
    choice.budget = budgets[i % 6];
    plan.of(Phase::prefill).push_back(choice);
    plan.of(Phase::decode).push_back(LayerChoice{});
  }
  return plan;
}

Ui fake_ui(const Plan& plan) {
  Ui ui;
  ui.history = PlanHistory(plan);
  ui.edit = 1;
  ui.selected.layer = std::min(1, plan.layers() - 1);
  ui.selected.head = 4;
  return ui;
}

Snapshot fake_snapshot(Fake kind, const Plan& plan, const FakeShape& shape) {
  Snapshot now;
  now.serial = 1;
  if (kind == Fake::empty) return now;
  if (kind == Fake::loading) {
    now.work = {Work::loading, 0.3, "reading model.safetensors", 2};
    return now;
  }
  auto model = std::make_shared<ModelInfo>();
  model->name = "tiny-needle", model->folder = "assets/tiny-needle";
  model->fingerprint = "sha256:0123456789abcdef";
  model->shape = {shape.layers, shape.heads, shape.kv_heads, 32, 128, 2048, 2048};
  model->parameters = 1640000, model->embedded = true;
  model->kv_bytes_per_token_layer = 2ll * shape.kv_heads * 32 * 4;
  now.model = model;
  auto cases = std::make_shared<CaseSetInfo>();
  cases->name = std::to_string(shape.cases) + " needle cases, 950 tokens, 4 keys";
  for (int i = 0; i < shape.cases; ++i) cases->cases.push_back(make_case(i, shape.context));
  now.cases = cases;
  now.proxy = make_proxy(plan, *cases, shape);
  now.log = {{LogLine::Kind::info, "Opened tiny-needle: 6 layers, 1,640,000 parameters."},
             {LogLine::Kind::info, "16 needle cases ready in 2.1 s."}};
  if (kind == Fake::ready) {
    now.work = {Work::prefill, 0.4, "prefill case 7 of 16", 3};
    return now;
  }
  now.plan = plan;
  now.scored = true, now.scored_edit = 1;
  now.looked = {0, std::min(1, shape.layers - 1), std::min(4, shape.heads - 1)};
  now.kept = std::make_shared<std::vector<KeptLayer>>(
      make_kept(plan, now.proxy->cases[0], shape.kv_heads));
  now.heat = make_heat(cases->cases[0], now.looked);
  now.answer = " 7391", now.full_answer = " 7319";
  add_scores(now, shape, model->kv_bytes_per_token_layer);
  if (kind == Fake::busy) {
    now.running_edit = 2;
    now.work = {Work::scoring, 0.62, "scoring layer 3 of 6", 0.2};
    return now;
  }
  now.check = {{"budget_full", "budget >= n gives the logits of the full cache", true,
                "largest difference 0"},
               {"positions", "kept positions are monotone and original", true, "16 of 16 cases"},
               {"bytes", "allocated bytes equal planned bytes", true, "difference 0"}};
  return now;
}

}  // namespace polykv
