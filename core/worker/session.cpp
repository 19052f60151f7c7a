#include "core/worker/session.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "core/error.h"
#include "core/memory.h"
#include "core/model/model.h"
#include "core/plan/control.h"
#include "core/policies/policy.h"
#include "core/probe/heads.h"
#include "core/signals/layer_signals.h"
#include "core/text.h"
#include "core/worker/session_state.h"

namespace polykv {

Session::Session(SessionOptions options, std::function<void(const Snapshot&)> publish)
    : state_(std::make_unique<State>()) {
  state_->options = std::move(options);
  state_->publish = std::move(publish);
  state_->look_at_recent();
}

Session::~Session() = default;

void Session::inspect_model(const InspectModel& command, const CancelFlag* cancel) {
  State& s = *state_;
  auto card = std::make_shared<OpeningCard>();
  card->request = command.request;
  card->facts = read_facts(without_tilde(command.folder));
  card->plan.free_bytes = s.free_bytes();
  card->plan.dtype = s.options.dtype.value_or(card->facts.default_dtype);
  const bool supported = card->facts.supported();
  std::string refusal = card->facts.unsupported;
  if (supported) {
    const std::vector<int> lengths = card_lengths(card->facts.config);
    card->plan.tokens = *std::find_if(lengths.rbegin(), lengths.rend() - 1,
                                      [&](int length) { return length <= card->plan.tokens; });
    refusal = preflight(card->facts.config, card->plan).reason;
  }
  const std::string folder = card->facts.folder;
  s.now.card = std::move(card);
  s.show();
  if (!command.open_when_fits) return;
  if (!refusal.empty()) throw Error(supported ? ErrorKind::failed : ErrorKind::input, refusal);
  open_model({folder, command.cases, {}}, cancel);
}

void Session::list_folders(const ListFolders& command) {
  State& s = *state_;
  auto list = std::make_shared<FolderList>();
  list->typed = command.typed;
  list->folders = complete_folder(command.typed, 200);
  s.now.folders = std::move(list);
  s.look_at_recent();
  s.show();
}

void Session::open_model(const OpenModel& command, const CancelFlag* cancel) {
  State& s = *state_;
  s.owed_score = s.scorer && s.has_plan && s.now.scored_edit != s.wanted_edit;
  const std::string kept = s.model ? " Kept " + s.model->name() + "." : "";
  try {
    s.load_model(command, cancel);
  } catch (const Error& error) {
    throw Error(error.kind(), error.what() + kept);
  } catch (const Cancelled&) {
    s.add_log("Cancelled opening " + command.folder + "." + kept, LogLine::Kind::info);
    throw;
  }
  s.owed_score = false;
  s.rescore_wanted(cancel);
}

void Session::open_cases(const OpenCases& command, const CancelFlag* cancel) {
  State& s = *state_;
  if (!s.model) fail_input(command.path, "", "cannot be opened before a model is open");
  s.open_case_file(s.model, command.path, cancel);
  s.rescore_wanted(cancel);
}

void Session::make_cases(const MakeCases& command, const CancelFlag* cancel) {
  State& s = *state_;
  if (!s.model) fail_input("cases", "", "cannot be made before a model is open");
  s.make_cases(s.model, command, cancel);
  s.rescore_wanted(cancel);
}

void Session::score(const ScorePlan& command, const CancelFlag* cancel) {
  State& s = *state_;
  s.has_plan = true;
  s.wanted_plan = command.plan;
  s.wanted_edit = command.edit;
  if (!s.scorer) return;  // scored as soon as there are cases
  // Made for the model before: whoever made it sees the new model next and makes another.
  if (command.plan.layers() != s.model->shape().layers) return;
  s.run_score(command.plan, command.edit, command.posted, cancel);
}

void Session::look_at(const LookAt& command) {
  State& s = *state_;
  s.now.looked = command;
  s.refresh_look();
  s.show();
}

void Session::run_check(const CancelFlag* cancel) {
  State& s = *state_;
  if (!s.model) fail_input("check", "", "cannot run before a model is open");
  s.work(Work::checking, 0, "engine check");
  s.now.check = self_check(s.model, cancel);
  s.check_done = true;
  s.show();
}

bool Session::has_idle_work() const {
  const State& s = *state_;
  if (s.owed_score) return true;
  return s.scorer && s.now.scored && (!s.answer_is_exact || !s.controls_done || !s.check_done);
}

void Session::do_idle_work(const CancelFlag* cancel) {
  State& s = *state_;
  if (s.owed_score) {
    s.rescore_wanted(cancel);
    s.owed_score = false;
    return;
  }
  if (!s.answer_is_exact) {
    s.now.answer = s.answer_text(s.scorer->greedy_answer(s.now.looked.case_index));
    s.answer_is_exact = true;
    s.show();
    return;
  }
  if (!s.controls_done) {
    std::vector<ScoreRow> controls;
    controls.push_back(s.scorer->score_aside(control_plan(s.now.plan, "random", "random"), cancel));
    controls.push_back(
        s.scorer->score_aside(control_plan(s.now.plan, "streaming_llm", "sink+recent"), cancel));
    s.now.controls = std::move(controls);
    s.controls_done = true;
    s.show();
    return;
  }
  s.now.check = self_check(s.model, cancel);
  s.check_done = true;
  s.show();
}

void Session::skip_idle_work() {
  state_->owed_score = false;
  state_->answer_is_exact = state_->controls_done = state_->check_done = true;
}

void Session::log(const std::string& text, LogLine::Kind kind) { state_->add_log(text, kind); }

void Session::publish_idle() {
  state_->now.work = {};
  state_->now.running_edit = 0;
  state_->show();
}

}  // namespace polykv
