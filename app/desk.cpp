#include "app/desk.h"

#include <algorithm>

#include "core/error.h"
#include "core/files.h"
#include "core/model/config.h"
#include "core/plan/kvpress.h"
#include "core/probe/head_list.h"

namespace polykv {
namespace {

constexpr int kStartBudget = 64;

PlanTarget target_of(const ModelInfo& model) {
  return {model.shape.layers, model.shape.kv_heads, model.fingerprint};
}

// Throws Error when kvpress cannot do the plan; nothing is written then.
void write_kvpress(const Snapshot& now, const Plan& plan, const std::string& path) {
  KvpressModel model;
  model.windows = read_config(now.model->folder).windows;
  for (int l = 0; now.heads && l < plan.layers(); ++l) {
    model.ranked_heads.push_back(now.heads->ranked(l));
  }
  const KvpressSnippet snippet = kvpress_snippet(plan, model);
  if (!snippet.refused.empty()) {
    throw Error(ErrorKind::failed, "kvpress cannot do " + refusal_text(snippet.refused[0]));
  }
  write_file_atomic(path, snippet.text);
}

}  // namespace

Plan starting_plan(const ModelShape& shape) {
  return uniform_plan("snapkv", kStartBudget, shape.layers, QueryVisibility::agnostic);
}

Desk::Desk(const WindowOptions& options, Ui& ui, std::vector<Command>& out)
    : ui_(ui), out_(out), plan_argument_(options.plan) {
  ui_.opening.request = 1;
  ui_.opening.folder = options.model.empty() ? embedded_model_folder() : options.model;
  out_.push_back(InspectModel{1, ui_.opening.folder, true, options.cases});
}

void Desk::say_error(const std::string& text) {
  ui_.message = text;
  ui_.message_is_error = true;
}

void Desk::take_plan(Plan plan) {
  const int layers = plan.layers();
  ui_.history = PlanHistory(std::move(plan));
  BandUi band;  // locks and a running drag belong to the old plan
  band.keep_total = ui_.band.keep_total;
  band.unit = ui_.band.unit;
  ui_.band = std::move(band);
  ui_.selected.layer = std::clamp(ui_.selected.layer, 0, std::max(0, layers - 1));
  out_.push_back(ScorePlan{ui_.history.current(), ++ui_.edit});
}

// The answer about a folder: the card comes up, or the path field says why not. At the start it
// comes up only when the folder was not opened.
void Desk::meet_card(const Snapshot& now) {
  if (now.card == card_) return;
  card_ = now.card;
  OpeningUi& opening = ui_.opening;
  if (card_->request != opening.request || opening.shown) return;
  if (opening.from_field) {
    opening.from_field = false;
    ui_.asking_error = card_->facts.unsupported;
    opening.shown = card_->facts.supported();
    ui_.asking_starts = !opening.shown;  // the field takes the keyboard again
  } else if (opening.request == 1) {
    opening.shown = !card_->facts.supported() || !preflight(card_->facts.config, card_->plan).fits;
  }
}

void Desk::meet(const Snapshot& now) {
  meet_card(now);
  if (now.model && now.model != model_) {
    const bool same_shape = model_ && now.model->shape.layers == model_->shape.layers &&
                            now.model->shape.kv_heads == model_->shape.kv_heads;
    model_ = now.model;
    const std::string argument = std::move(plan_argument_);
    plan_argument_.clear();
    ui_.selected = {};
    ui_.selected.layer = std::min(1, model_->shape.layers - 1);
    ui_.selected.head = model_->shape.query_heads / 2;
    ui_.heat.first = ui_.heat.count = 0;
    if (!argument.empty()) {
      take_plan(plan_from_argument(argument, target_of(*model_), QueryVisibility::agnostic));
    } else if (!same_shape) {
      take_plan(starting_plan(model_->shape));
    }
  }
  if (now.cases != cases_) {
    cases_ = now.cases;
    const int count = cases_ ? static_cast<int>(cases_->cases.size()) : 0;
    ui_.selected.case_index = std::clamp(ui_.selected.case_index, 0, std::max(0, count - 1));
    ui_.selected.asking = ui_.selected.remembered = -1;
    ui_.heat.first = ui_.heat.count = 0;
    looked_ = {-1, -1, -1};
  }
  // A fresh line of the log is newer than what the window said before.
  if (now.log.size() != log_seen_ && !ui_.message_is_error) ui_.message.clear();
  if (now.log.size() != log_seen_ && !now.log.empty() &&
      now.log.back().kind == LogLine::Kind::error)
    ui_.message.clear();
  log_seen_ = now.log.size();
}

void Desk::follow_selection(const Snapshot& now) {
  if (!now.model || !now.cases) return;
  const ModelShape& shape = now.model->shape;
  Selection& at = ui_.selected;
  at.layer = std::clamp(at.layer, 0, std::max(0, shape.layers - 1));
  at.head = std::clamp(at.head, 0, std::max(0, shape.query_heads - 1));
  if (at.case_index == looked_.case_index && at.layer == looked_.layer && at.head == looked_.head)
    return;
  looked_ = {at.case_index, at.layer, at.head};
  const bool posted = std::any_of(out_.begin(), out_.end(), [&](const Command& command) {
    const auto* look = std::get_if<LookAt>(&command);
    return look && look->case_index == looked_.case_index && look->layer == looked_.layer &&
           look->head == looked_.head;
  });
  const bool known = now.heat && now.looked.case_index == looked_.case_index &&
                     now.looked.layer == looked_.layer && now.looked.head == looked_.head;
  if (!posted && !known) out_.push_back(looked_);
}

void Desk::do_files(const Snapshot& now) {
  std::vector<FileRequest> requests;
  requests.swap(ui_.files);
  for (const FileRequest& request : requests) {
    try {
      if (request.kind == FileKind::open_cases) out_.push_back(OpenCases{request.path});
      if (!now.model) {
        if (request.kind != FileKind::open_cases)
          say_error("No model is open, so no plan can be opened or saved.");
        continue;
      }
      const PlanTarget target = target_of(*now.model);
      if (request.kind == FileKind::open_plan) {
        Plan plan = plan_from_argument(request.path, target, QueryVisibility::agnostic);
        ui_.history.apply(std::move(plan));  // one undo step, like any other edit
        out_.push_back(ScorePlan{ui_.history.current(), ++ui_.edit});
        ui_.message = "Opened " + request.path + ".";
        ui_.message_is_error = false;
      }
      if (request.kind == FileKind::save_plan) {
        write_plan(request.path, ui_.history.current(), target);
        ui_.message = "Saved " + request.path + ".";
        ui_.message_is_error = false;
      }
      if (request.kind == FileKind::export_kvpress) {
        write_kvpress(now, ui_.history.current(), request.path);
        ui_.message = "Exported " + request.path + ".";
        ui_.message_is_error = false;
      }
    } catch (const Error& error) {
      say_error(error.what());
    }
  }
}

void Desk::dropped(const Snapshot& now, const std::string& path) {
  const bool cases = path.ends_with(".jsonl");
  if (!cases && !path.ends_with(".json")) return ask_model(ui_, out_, path);
  ui_.files.push_back({cases ? FileKind::open_cases : FileKind::open_plan, path});
  do_files(now);
}

}  // namespace polykv
