#include "app/dump.h"

#include <cmath>

#include "app/commands/table.h"
#include "views/opening_model.h"
#include "views/tune_model.h"

namespace polykv {
namespace {

Json plan_as_json(const Snapshot& now, const Plan& plan) {
  if (plan.layers() == 0) return nullptr;
  PlanTarget target;
  target.layers = plan.layers();
  if (now.model) {
    target.kv_heads = now.model->shape.kv_heads;
    target.fingerprint = now.model->fingerprint;
  }
  return parse_json(plan_json(plan, target), "plan");
}

Json card_json(const Snapshot& now, const Ui& ui) {
  if (!ui.opening.shown) return nullptr;
  const OpeningCardModel card = condense_opening(now, ui.opening);
  Json lines = Json::object();
  for (const CardLine& line : card.lines) lines[line.label] = line.value;
  return {{"folder", card.folder},
          {"headline", card.headline},
          {"reason", card.reason},
          {"window", card.window},
          {"lines", lines}};
}

Json calibration_state(const CalibrationView& view) {
  if (!view.missing.empty()) return {{"missing", view.missing}};
  Json best = Json::array(), signal = Json::array(), policies = Json::array();
  for (const TuneColumn& column : view.columns) policies.push_back(column.policy);
  for (const auto& row : view.rows)
    for (std::size_t c = 0; c < row.size(); ++c)
      if (row[c].best)
        best.push_back({{"policy", view.columns[c].policy}, {"value", row[c].value.mean}});
  for (const SignalPoint& point : view.signal) signal.push_back(point.value.mean);
  return {{"measure", view.measure->id},
          {"stamp", view.stamp},
          {"warning", view.warning},
          {"policies", policies},
          {"best", best},
          {"signal_name", view.signal_name},
          {"signal", signal}};
}

Json suggestions_state(const SuggestView& view) {
  Json layers = Json::array();
  for (const Suggestion& one : view.layers)
    layers.push_back({{"layer", one.layer},
                      {"policy", one.policy},
                      {"sentence", one.sentence},
                      {"agrees", one.agrees},
                      {"locked", one.locked}});
  return {{"missing", view.missing}, {"note", view.note}, {"layers", layers}};
}

Json marks_state(const std::vector<AxisMark>& marks) {
  Json all = Json::object();
  for (const AxisMark& mark : marks) all[mark.name] = mark.value;
  return all;
}

Json search_state(const SearchView& view) {
  Json steps = Json::array(), report = Json::array();
  for (const SearchStepLine& step : view.steps)
    steps.push_back({{"plan", step.evaluation}, {"edit", step.edit}, {"value", step.cost}});
  for (const ReportLine& line : view.report)
    report.push_back(
        {{"name", line.name}, {"recall", line.recall}, {"nll", line.nll}, {"gap", line.gap}});
  return {{"missing", view.missing},
          {"running", view.running},
          {"headline", view.headline},
          {"note", view.note},
          {"steps", steps},
          {"controls", marks_state(view.marks)},
          {"report", report},
          {"can_apply", view.can_apply}};
}

Json audit_state(const AuditView& view) {
  return {{"missing", view.missing},
          {"running", view.running},
          {"rank", view.headline},
          {"words", view.words},
          {"stamp", view.stamp},
          {"bins", view.bins},
          {"marks", marks_state(view.marks)}};
}

// What the tune panel shows, whichever of its parts is in front.
Json tune_state(const Ui& ui) {
  if (!ui.tune_model) return nullptr;
  const char* parts[] = {"calibration", "suggestions", "search", "audit"};
  const TuneModel& model = *ui.tune_model;
  return {{"part", parts[static_cast<int>(ui.tune.part)]},
          {"calibration", calibration_state(model.calibration)},
          {"suggestions", suggestions_state(model.suggestions)},
          {"search", search_state(model.search)},
          {"audit", audit_state(model.audit)}};
}

// Everything but the frame counters and times.
Json content(const Snapshot& now, const Ui& ui) {
  Json places = Json::object(), log = Json::array(), checks = Json::array();
  Json recent = Json::array();
  if (now.recent)
    for (const RecentFolder& one : *now.recent) recent.push_back(one.folder);
  for (const auto& [name, r] : ui.places) places[name] = {r.x, r.y, r.w, r.h};
  for (const LogLine& line : now.log)
    log.push_back((line.kind == LogLine::Kind::error ? "error: " : "") + line.text);
  for (const CheckLight& light : now.check) checks.push_back({{"id", light.id}, {"ok", light.ok}});
  Json proxy = nullptr;
  if (ui.proxy.available)
    proxy = {{"kept_mass", ui.proxy.kept_mass}, {"by_layer", ui.proxy.by_layer}};
  return {{"serial", now.serial},
          {"pill", to_string(ui.pill)},
          {"edit", ui.edit},
          {"scored_edit", now.scored_edit},
          {"running_edit", now.running_edit},
          {"scored", now.scored},
          {"model", now.model ? Json(now.model->name) : Json(nullptr)},
          {"cases", now.cases ? Json(now.cases->name) : Json(nullptr)},
          {"phase", to_string(ui.band.phase)},
          {"plan", plan_as_json(now, ui.history.current())},
          {"score", now.scored ? score_json(now.score) : Json(nullptr)},
          {"ceiling", now.cases ? score_json(now.ceiling) : Json(nullptr)},
          {"controls", now.controls.size()},
          {"proxy", proxy},
          {"selected",
           {{"case", ui.selected.case_index},
            {"layer", ui.selected.layer},
            {"head", ui.selected.head},
            {"asking", ui.selected.asking},
            {"remembered", ui.selected.remembered}}},
          {"answer", now.answer},
          {"full_answer", now.full_answer},
          {"check", checks},
          {"card", card_json(now, ui)},
          {"path_error", ui.asking_error},
          {"recent", recent},
          {"work", now.work.what},
          {"tune", tune_state(ui)},
          {"message", ui.message},
          {"places", places},
          {"log", log}};
}

}  // namespace

Json dump_json(const Snapshot& now, const Ui& ui, const FrameTimes& times) {
  Json all = content(now, ui);
  all["frame"] = times.frame;
  all["size"] = {times.width, times.height};
  all["frame_ms"] = times.frame_ms;
  all["max_frame_ms"] = times.max_frame_ms;
  return all;
}

void DumpFile::update(const Snapshot& now, const Ui& ui, const FrameTimes& times) {
  if (!on()) return;
  const std::string now_text =
      content(now, ui).dump(-1, ' ', false, Json::error_handler_t::replace);
  if (now_text == last_) return;
  last_ = now_text;
  write_file_atomic(
      path_, dump_json(now, ui, times).dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace polykv
