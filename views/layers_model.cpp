#include "views/layers_model.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "core/policies/policy.h"
#include "kernels/select.h"
#include "views/widgets.h"

namespace polykv {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

double bytes_per_token(const Snapshot& now) {
  return now.model ? static_cast<double>(now.model->kv_bytes_per_token_layer) : 0.0;
}

// Protected tokens of a budget after the keep rule fitted them.
int protected_count(const Policy& policy, const LayerChoice& choice, int budget, int tokens) {
  const Protected fixed = policy.protect(choice.params, budget, tokens);
  const SelectShape fitted = fit_protected(
      {.rows = 1, .tokens = tokens, .budget = budget, .sink = fixed.sink, .recent = fixed.recent});
  return fitted.sink + fitted.recent;
}

void fill_floor(BandLayer& layer, const LayerChoice& choice, int cap) {
  const Policy* policy = find_policy(choice.policy);
  if (!policy) return;
  layer.code = policy->code;
  if (!choice.budget || !policy->protect) return;
  const int tokens = cap > 0 ? cap : std::max(1, *choice.budget);
  layer.protected_tokens = protected_count(*policy, choice, *choice.budget, tokens);
  // What is protected however small the budget is.
  const Protected least = policy->protect(choice.params, 1, tokens);
  layer.floor = std::clamp(least.sink + least.recent, 1, tokens);
  if (layer.floor == 1) return;
  layer.floor_reason = choice.policy + " always keeps ";
  if (least.sink > 0) layer.floor_reason += "its first " + format_count(least.sink);
  if (least.sink > 0 && least.recent > 0) layer.floor_reason += " and ";
  if (least.recent > 0) layer.floor_reason += "its last " + format_count(least.recent);
  layer.floor_reason += " tokens";
}

std::string plan_stamp(const Ui& ui, const Plan& plan) {
  if (ui.history.dragging()) return "edit of " + ui.band.before_drag.name;
  const std::string print = plan_fingerprint(plan);
  // Plans made by hand carry the first digits in their name.
  if (plan.name.ends_with(" " + print.substr(0, 4))) return plan.name;
  return plan.name + " \u00b7 plan " + print.substr(0, 8);
}

}  // namespace

int cut_tokens(const Snapshot& now, const Plan& plan) {
  int longest = 0;
  if (now.cases)
    for (const CaseText& text : now.cases->cases)
      longest = std::max(longest,
                         text.context + (plan.query == QueryVisibility::aware ? text.question : 0));
  if (longest == 0 && now.model) longest = now.model->shape.max_tokens;
  return longest;
}

int phase_tokens(const Snapshot& now, const Plan& plan, Phase phase) {
  int longest = 0;
  if (phase == Phase::decode && now.cases)
    for (const CaseText& text : now.cases->cases)
      longest = std::max(longest, text.context + text.question + text.answer);
  return longest > 0 ? longest : cut_tokens(now, plan);
}

EditRules band_rules(const Snapshot& now, const Ui& ui) {
  EditRules rules;
  rules.phase = ui.band.phase;
  rules.keep_total = ui.band.keep_total;
  rules.locked = ui.band.locked;
  rules.cap = phase_tokens(now, ui.history.current(), rules.phase);
  return rules;
}

int scale_top_for(int largest, int cap) {
  long long top = 32;
  while (static_cast<double>(top) < 1.08 * largest) top *= 2;
  if (cap > 0) top = std::min<long long>(top, std::max(cap, largest));
  return static_cast<int>(std::min<long long>(top, std::numeric_limits<int>::max()));
}

