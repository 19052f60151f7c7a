#include "core/probe/heads.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "core/cache/layer_view.h"
#include "core/cache/prompt_state.h"
#include "core/error.h"
#include "core/probe/head_mask.h"
#include "core/probe/needle.h"
#include "core/score/live_scorer.h"
#include "tests/support/embedded.h"
#include "tests/support/goldens.h"
#undef CHECK  // torch has a macro of this name, which would abort the program
#include <catch2/catch.hpp>

using namespace polykv;

namespace {

std::vector<int> prompt_of(const Case& c) {
  std::vector<int> ids = c.context;
  ids.insert(ids.end(), c.question.begin(), c.question.end());
  return ids;
}

// Softmax row of one head for the query at position `last`, in plain loops over the stored state.
std::vector<double> plain_row(const Decoder& decoder, const LayerState& layer, int l, int head,
                              int last, int window) {
  const ModelShape& s = decoder.config().shape;
  const at::Tensor q = stored_queries(decoder, layer, l, last, last + 1);
  const int group = head / (s.query_heads / s.kv_heads);
  std::vector<double> row(last + 1);
  double sum = 0;
  for (int j = 0; j <= last; ++j) {
    double dot = 0;
    for (int i = 0; i < s.head_dim; ++i) {
      dot += double(q[head][0][i].item<float>()) * double(layer.k[group][j][i].item<float>());
    }
    row[j] = window > 0 && j <= last - window ? 0 : std::exp(dot / std::sqrt(double(s.head_dim)));
    sum += row[j];
  }
  for (double& weight : row) weight /= sum;
  return row;
}

std::string error_of(const std::vector<Case>& cases, ErrorKind kind) {
  try {
    find_heads(*tiny(), cases, {.source = "set.jsonl"});
  } catch (const Error& error) {
    CHECK(error.kind() == kind);
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("Head scores are the attention of the steps that predicted the answer") {
  NeedleSettings like;
  like.context_tokens = 60;
  like.keys = 1;
  const Case c = make_needle_case(like, tiny()->tokenizer());
  const HeadList list = find_heads(*tiny(), {c}, {});
  const HeadList multiple =
      find_heads(*tiny(), {c}, {.form = HeadForm::multiplicity, .source = ""});
  REQUIRE(list.n == 1);

  const at::InferenceMode guard;
  const Decoder& decoder = tiny()->decoder();
  std::vector<int> ids = prompt_of(c);
  const int prompt = static_cast<int>(ids.size());
  ids.insert(ids.end(), c.answer.begin(), c.answer.end());
  const PromptState state = prefill(decoder, ids);
  const Span span = c.needles[0];
  for (const int l : {0, 1, 4}) {
    for (int h = 0; h < tiny()->shape().query_heads; ++h) {
      double paper = 0, multiplicity = 0, top1 = 0;
      for (int t = 0; t < static_cast<int>(c.answer.size()); ++t) {
        const auto row = plain_row(decoder, state.layers[l], l, h, prompt - 1 + t, 0);
        double mass = 0;
        int times = 0, best = 0;
        for (int j = span.first; j <= span.last; ++j) {
          mass += row[j];
          times += ids[j] == c.answer[t];
        }
        for (int j = 0; j < static_cast<int>(row.size()); ++j) best = row[j] > row[best] ? j : best;
        paper += times > 0 ? mass : 0;
        multiplicity += times * mass;
        const bool inside = best >= span.first && best <= span.last;
        if (inside && ids[best] == c.answer[t]) top1 += 1.0 / (span.last - span.first + 1);
      }
      CAPTURE(l, h);
      CHECK(list.layers[l].srh[h].mean == Approx(paper).margin(1e-5));
      CHECK(multiple.layers[l].srh[h].mean == Approx(multiplicity).margin(1e-5));
      CHECK(list.layers[l].trh[h].mean == Approx(top1).margin(1e-9));
    }
  }
}

TEST_CASE("The embedded model's heads that read the needle lead their layer") {
  const HeadList list = find_heads(*tiny(), short_cases(10), {});
  CHECK(list.n + list.rejected == 10);
  REQUIRE(list.n >= 5);
  CHECK(list.few_samples());
  // Measured elsewhere (assets/tiny-needle/NOTES.md): layer 1 heads 4 to 7 read it, others hardly.
  const std::vector<int>& ranked = list.ranked(1);
  const std::set<int> best(ranked.begin(), ranked.begin() + 4), readers = {4, 5, 6, 7};
  CHECK(best == readers);
  for (const int head : {4, 5, 6, 7}) CHECK(list.scores(1)[head].mean > 2.5);  // of 5 tokens
  CHECK(list.fingerprint == tiny()->fingerprint());
  CHECK_NOTHROW(parse_heads(heads_json(list), "list", tiny()->head_target()));
}

TEST_CASE("Only right answers count, and the scorer says which are") {
  std::vector<Case> cases = short_cases(2);
  cases[0].answer.back() =
      cases[0].answer.back() == cases[0].answer[1] ? cases[0].answer[2] : cases[0].answer[1];
  const HeadList one = find_heads(*tiny(), cases, {});
  CHECK(one.n == 1);
  CHECK(one.rejected == 1);
  const HeadList alone = find_heads(*tiny(), {cases[1]}, {});
  CHECK((one.scores(1) == alone.scores(1)));

  // The gold digits without the space before them: contained in the answer, not its start.
  Case digits = cases[1];
  digits.answer.erase(digits.answer.begin());
  const HeadList exact = find_heads(*tiny(), {cases[1], digits}, {});
  CHECK(exact.rejected == 1);
  const HeadList contains =
      find_heads(*tiny(), {digits}, {.scorer = AnswerScorer::contains, .source = ""});
  CHECK(contains.n == 1);
  for (int h = 0; h < 8; ++h) {  // it ends where the gold is complete: the same five tokens
    CHECK(contains.scores(1)[h].mean == Approx(alone.scores(1)[h].mean).margin(1e-5));
  }
  CHECK_THAT(error_of({digits}, ErrorKind::failed), Catch::Contains("none of the 1 answers"));
}

TEST_CASE("A case without needle or with the needle elsewhere is refused by number") {
  std::vector<Case> cases = short_cases(3);
  cases[1].needles.clear();
  CHECK_THAT(error_of(cases, ErrorKind::input),
             Catch::Contains("set.jsonl case 2") && Catch::Contains("needles"));
  cases = short_cases(3);
  cases[2].depth = 0;
  CHECK_THAT(error_of(cases, ErrorKind::input),
             Catch::Contains("set.jsonl case 3") && Catch::Contains("depth"));
}

TEST_CASE("A windowed layer scores only what its queries see") {
  const auto model = Model::open(golden("models/mistral_swa"));
  Case c;
  for (int i = 0; i < 60; ++i) c.context.push_back(20 + i * 7 % 400);
  c.question = {33, 44};
  c.depth = 0.5;
  c.needles = {{28, 35}};  // the window of 32 begins inside
  const at::InferenceMode guard;
  // Its own greedy token as the answer; the needle is made to hold it.
  for (int round = 0; round < 2; ++round) {
    const PromptState state = prefill(model->decoder(), prompt_of(c));
    const at::Tensor logits = model->decoder().logits(state.out.narrow(0, 61, 1));
    c.answer = {static_cast<int>(logits.argmax(-1).item<std::int64_t>())};
    if (round == 0) c.context[34] = c.answer[0];
  }
  const bool holds = std::count(c.context.begin() + 28, c.context.begin() + 36, c.answer[0]) > 0;
  REQUIRE(holds);
  const HeadList list = find_heads(*model, {c}, {});
  const PromptState state = prefill(model->decoder(), prompt_of(c));
  for (int l = 0; l < model->shape().layers; ++l) {
    const int window = model->config().windows[l];
    REQUIRE(window == 32);
    for (int h = 0; h < model->shape().query_heads; ++h) {
      const auto row = plain_row(model->decoder(), state.layers[l], l, h, 61, window);
      double mass = 0;
      for (int j = 28; j <= 35; ++j) mass += row[j];
      CHECK(list.scores(l)[h].mean == Approx(mass).margin(1e-5));
    }
  }
}

TEST_CASE("No mask gives the full cache's scores") {
  const std::vector<Case> cases = short_cases(6);
  const MaskScore none = score_masks(*tiny(), cases, {{}})[0];
  LiveScorer scorer(tiny());
  scorer.set_cases(cases);
  const ScoreRow full = scorer.full_row();
  CHECK(none.recall.value == full.recall.value);
  CHECK(none.recall.n == 6);
  CHECK(none.answer_nll.value == Approx(full.answer_nll.value).margin(1e-5));
  CHECK(none.answer_nll.low == Approx(full.answer_nll.low).margin(1e-5));
}

TEST_CASE("A masked head attends evenly while the answer is fed, and not before") {
  const at::InferenceMode guard;
  const Decoder& decoder = tiny()->decoder();
  const ModelShape& s = tiny()->shape();
  const int layer = s.layers - 1, d = s.head_dim;  // nothing above it: the rest stays what it was
  Case c = short_cases(1)[0];
  std::rotate(c.answer.begin(), c.answer.begin() + 2, c.answer.end());  // wrong: nll far from 0
  std::vector<int> ids = prompt_of(c);
  const int prompt = static_cast<int>(ids.size());
  ids.insert(ids.end(), c.answer.begin(), c.answer.end() - 1);
  const PromptState state = prefill(decoder, ids);
  const LayerState& last = state.layers[layer];
  const std::set<int> masked = {1, 3};
  double nll = 0;
  for (int t = 0; t < static_cast<int>(c.answer.size()); ++t) {
    const int at = prompt - 1 + t;
    at::Tensor mixed = at::zeros({1, s.query_heads * d});
    for (int h = 0; h < s.query_heads; ++h) {
      std::vector<double> row = plain_row(decoder, last, layer, h, at, 0);
      if (t > 0 && masked.count(h)) std::fill(row.begin(), row.end(), 1.0 / (at + 1));
      const at::Tensor weights = at::tensor(row).to(at::kFloat).unsqueeze(0);
      const at::Tensor values = last.v[h / (s.query_heads / s.kv_heads)].narrow(0, 0, at + 1);
      mixed.narrow(1, h * d, d).copy_(at::mm(weights, values));
    }
    const at::Tensor out = decoder.finish(layer, last.x.narrow(0, at, 1), mixed);
    nll -= at::log_softmax(decoder.logits(out), -1)[0][c.answer[t]].item<double>() /
           static_cast<double>(c.answer.size());
  }
  const auto scores = score_masks(*tiny(), {c}, {{}, {{layer, 1}, {layer, 3}}});
  CHECK(scores[1].answer_nll.value == Approx(nll).margin(1e-4));
  CHECK(std::abs(scores[0].answer_nll.value - nll) > 1e-2);  // else the mask did nothing
}

TEST_CASE("Random masks are as large as the chosen ones, apart from them and set by the seed") {
  const std::vector<HeadMask> chosen = {{{1, 4}, {1, 5}, {1, 6}}, {{1, 6}, {2, 7}, {2, 6}}};
  const std::vector<Case> cases = short_cases(2);
  const MaskEffect effect = mask_effect(*tiny(), cases, chosen, 3, 4);
  REQUIRE(effect.chosen.size() == 2);
  REQUIRE(effect.drawn.size() == 4);
  REQUIRE(effect.draws.size() == 4);
  CHECK(effect.random.recall.n == 4);
  double mean = 0;
  for (std::size_t r = 0; r < 4; ++r) {
    mean += effect.draws[r].answer_nll.value / 4;
    CHECK(effect.draws[r].answer_nll.n == 2);
    std::set<std::pair<int, int>> places;
    for (const HeadPlace place : effect.drawn[r]) {
      CHECK((place.layer >= 0 && place.layer < 6 && place.head >= 0 && place.head < 8));
      places.insert({place.layer, place.head});
      for (const HeadMask& mask : chosen) CHECK(std::count(mask.begin(), mask.end(), place) == 0);
    }
    CHECK(places.size() == 3);
  }
  CHECK(effect.random.answer_nll.value == Approx(mean));
  CHECK((effect.drawn[0] != effect.drawn[1]));
  CHECK((mask_effect(*tiny(), cases, chosen, 3, 2).drawn[1] == effect.drawn[1]));
  CHECK((mask_effect(*tiny(), cases, chosen, 4, 2).drawn[1] != effect.drawn[1]));

  HeadMask half;
  for (int i = 0; i < 25; ++i) half.push_back({i / 8, i % 8});
  CHECK_THROWS_WITH(mask_effect(*tiny(), cases, {half}, 1, 2), Catch::Contains("leaves 23"));
}
