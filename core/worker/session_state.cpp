#include "core/worker/session_state.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "core/error.h"
#include "core/memory.h"
#include "core/model/model.h"
#include "core/text.h"

namespace polykv {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string trimmed(std::string text) {
  const auto blank = [](char c) { return c == ' ' || c == '\n'; };
  while (!text.empty() && blank(text.back())) text.pop_back();
  std::size_t first = 0;
  while (first < text.size() && blank(text[first])) ++first;
  return text.substr(first);
}

std::shared_ptr<const ModelInfo> describe(const Model& model, const std::string& embedded) {
  auto info = std::make_shared<ModelInfo>();
  info->name = model.name();
  info->folder = model.folder();
  info->fingerprint = model.fingerprint();
  info->shape = model.shape();
  info->parameters = model.parameters();
  std::error_code ignored;
  info->embedded =
      !embedded.empty() && std::filesystem::equivalent(model.folder(), embedded, ignored);
  info->kv_bytes_per_token_layer = model.kv_bytes(1);
  return info;
}

CaseText case_text(const Case& source, const Tokenizer& tokenizer) {
  CaseText text;
  text.source = source;
  text.context = static_cast<int>(source.context.size());
  text.question = static_cast<int>(source.question.size());
  text.answer = static_cast<int>(source.answer.size());
  for (const std::vector<int>* part : {&source.context, &source.question, &source.answer}) {
    for (const int id : *part) text.tokens.push_back(tokenizer.display(id));
  }
  text.question_text = trimmed(tokenizer.decode(source.question));
  text.gold = trimmed(tokenizer.decode(source.answer));
  return text;
}

constexpr int kMostRuns = 60;
constexpr std::size_t kMostLogLines = 200;

}  // namespace

void Session::State::show() {
  ++now.serial;
  publish(now);
}

void Session::State::work(Work kind, double share, const std::string& what, double seconds_left) {
  now.work = {kind, share, what, seconds_left};
  show();
}

Progress Session::State::progress(Work kind) {
  const Clock::time_point start = Clock::now();
  return [this, kind, start](double share, const std::string& what) {
    const double left = share > 0.05 ? seconds_since(start) * (1 - share) / share : -1;
    work(kind, share, what, left);
  };
}

void Session::State::forget_scores() {
  now.scored = false;
  now.scored_edit = now.running_edit = 0;
  now.score = now.ceiling = {};
  now.controls.clear();
  now.runs.clear();
  now.results = nullptr;
  now.kept = nullptr;
  now.heat = nullptr;
  now.proxy = nullptr;
  now.answer.clear();
  now.full_answer.clear();
  now.looked = {};
}

std::int64_t Session::State::free_bytes() const {
  return options.free_bytes ? *options.free_bytes : free_memory_bytes();
}

void Session::State::check_cases_fit(const ModelConfig& config,
                                     const std::vector<Case>& cases) const {
  MemoryPlan plan;
  plan.tokens = 1;
  plan.cases = static_cast<int>(cases.size());
  for (const Case& c : cases) {
    const std::size_t tokens = c.context.size() + c.question.size() + c.answer.size();
    plan.tokens = std::max(plan.tokens, static_cast<int>(tokens));
  }
  const MemoryNeed need = memory_need(config, plan);
  const std::int64_t bytes = need.total - need.weights, free = free_bytes();
  if (free <= 0 || bytes <= free) return;
  throw Error(ErrorKind::failed, "Needs " + bytes_text(bytes) + ", " + bytes_text(free) +
                                     " are free. Kept the last cases; try fewer or shorter ones.");
}

void Session::State::look_at_recent() {
  now.recent = std::make_shared<std::vector<RecentFolder>>(read_recent(options.state_folder));
}

void Session::State::remember_folder() {
  if (now.model->embedded) return;
  std::error_code ignored;
  const auto whole = std::filesystem::absolute(now.model->folder, ignored);
  try {
    add_recent(options.state_folder, ignored ? now.model->folder : whole.string());
  } catch (const Error& error) {
    add_log(error.what(), LogLine::Kind::info);
  }
  look_at_recent();
}

