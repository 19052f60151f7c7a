#include "views/heads_model.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/policies/policy.h"
#include "views/context_model.h"
#include "views/widgets.h"

namespace polykv {
namespace {

constexpr const char* kVoters = "heads";  // compresskv's parameter
constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

const ParamSpec* voters_spec(const LayerChoice& choice) {
  const Policy* policy = find_policy(choice.policy);
  if (!policy || !(policy->needs & kNeedsHeads)) return nullptr;
  for (const ParamSpec& spec : policy->params)
    if (spec.name == std::string(kVoters)) return &spec;
  return nullptr;
}

void fill_rows(HeadsModel& model, const HeadList& list, const Ui& ui) {
  const bool trh = ui.heads.score == 1;
  for (std::size_t l = 0; l < list.layers.size(); ++l) {
    const HeadLayer& layer = list.layers[l];
    const std::vector<HeadScore>& scores = trh ? layer.trh : layer.srh;
    HeadRow row;
    for (int h = 0; h < list.query_heads; ++h) {
      HeadCell cell;
      const auto at = static_cast<std::size_t>(h);
      cell.value = at < scores.size() ? scores[at].mean : kUnknown;
      if (at < scores.size()) cell.spread = scores[at].spread, cell.n = scores[at].n;
      const auto found = std::find(layer.ranked.begin(), layer.ranked.end(), h);
      if (found != layer.ranked.end()) cell.rank = static_cast<int>(found - layer.ranked.begin());
      cell.votes = cell.rank >= 0 && cell.rank < model.votes;
      if (cell.value > model.top) model.top = cell.value;
      row.cells.push_back(cell);
    }
    model.rows.push_back(std::move(row));
  }
  const double given = ui.heads.threshold[ui.heads.score];
  model.threshold = given >= 0 ? std::min(given, model.top) : model.top / 3;
  for (std::size_t l = 0; l < model.rows.size(); ++l) {
    for (std::size_t h = 0; h < model.rows[l].cells.size(); ++h) {
      HeadCell& cell = model.rows[l].cells[h];
      cell.over = cell.value > 0 && cell.value >= model.threshold;
      if (cell.over) model.chosen.push_back({static_cast<int>(l), static_cast<int>(h)});
    }
  }
  model.over = static_cast<int>(model.chosen.size());
}

std::string with_interval(const Estimate& e) {
  return format_number(e.value, 2) + " [" + format_number(e.low, 2) + ", " +
         format_number(e.high, 2) + "]";
}

MaskLine mask_line(const std::string& name, const MaskScore& score) {
  return {name, with_interval(score.recall), format_number(score.answer_nll.value, 2),
          score.recall};
}

void fill_mask(HeadsModel& model, const Snapshot& now, const Ui& ui) {
  const int all = static_cast<int>(model.rows.size()) *
                  (model.rows.empty() ? 0 : static_cast<int>(model.rows[0].cells.size()));
  if (!now.cases) model.mask_fault = "there are no cases to score";
  if (model.over == 0) model.mask_fault = "no head passes the threshold";
  if (2 * model.over > all) model.mask_fault = "too few heads are left to draw as many at random";
  if (!ui.heads.masking || !now.mask) return;
  const MaskAnswer& answer = *now.mask;
  const std::string count = format_count(static_cast<long long>(answer.heads.size()));
  const std::string heads = count + (answer.heads.size() == 1 ? " head" : " heads");
  model.mask.push_back(mask_line("none masked", answer.effect.none));
  if (!answer.effect.chosen.empty())
    model.mask.push_back(mask_line(heads + " masked", answer.effect.chosen[0]));
  model.mask.push_back(mask_line(count + " at random", answer.effect.random));
  model.mask_note = "full cache, n = " + format_count(answer.cases) + ", mean of " +
                    format_count(static_cast<long long>(answer.effect.draws.size())) + " draws";
  if (answer.cases_chose) model.mask_note += "; the cases that chose the heads";
  if (answer.heads != model.chosen) model.mask_note = "of other heads: " + model.mask_note;
}

}  // namespace

std::string head_text(double value) {
  if (!std::isfinite(value)) return "\u2014";
  const std::string text = format_number(value, value < 0.995 ? 2 : 1);
  return text.starts_with("0.") ? text.substr(1) : text;
}

std::vector<int> voting_layers(const Plan& plan) {
  std::vector<int> layers;
  const auto& choices = plan.of(Phase::prefill);
  for (int l = 0; l < static_cast<int>(choices.size()); ++l)
    if (voters_spec(choices[static_cast<std::size_t>(l)])) layers.push_back(l);
  return layers;
}

Plan with_votes(const Plan& plan, int votes) {
  return with_param(plan, Phase::prefill, voting_layers(plan), kVoters, static_cast<double>(votes));
}

HeadsModel condense_heads(const Snapshot& now, const Ui& ui) {
  HeadsModel model;
  model.measuring = now.work.kind == Work::measuring;
  model.work = work_words(now.work);
  model.share = now.work.share;
  if (now.model && now.cases && !model.measuring) model.action = "Find heads";
  if (!now.model) {
    model.missing = "No model is open.";
    return model;
  }
  if (!now.heads) {
    model.missing = now.cases ? "No retrieval heads are known for this model. Find them on the " +
                                    format_count(static_cast<long long>(now.cases->cases.size())) +
                                    " cases at hand."
                              : "No retrieval heads are known for this model.";
    return model;
  }
  const HeadList& list = *now.heads;
  const ModelShape& shape = now.model->shape;
  model.there = true;
  model.kv_group = std::max(1, shape.query_heads / std::max(1, shape.kv_heads));
  model.most_votes = std::max(1, list.query_heads);
  const Plan& plan = ui.history.current();
  const std::vector<int> voters = voting_layers(plan);
  model.votes_in_plan = !voters.empty();
  model.votes = ui.heads.top;
  if (!voters.empty()) {
    const bool own = std::find(voters.begin(), voters.end(), ui.selected.layer) != voters.end();
    const LayerChoice& choice =
        plan.of(Phase::prefill)[static_cast<std::size_t>(own ? ui.selected.layer : voters[0])];
    model.votes = integer_param(choice.params, find_policy(choice.policy)->params, kVoters);
  }
  model.votes = std::clamp(model.votes, 1, model.most_votes);
  fill_rows(model, list, ui);
  model.count = format_count(model.over) + (model.over == 1 ? " head, top " : " heads, top ") +
                format_count(model.votes) + " vote";
  const bool trh = ui.heads.score == 1;
  model.stamp = trh ? "largest weight on the next token itself"
                    : list.form + " form, attention on the asked fact";
  model.stamp += list.n > 0 ? ", mean over " + format_count(list.n) + " answers" : ", n unknown";
  if (list.few_samples())
    model.warning = "few samples: " + format_count(list.n) + " of at least " +
                    format_count(kFewSamples) + ", ranks may change";
  fill_mask(model, now, ui);
  return model;
}

}  // namespace polykv
