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

constexpr int kMaskDraws = 20;  // random masks beside the chosen one
constexpr std::uint64_t kMaskSeed = 1;
constexpr int kMostRuns = 60;
constexpr std::size_t kMostLogLines = 200;

}  // namespace

struct Session::State {
  SessionOptions options;
  std::function<void(const Snapshot&)> publish;
  std::shared_ptr<const Model> model;
  std::unique_ptr<LiveScorer> scorer;
  Snapshot now;
  bool has_plan = false;  // now.plan was asked for; scored again when the cases change
  std::uint64_t wanted_edit = 0;
  Plan wanted_plan;
  bool owed_score = false;  // broken off by an OpenModel that came to nothing
  bool answer_is_exact = false, controls_done = false, check_done = false;
  bool cases_chose_heads = false;  // the head list was found on the current cases

  void show() {
    ++now.serial;
    publish(now);
  }

  void work(Work kind, double share, const std::string& what, double seconds_left = -1) {
    now.work = {kind, share, what, seconds_left};
    show();
  }

  Progress progress(Work kind) {
    const Clock::time_point start = Clock::now();
    return [this, kind, start](double share, const std::string& what) {
      const double left = share > 0.05 ? seconds_since(start) * (1 - share) / share : -1;
      work(kind, share, what, left);
    };
  }

  void forget_scores() {
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

  std::int64_t free_bytes() const {
    return options.free_bytes ? *options.free_bytes : free_memory_bytes();
  }

  // Throws Error(failed) before anything runs; the weights are there already.
  void check_cases_fit(const ModelConfig& config, const std::vector<Case>& cases) const {
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
    throw Error(ErrorKind::failed,
                "Needs " + bytes_text(bytes) + ", " + bytes_text(free) +
                    " are free. Kept the last cases; try fewer or shorter ones.");
  }

  void look_at_recent() {
    now.recent = std::make_shared<std::vector<RecentFolder>>(read_recent(options.state_folder));
  }

  void remember_folder() {
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

  // Prefills into a scorer of its own, so that model and cases change together or not at all.
  void load_cases(std::shared_ptr<const Model> with, std::vector<Case> cases,
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
    cases_chose_heads = false;
    now.cases = std::move(info);
    now.ceiling = scorer->full_row();
    refresh_look();
    add_log(name + ": prefilled in " + fixed(seconds_since(start), 1) + " s.", LogLine::Kind::info);
  }

  void open_case_file(std::shared_ptr<const Model> with, const std::string& path,
                      const CancelFlag* cancel) {
    std::vector<Case> cases = read_cases(path, with->tokenizer());
    const std::string name = std::filesystem::path(path).filename().string() + ", " +
                             std::to_string(cases.size()) + " cases";
    load_cases(std::move(with), std::move(cases), name, cancel);
  }

  // False when there is no file, or one that cannot be used, which the log then says.
  bool load_case_file(std::shared_ptr<const Model> with, const std::string& path,
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

  void make_cases(std::shared_ptr<const Model> with, const MakeCases& command,
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

  // Model and cases change together or not at all.
  void load_model(const OpenModel& command, const CancelFlag* cancel) {
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

  void need_cases(const char* what) const {
    if (!scorer) fail_input(what, "", "cannot be measured before there are cases");
  }

  // The scores that the old list gave are gone, and with them everything shown of them.
  void use_heads(HeadList list) {
    model = model->with_heads(std::move(list));
    scorer->use_heads(model);
    now.heads = model->heads();
    now.heads_fault.clear();
    now.mask = nullptr;
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

  void rescore_wanted(const CancelFlag* cancel) {
    if (has_plan && wanted_plan.layers() == model->shape().layers) {
      run_score(wanted_plan, wanted_edit, Clock::now(), cancel);
    }
  }

  void run_score(const Plan& plan, std::uint64_t edit, Clock::time_point posted,
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

  // A plan that stood long enough for its controls becomes a point of the run list.
  void remember_run() {
    std::erase_if(now.runs, [&](const ScoreRow& run) { return run.plan == now.score.plan; });
    now.runs.push_back(now.score);
    if (static_cast<int>(now.runs.size()) > kMostRuns) now.runs.erase(now.runs.begin());
    controls_done = false;
  }

  // Everything of the looked-at case, layer and head.
  void refresh_look() {
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

  static std::vector<int> up_to_first_miss(const CaseResult& result, const Case& c) {
    std::vector<int> ids;
    for (std::size_t i = 0; i < result.answer.size(); ++i) {
      ids.push_back(result.answer[i]);
      if (result.answer[i] != c.answer[i]) break;
    }
    return ids;
  }

  std::string answer_text(const std::vector<int>& ids) const {
    return trimmed(model->tokenizer().decode(ids));
  }

  void add_log(const std::string& text, LogLine::Kind kind) {
    now.log.push_back({kind, text});
    if (now.log.size() > kMostLogLines) now.log.erase(now.log.begin());
  }
};

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

void Session::find_heads(const CancelFlag* cancel) {
  State& s = *state_;
  s.need_cases("heads");
  HeadSettings settings;
  settings.source = s.now.cases->name;
  s.work(Work::measuring, 0, "finding heads");
  HeadList list = polykv::find_heads(*s.model, s.scorer->cases(), settings,
                                     s.progress(Work::measuring), cancel);
  s.add_log("Retrieval heads found on " + std::to_string(list.n) + " right answers, " +
                std::to_string(list.rejected) + " wrong ones left out.",
            LogLine::Kind::info);
  s.use_heads(std::move(list));
  s.rescore_wanted(cancel);
}

void Session::mask_heads(const MaskHeads& command, const CancelFlag* cancel) {
  State& s = *state_;
  s.need_cases("mask");
  auto answer = std::make_shared<MaskAnswer>();
  answer->request = command.request;
  answer->heads = command.heads;
  answer->cases = static_cast<int>(s.scorer->cases().size());
  answer->cases_chose = s.cases_chose_heads;
  s.work(Work::measuring, 0, "masking heads");
  answer->effect = mask_effect(*s.model, s.scorer->cases(), {command.heads}, kMaskSeed, kMaskDraws,
                               s.progress(Work::measuring), cancel);
  s.now.mask = std::move(answer);
  s.show();
}

void Session::measure_signal(const MeasureSignal& command, const CancelFlag* cancel) {
  State& s = *state_;
  s.need_cases("signal");
  auto answer = std::make_shared<SignalAnswer>();
  answer->request = command.request;
  answer->source = command.source;
  answer->query = command.query;
  answer->cases = static_cast<int>(s.scorer->cases().size());
  SignalSettings settings;
  settings.query = command.query;
  const Progress report = s.progress(Work::measuring);
  s.work(Work::measuring, 0, "measuring " + command.source);
  if (command.source == "attention") {
    answer->signal = measure_attention(*s.model, s.scorer->cases(), settings, report, cancel);
  } else {
    answer->signal = Signal(
        measure_signals(*s.model, s.scorer->cases(), {command.source}, settings, report, cancel)[0]
            .mean);
  }
  s.now.signal = std::move(answer);
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