BandModel condense_band(const Snapshot& now, const Ui& ui) {
  BandModel band;
  const Plan& plan = ui.history.current();
  const auto& choices = plan.of(ui.band.phase);
  band.cap = phase_tokens(now, plan, ui.band.phase);
  band.dragging = ui.band.dragging_layer >= 0 && ui.band.drag_moved;
  band.total = plan.total(ui.band.phase);
  band.editable = plan.layers() > 0;
  if (plan.layers() > 0) band.stamp = plan_stamp(ui, plan);
  if (ui.band.phase == Phase::decode)
    band.note = cuts_while_decoding(plan)
                    ? "caps while generating: " + format_count(band.total) + " tokens in all"
                    : "every generated token is kept: choose a policy to evict while generating";

  const bool exact =
      ui.pill == Pill::exact && now.scored && now.score.kept_mass_by_layer.size() == choices.size();
  const bool proxy = ui.proxy.available && ui.proxy.by_layer.size() == choices.size();
  int largest = 0;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    const LayerChoice& choice = choices[i];
    BandLayer layer;
    layer.policy = choice.policy;
    layer.full = !choice.budget;
    layer.locked = i < ui.band.locked.size() && ui.band.locked[i];
    layer.selected = static_cast<int>(i) == ui.selected.layer;
    layer.budget = choice.budget.value_or(band.cap);
    fill_floor(layer, choice, band.cap);
    layer.share =
        band.cap > 0 ? std::min(1.0, static_cast<double>(layer.budget) / band.cap) : kUnknown;
    layer.bytes = layer.budget * bytes_per_token(now);
    const bool grows = layer.full && ui.band.phase == Phase::decode;
    if (grows) layer.bytes = kUnknown;  // with the answer
    layer.kept_mass = kUnknown;
    if (ui.band.phase == Phase::prefill) {
      layer.kept_mass_is_exact = exact;
      if (exact) {
        layer.kept_mass = now.score.kept_mass_by_layer[i];
      } else if (proxy) {
        layer.kept_mass = ui.proxy.by_layer[i];
      }
    }
    const auto& before = ui.band.before_drag.of(ui.band.phase);
    if (band.dragging && i < before.size() && before[i].budget && *before[i].budget != layer.budget)
      layer.old_budget = *before[i].budget;
    if (!layer.full) largest = std::max(largest, layer.budget);
    band.layers.push_back(std::move(layer));
  }
  if (largest == 0) largest = band.cap;  // all full
  band.scale_top = ui.band.scale_top > 0 ? ui.band.scale_top : scale_top_for(largest, band.cap);
  return band;
}

std::optional<int> parse_budget(const std::string& text, int unit, int cap,
                                double bytes_per_token) {
  std::string digits;
  for (char c : text)
    if (c != ',' && !std::isspace(static_cast<unsigned char>(c))) digits += c;
  char* end = nullptr;
  const double number = std::strtod(digits.c_str(), &end);
  if (end == digits.c_str() || !std::isfinite(number)) return std::nullopt;
  std::string suffix = end;
  for (char& c : suffix) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (suffix == "%")
    unit = 1;
  else if (suffix == "k" || suffix == "kib")
    unit = 2;
  else if (suffix == "t" || suffix == "tok" || suffix == "tokens")
    unit = 0;
  else if (!suffix.empty())
    return std::nullopt;
  double tokens = number;
  if (unit == 1) tokens = number / 100 * cap;
  if (unit == 2) tokens = bytes_per_token > 0 ? number * 1024 / bytes_per_token : 0;
  tokens = std::round(tokens);
  if (tokens < 1 || tokens > std::numeric_limits<int>::max()) return std::nullopt;
  return static_cast<int>(tokens);
}

std::vector<std::string> value_lines(const BandLayer& layer, int unit) {
  if (layer.full && !std::isfinite(layer.bytes)) return {"full", "", ""};  // the decode phase
  const std::string tokens = layer.full ? "full" : format_count(layer.budget);
  const std::string share = layer.full ? "100%" : format_number(layer.share * 100, 1) + "%";
  const std::string kib = format_kib(layer.bytes);
  const std::string small = layer.full ? "full" : tokens + " tok";
  if (unit == 1) return {share, small, kib};
  if (unit == 2) return {kib, small, share};
  return {tokens, share, kib};
}

}  // namespace polykv
