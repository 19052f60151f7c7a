#include "views/keep_map_model.h"

#include <algorithm>

#include "kernels/select.h"
#include "views/widgets.h"

namespace polykv {
namespace {

const Plan& plan_shown(const Snapshot& now, const Ui& ui) {
  return shows_preview(now, ui) ? ui.history.current() : now.plan;
}

std::string keeps(const LayerCut& cut) {
  return cut.choice.policy + " keeps " + format_count(cut.choice.budget.value_or(0));
}

}  // namespace

bool LayerCut::kept(int kv_head, int token) const {
  if (everything || heads.empty() || token >= cut) return true;
  const auto& h = heads[std::clamp(kv_head, 0, static_cast<int>(heads.size()) - 1)];
  return std::binary_search(h.begin(), h.end(), token);
}

int LayerCut::kept_count(int kv_head) const {
  if (everything || heads.empty()) return cut;
  const auto& h = heads[std::clamp(kv_head, 0, static_cast<int>(heads.size()) - 1)];
  return static_cast<int>(std::lower_bound(h.begin(), h.end(), cut) - h.begin());
}

bool LayerCut::heads_differ() const {
  return std::any_of(heads.begin(), heads.end(), [&](const auto& h) {
    return !std::equal(h.begin(), h.end(), heads[0].begin(), heads[0].end());
  });
}

const CaseText* looked_case(const Snapshot& now) {
  if (!now.cases) return nullptr;
  const int i = now.looked.case_index;
  return i >= 0 && i < static_cast<int>(now.cases->cases.size()) ? &now.cases->cases[i] : nullptr;
}

bool shows_preview(const Snapshot& now, const Ui& ui) {
  const bool newer =
      ui.pill == Pill::preview || ui.pill == Pill::queued || ui.pill == Pill::running;
  return newer && ui.proxy.available && ui.selected.case_index == now.looked.case_index;
}

LayerCut layer_cut(const Snapshot& now, const Ui& ui, int layer) {
  LayerCut cut;
  cut.layer = layer;
  const CaseText* text = looked_case(now);
  if (!text) return cut;
  cut.tokens = static_cast<int>(text->tokens.size());
  cut.cut = text->context;
  cut.preview = shows_preview(now, ui);

  const Plan& plan = plan_shown(now, ui);
  if (layer >= 0 && layer < plan.layers()) cut.choice = plan.of(Phase::prefill)[layer];
  if (plan.query == QueryVisibility::aware) cut.cut += text->question;

  const std::vector<std::vector<int>>* positions = nullptr;
  if (cut.preview) {
    if (layer < static_cast<int>(ui.proxy.kept.size())) positions = &ui.proxy.kept[layer];
    if (now.proxy && now.looked.case_index < static_cast<int>(now.proxy->cases.size())) {
      cut.cut = now.proxy->cases[now.looked.case_index].tokens;
    }
  } else if (now.kept && layer >= 0 && layer < static_cast<int>(now.kept->size())) {
    const KeptLayer& kept = (*now.kept)[layer];
    positions = &kept.positions;
    cut.kept_mass = kept.kept_mass;
    if (kept.cut_tokens > 0) cut.cut = kept.cut_tokens;
  }
  if (positions) {
    for (const auto& head : *positions) {
      cut.heads.emplace_back(head);
      const auto in_cut = std::lower_bound(head.begin(), head.end(), cut.cut) - head.begin();
      if (in_cut < cut.cut) cut.everything = false;
    }
  }
  const Policy* policy = find_policy(cut.choice.policy);
  if (policy && policy->protect && cut.choice.budget) {
    const Protected asked = policy->protect(cut.choice.params, *cut.choice.budget, cut.cut);
    const SelectShape fits = fit_protected({.rows = 1,
                                            .tokens = cut.cut,
                                            .budget = std::min(*cut.choice.budget, cut.cut),
                                            .sink = asked.sink,
                                            .recent = asked.recent});
    cut.guard = {fits.sink, fits.recent};
  }
  return cut;
}

int kv_head_of(int head, const ModelShape& shape) {
  return shape.query_heads > 0 ? head * shape.kv_heads / shape.query_heads : 0;
}

std::vector<TokenRange> kept_runs(const LayerCut& cut, int kv_head, int from, int to) {
  from = std::max(from, 0);
  to = std::min(to, cut.tokens);
  if (from >= to) return {};
  if (cut.everything || cut.heads.empty()) return {{from, to}};
  std::vector<TokenRange> runs;
  const auto add = [&](int first, int last) {
    if (first >= last) return;
    if (!runs.empty() && runs.back().last == first) {
      runs.back().last = last;
    } else {
      runs.push_back({first, last});
    }
  };
  const auto& h = cut.heads[std::clamp(kv_head, 0, static_cast<int>(cut.heads.size()) - 1)];
  for (auto it = std::lower_bound(h.begin(), h.end(), from); it != h.end(); ++it) {
    if (*it >= to || *it >= cut.cut) break;
    add(*it, *it + 1);
  }
  add(std::max(from, cut.cut), to);
  return runs;
}

std::vector<TokenRange> evicted_runs(const LayerCut& cut, int kv_head, int from, int to) {
  std::vector<TokenRange> runs;
  int at = std::max(from, 0);
  to = std::min(to, cut.tokens);
  for (const TokenRange& kept : kept_runs(cut, kv_head, from, to)) {
    if (kept.first > at) runs.push_back({at, kept.first});
    at = kept.last;
  }
  if (at < to) runs.push_back({at, to});
  return runs;
}

int keep_rank(const LayerCut& cut, const LayerScores& scores, int kv_head, int token) {
  const int n = std::min(scores.tokens, cut.cut);
  if (token < 0 || token >= n || scores.rows <= 0) return 0;
  if (cut.is_sink(token)) return token + 1;
  if (cut.is_recent(token)) return cut.guard.sink + token - (cut.cut - cut.guard.recent) + 1;
  const int row = scores.rows == 1 ? 0 : std::clamp(kv_head, 0, scores.rows - 1);
  const float* s = scores.scores.data() + static_cast<std::size_t>(row) * scores.tokens;
  int better = 0;
  for (int k = cut.guard.sink; k < n - cut.guard.recent; ++k) {
    better += s[k] > s[token] || (s[k] == s[token] && k < token);
  }
  return cut.guard.sink + cut.guard.recent + better + 1;
}

Verdict verdict(const LayerCut& cut, const LayerScores* scores, int kv_head, int token) {
  if (token >= cut.cut) return {true, "read after the cut"};
  if (!cut.choice.budget) return {true, "full keeps everything"};
  const std::string& policy = cut.choice.policy;
  const Verdict result{cut.kept(kv_head, token), keeps(cut)};
  if (result.kept && cut.is_sink(token)) {
    return {true, policy + " protects the first " + format_count(cut.guard.sink)};
  }
  if (result.kept && cut.is_recent(token)) {
    return {true, policy + " protects the last " + format_count(cut.guard.recent)};
  }
  if (result.kept && cut.everything) return {true, "the budget is not below the cut"};
  const int budget = *cut.choice.budget;
  if (!result.kept && cut.guard.sink + cut.guard.recent >= std::min(budget, cut.cut)) {
    return {false, policy + " keeps the first " + format_count(cut.guard.sink) + ", last " +
                       format_count(cut.guard.recent)};
  }
  const int rank = scores ? keep_rank(cut, *scores, kv_head, token) : 0;
  // A rank that contradicts the cut belongs to other scores: say nothing about it.
  if (rank == 0 || (rank <= budget) != result.kept) return result;
  if (result.kept) return {true, "rank " + format_count(rank) + "; " + keeps(cut)};
  return {false, keeps(cut) + "; short by " + format_count(rank - budget)};
}

const LayerScores* scores_of(const Snapshot& now, const LayerCut& cut, QueryVisibility query) {
  if (!now.proxy || now.proxy->query != query) return nullptr;
  const ProxyData& data = *now.proxy;
  const int c = now.looked.case_index, l = cut.layer;
  if (l < 0 || l >= static_cast<int>(data.choices.size())) return nullptr;
  if (data.choices[l].policy != cut.choice.policy) return nullptr;
  if (c < 0 || c >= static_cast<int>(data.cases.size())) return nullptr;
  if (l >= static_cast<int>(data.cases[c].layers.size())) return nullptr;
  return data.cases[c].layers[l].get();
}

std::string visible_text(const std::string& token) {
  std::string out;
  for (const char c : token) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += "\xC2\xB7";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace polykv
