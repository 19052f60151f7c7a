#include "core/probe/heads.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "core/cache/attend.h"
#include "core/cache/engine.h"
#include "core/cache/layer_view.h"
#include "core/cache/prompt_state.h"
#include "core/error.h"
#include "core/files.h"

namespace polykv {
namespace {

void check_case(const Case& each, const std::string& where) {
  if (each.question.empty()) fail_input(where, "question", "expected at least one token");
  if (each.answer.empty()) fail_input(where, "answer", "expected at least one token");
  if (each.needles.empty()) {
    fail_input(where, "needles", "expected the place of the asked fact as the first pair");
  }
  const Span asked = each.needles.front();
  const int context = static_cast<int>(each.context.size());
  if (asked.first < 0 || asked.first > asked.last || asked.last >= context) {
    fail_input(where, "needles",
               "expected first <= last within the " + std::to_string(context) + " context tokens");
  }
  // A fact goes between two sentences, so that it may miss its depth by half a sentence.
  constexpr double kShare = 0.05, kTokens = 16;
  const double real = realised_depth(each), others = context - (asked.last - asked.first + 1);
  if (std::abs(real - each.depth) * others > std::max(kTokens, kShare * others)) {
    fail_input(where, "depth",
               "expected the asked fact at " + std::to_string(each.depth) + ", it lies at " +
                   std::to_string(real));
  }
}

// One run with a given answer.
struct Run {
  std::vector<int> best;                       // arg-max at every answer position
  std::vector<std::vector<StepScore>> scores;  // [layer][head], summed over the answer
};

// The prompt with the answer behind it, in one pass. At every position where the answer is the
// greedy one, the rows are those of the step that predicted its next token.
Run run_answer(const Decoder& decoder, const Case& c, std::span<const int> answer,
               const CancelFlag* cancel) {
  std::vector<int> ids = c.context;
  ids.insert(ids.end(), c.question.begin(), c.question.end());
  const int prompt = static_cast<int>(ids.size()), steps = static_cast<int>(answer.size());
  ids.insert(ids.end(), answer.begin(), answer.end() - 1);
  const int n = static_cast<int>(ids.size()), heads = decoder.config().shape.query_heads;
  Run run;
  const auto score_layer = [&](int layer, LayerState&& state) {
    // The last prompt token predicts the first answer token.
    const at::Tensor queries = stored_queries(decoder, state, layer, prompt - 1, n);
    const at::Tensor rows = attention_rows(queries, state.k, decoder.config().windows[layer])
                                .to(at::kFloat)
                                .contiguous();  // (heads, steps, n)
    const float* row = rows.data_ptr<float>();
    std::vector<StepScore>& sums = run.scores.emplace_back(heads);
    for (int h = 0; h < heads; ++h) {
      for (int t = 0; t < steps; ++t, row += n) {
        const auto cached = static_cast<std::size_t>(prompt + t);
        sums[h] += step_score({ids.data(), cached}, c.needles.front(), answer[t], {row, cached});
      }
    }
  };
  const at::Tensor out = run_prompt(decoder, ids, score_layer, cancel);
  const at::Tensor best = decoder.logits(out.narrow(0, prompt - 1, steps)).argmax(-1);
  for (int t = 0; t < steps; ++t) run.best.push_back(static_cast<int>(best[t].item<int64_t>()));
  return run;
}

// The shortest start of the greedy answer that contains the gold text; empty when none does.
std::vector<int> answer_with_gold(const Model& model, const Case& c, int most,
                                  const CancelFlag* cancel) {
  std::string gold = model.tokenizer().decode(c.answer, true);
  gold.erase(0, gold.find_first_not_of(' '));
  const std::vector<int> ids = generate(model, {c.context, c.question, {}, most, true}, cancel).ids;
  for (std::size_t n = 1; n <= ids.size(); ++n) {
    const std::vector<int> start(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(n));
    if (model.tokenizer().decode(start, true).find(gold) != std::string::npos) return start;
  }
  return {};
}

// The scores of the case's greedy answer when that is right.
std::optional<Run> right_run(const Model& model, const Case& c, const HeadSettings& settings,
                             const CancelFlag* cancel) {
  const int gold = static_cast<int>(c.answer.size());
  if (settings.scorer == AnswerScorer::exact && gold > settings.max_tokens) return {};
  if (gold <= settings.max_tokens) {
    // Arg-max equal to the gold at every position: the greedy answer is the gold one.
    Run run = run_answer(model.decoder(), c, c.answer, cancel);
    if (run.best == c.answer) return run;
  }
  if (settings.scorer == AnswerScorer::exact) return {};
  const int most = std::min(settings.max_tokens, gold + kAnswerSlack);
  const std::vector<int> answer = answer_with_gold(model, c, most, cancel);
  if (answer.empty()) return {};
  return run_answer(model.decoder(), c, answer, cancel);
}

std::string settings_json(const HeadSettings& settings, const std::vector<Case>& cases) {
  const auto tokens = [](const Case& a, const Case& b) {
    return a.context.size() < b.context.size();
  };
  const auto [shortest, longest] = std::minmax_element(cases.begin(), cases.end(), tokens);
  return Json{{"cases", cases.size()},
              {"source", settings.source},
              {"context_tokens", {shortest->context.size(), longest->context.size()}},
              {"scorer", to_string(settings.scorer)},
              {"max_tokens", settings.max_tokens}}
      .dump();
}

}  // namespace

const char* to_string(AnswerScorer scorer) {
  return scorer == AnswerScorer::exact ? "exact" : "contains";
}

HeadList find_heads(const Model& model, const std::vector<Case>& cases,
                    const HeadSettings& settings, const Progress& progress,
                    const CancelFlag* cancel) {
  const at::InferenceMode guard;
  const auto where = [&](std::size_t i) {
    return settings.source + " case " + std::to_string(i + 1);
  };
  for (std::size_t i = 0; i < cases.size(); ++i) check_case(cases[i], where(i));

  const ModelShape& shape = model.shape();
  using Runs = std::vector<std::vector<std::vector<double>>>;  // [layer][head][accepted run]
  const Runs none(shape.layers, std::vector<std::vector<double>>(shape.query_heads));
  Runs srh = none, trh = none;
  HeadList list;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    if (progress) {
      progress(static_cast<double>(i) / static_cast<double>(cases.size()),
               "case " + std::to_string(i + 1) + " of " + std::to_string(cases.size()));
    }
    const std::optional<Run> run = right_run(model, cases[i], settings, cancel);
    run ? ++list.n : ++list.rejected;
    if (!run) continue;
    for (int l = 0; l < shape.layers; ++l) {
      for (int h = 0; h < shape.query_heads; ++h) {
        const StepScore& score = run->scores[l][h];
        srh[l][h].push_back(settings.form == HeadForm::paper ? score.paper : score.multiplicity);
        trh[l][h].push_back(score.top1);
      }
    }
  }
  if (list.n == 0) {
    throw Error(ErrorKind::failed,
                "none of the " + std::to_string(cases.size()) +
                    " answers was right with the full cache, so no head can be scored");
  }
  list.form = to_string(settings.form);
  list.query_heads = shape.query_heads;
  list.fingerprint = model.fingerprint();
  list.settings = settings_json(settings, cases);
  for (int l = 0; l < shape.layers; ++l) {
    HeadLayer layer;
    for (int h = 0; h < shape.query_heads; ++h) {
      layer.srh.push_back(summarize_runs(srh[l][h]));
      layer.trh.push_back(summarize_runs(trh[l][h]));
    }
    layer.ranked = rank_heads(layer.srh);
    list.layers.push_back(std::move(layer));
  }
  return list;
}

}  // namespace polykv
