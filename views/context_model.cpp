#include "views/context_model.h"

#include <cmath>

#include "core/policies/policy.h"
#include "views/layers_model.h"
#include "views/widgets.h"

namespace polykv {
namespace {

std::string budget_words(int total, int layers, int full) {
  std::string words;
  if (layers > 0) {
    const double mean = static_cast<double>(total) / layers;
    const bool whole = total % layers == 0;
    words = format_count(layers) + " \u00d7 " +
            (whole ? format_count(total / layers) : format_number(mean, 1));
  }
  if (full > 0) words += (words.empty() ? "" : " + ") + format_count(full) + " full";
  return words;
}

void fill_equation(ContextModel& context, const Snapshot& now, const Plan& plan, Phase phase) {
  int budgeted = 0, full = 0;
  for (const LayerChoice& choice : plan.of(phase)) (choice.budget ? budgeted : full)++;
  const int cap = phase_tokens(now, plan, phase);
  context.total = plan.total(phase);
  context.has_total = budgeted > 0;
  const double tokens = context.total + static_cast<double>(full) * cap;
  const double all = static_cast<double>(plan.layers()) * cap;
  std::string amounts;
  if (all > 0) amounts += " = " + format_percent(tokens / all);
  if (now.model && cap > 0)
    amounts +=
        " = " + format_kib(tokens * static_cast<double>(now.model->kv_bytes_per_token_layer));
  context.equation = "tokens = " + budget_words(context.total, budgeted, full) + amounts;
  context.short_equation = "tokens" + amounts;
}

void fill_policy(ContextModel& context, const Plan& plan, Phase phase) {
  for (const LayerChoice& choice : plan.of(phase)) {
    if (context.policy.empty()) context.policy = choice.policy;
    if (context.policy != choice.policy) context.policy = "mixed";
  }
  const Policy* policy = find_policy(context.policy);
  if (policy) context.code = policy->code;
}

std::string rescore_words(double ms) {
  if (!std::isfinite(ms) || ms <= 0) return "";
  if (ms >= 10000) return format_number(ms / 1000, 1) + " s";
  return ms < 10 ? format_number(ms, 1) + " ms" : format_count(std::lround(ms)) + " ms";
}

}  // namespace

std::string work_words(const WorkState& work) {
  std::string words = work.what;
  if (work.kind == Work::scoring || words.empty())
    words = work.share > 0 ? format_count(std::lround(work.share * 100)) + "%" : "";
  if (work.seconds_left >= 1)
    words += ", " + format_count(std::lround(work.seconds_left)) + " s left";
  return words;
}

namespace {

void fill_pill(ContextModel& context, const Snapshot& now, const Ui& ui) {
  switch (ui.pill) {
    case Pill::preview:
      context.pill_word = "PREVIEW";
      if (ui.band.phase == Phase::decode) {
        context.pill_detail = "no preview while decoding";
      } else if (ui.proxy.available) {
        context.pill_detail = "kept mass " + format_number(ui.proxy.kept_mass, 2);
        if (cuts_while_decoding(ui.history.current())) context.pill_detail += ", prefill cut";
      }
      break;
    case Pill::queued:
      context.pill_word = "QUEUED";
      break;
    case Pill::running:
      context.pill_word = "RUNNING";
      context.pill_detail = work_words(now.work);
      break;
    case Pill::exact:
      context.pill_word = "EXACT";
      context.pill_detail = rescore_words(now.score.rescore_ms);
      break;
    case Pill::stale:
      context.pill_word = "STALE";
      context.pill_detail = work_words(now.work);
      break;
    case Pill::none:
      break;
  }
}

void fill_check(ContextModel& context, const Snapshot& now) {
  int failed = 0;
  for (const CheckLight& light : now.check) {
    failed += light.ok ? 0 : 1;
    context.check_lines.push_back((light.ok ? "ok: " : "FAILS: ") + light.what +
                                  (light.measured.empty() ? "" : " (" + light.measured + ")"));
  }
  std::string state = "not run";
  if (now.work.kind == Work::checking) {
    context.check = CheckState::running;
    state = "running";
  } else if (!now.check.empty()) {
    context.check = failed > 0 ? CheckState::failed : CheckState::ok;
    state = failed > 0 ? format_count(failed) + " fail" : "OK";
  }
  context.check_word = "Engine check " + state;
  context.check_short = "Engine " + state;
  std::string title = context.check_word;
  if (now.model)
    title += now.check.empty() ? " \u00b7 click to run it" : " \u00b7 click to run it again";
  context.check_lines.insert(context.check_lines.begin(), title);
}

}  // namespace

ContextModel condense_context(const Snapshot& now, const Ui& ui) {
  ContextModel context;
  context.model = now.model ? now.model->name : "no model";
  context.embedded = now.model && now.model->embedded;
  const Plan& plan = ui.history.current();
  if (plan.layers() > 0) {
    context.phase = ui.band.phase;
    fill_policy(context, plan, context.phase);
    fill_equation(context, now, plan, context.phase);
  }
  fill_pill(context, now, ui);
  fill_check(context, now);
  return context;
}

std::vector<int> unlocked_layers(const Plan& plan, const EditRules& rules) {
  std::vector<int> layers;
  for (int layer = 0; layer < plan.layers(); ++layer) {
    const bool locked = layer < static_cast<int>(rules.locked.size()) &&
                        rules.locked[static_cast<std::size_t>(layer)];
    if (!locked) layers.push_back(layer);
  }
  return layers;
}

}  // namespace polykv