void Session::State::load_cases(std::shared_ptr<const Model> with, std::vector<Case> cases,
                                const std::string& name, const CancelFlag* cancel) {
  const Clock::time_point start = Clock::now();
  check_cases_fit(with->config(), cases);
  auto fresh = std::make_unique<LiveScorer>(with);
  fresh->set_cases(std::move(cases), progress(Work::prefill), cancel);
  auto info = std::make_shared<CaseSetInfo>();
  info->name = name;
  for (const Case& c : fresh->cases()) {
    info->cases.push_back(case_text(c, with->tokenizer()));
  }
  const bool new_model = with != model;
  model = std::move(with);
  scorer = std::move(fresh);
  forget_scores();
  if (new_model) {
    now.model = describe(*model, options.embedded_folder);
    now.check.clear();
    check_done = false;
    now.heads = model->heads();
    now.heads_fault = model->heads_fault();
  }
  now.mask = nullptr;
  now.signal = nullptr;
  now.calibration = nullptr;
  now.search = nullptr;
  now.audit = nullptr;
  cases_chose_heads = false;
  now.cases = std::move(info);
  now.ceiling = scorer->full_row();
  refresh_look();
  add_log(name + ": prefilled in " + fixed(seconds_since(start), 1) + " s.", LogLine::Kind::info);
}

void Session::State::open_case_file(std::shared_ptr<const Model> with, const std::string& path,
                                    const CancelFlag* cancel) {
  std::vector<Case> cases = read_cases(path, with->tokenizer());
  const std::string name = std::filesystem::path(path).filename().string() + ", " +
                           std::to_string(cases.size()) + " cases";
  load_cases(std::move(with), std::move(cases), name, cancel);
}

bool Session::State::load_case_file(std::shared_ptr<const Model> with, const std::string& path,
                                    const CancelFlag* cancel) {
  if (path.empty()) return false;
  try {
    open_case_file(std::move(with), path, cancel);
    return true;
  } catch (const Error& error) {
    add_log(error.what(), LogLine::Kind::error);
    return false;
  }
}

void Session::State::make_cases(std::shared_ptr<const Model> with, const MakeCases& command,
                                const CancelFlag* cancel) {
  NeedleSettings like = command.like;
  const int room = with->shape().max_tokens - kQuestionRoom;
  const bool tight = like.context_tokens > room;
  like.context_tokens = std::min(like.context_tokens, room);
  std::vector<Case> cases;
  while (cases.empty()) {
    try {
      cases = make_needle_cases(command.count, like, with->tokenizer());
    } catch (const Error&) {
      // A tokenizer of a small model may need so many tokens that not all facts have room.
      if (!tight || --like.keys < 1) throw;
    }
  }
  const std::string name = std::to_string(command.count) +
                           (command.count == 1 ? " needle case, " : " needle cases, ") +
                           count_text(like.context_tokens) + " tokens, " +
                           std::to_string(like.keys) + (like.keys == 1 ? " key" : " keys");
  load_cases(std::move(with), std::move(cases), name, cancel);
}

void Session::State::load_model(const OpenModel& command, const CancelFlag* cancel) {
  const std::string name = std::filesystem::path(command.folder).filename().string();
  const Progress report = progress(Work::loading);
  const Progress named = [&](double share, const std::string& what) {
    report(share, "Opening " + name + ": " + what);
  };
  work(Work::loading, 0, "Opening " + name);
  const auto with = Model::open(command.folder, named, cancel, options.dtype, options.free_bytes);
  if (!load_case_file(with, command.cases, cancel)) make_cases(with, command.make, cancel);
  add_log("Opened " + with->name() + ": " + std::to_string(with->shape().layers) + " layers, " +
              fixed(double(with->parameters()) / 1e6, 2) + " M parameters.",
          LogLine::Kind::info);
  remember_folder();
}

void Session::State::need_cases(const char* what) const {
  if (!scorer) fail_input(what, "", "cannot be measured before there are cases");
}

void Session::State::use_heads(HeadList list) {
  model = model->with_heads(std::move(list));
  scorer->use_heads(model);
  now.heads = model->heads();
  now.heads_fault.clear();
  now.mask = nullptr;
  now.calibration = nullptr;  // with the old heads
  now.scored = false;
  now.scored_edit = 0;
  now.controls.clear();
  now.runs.clear();
  now.results = nullptr;
  now.kept = nullptr;
  now.proxy = nullptr;
  owed_score = has_plan;  // done when there is time, should something break it off now
  cases_chose_heads = true;
}

void Session::State::rescore_wanted(const CancelFlag* cancel) {
  if (has_plan && wanted_plan.layers() == model->shape().layers) {
    run_score(wanted_plan, wanted_edit, Clock::now(), cancel);
  }
}

void Session::State::run_score(const Plan& plan, std::uint64_t edit, Clock::time_point posted,
                               const CancelFlag* cancel) {
  now.running_edit = edit;
  work(Work::scoring, 0, "scoring " + plan.name);
  if (controls_done && now.scored) remember_run();
  const ScoreRow row = scorer->score(plan, cancel);
  now.score = row;
  now.plan = plan;
  now.scored = true;
  now.scored_edit = edit;
  now.running_edit = 0;
  now.ceiling = scorer->full_row();
  now.results = std::make_shared<std::vector<CaseResult>>(scorer->results());
  now.controls.clear();
  controls_done = owed_score = false;
  now.proxy = scorer->proxy_data(plan);
  refresh_look();
  now.score.rescore_ms = seconds_since(posted) * 1e3;
  now.work = {};
  show();
}

void Session::State::remember_run() {
  std::erase_if(now.runs, [&](const ScoreRow& run) { return run.plan == now.score.plan; });
  now.runs.push_back(now.score);
  if (static_cast<int>(now.runs.size()) > kMostRuns) now.runs.erase(now.runs.begin());
  controls_done = false;
}

void Session::State::refresh_look() {
  if (!scorer || scorer->cases().empty()) return;
  LookAt& at = now.looked;
  at.case_index = std::clamp(at.case_index, 0, static_cast<int>(scorer->cases().size()) - 1);
  at.layer = std::clamp(at.layer, 0, model->shape().layers - 1);
  at.head = std::clamp(at.head, 0, model->shape().query_heads - 1);
  if (!now.heat || now.heat->case_index != at.case_index || now.heat->layer != at.layer ||
      now.heat->head != at.head) {
    now.heat = std::make_shared<HeatTile>(scorer->heat(at.case_index, at.layer, at.head));
  }
  if (!now.scored || !now.results) return;
  now.kept = std::make_shared<std::vector<KeptLayer>>(scorer->kept(at.case_index));
  const CaseResult& result = (*now.results)[at.case_index];
  now.full_answer = answer_text(result.full_answer);
  // A right answer is what teacher forcing says; a wrong one is decoded when there is time.
  answer_is_exact = result.correct;
  now.answer = answer_text(up_to_first_miss(result, scorer->cases()[at.case_index]));
}

std::vector<int> Session::State::up_to_first_miss(const CaseResult& result, const Case& c) {
  std::vector<int> ids;
  for (std::size_t i = 0; i < result.answer.size(); ++i) {
    ids.push_back(result.answer[i]);
    if (result.answer[i] != c.answer[i]) break;
  }
  return ids;
}

std::string Session::State::answer_text(const std::vector<int>& ids) const {
  return trimmed(model->tokenizer().decode(ids));
}

void Session::State::add_log(const std::string& text, LogLine::Kind kind) {
  now.log.push_back({kind, text});
  if (now.log.size() > kMostLogLines) now.log.erase(now.log.begin());
}

}  // namespace polykv
