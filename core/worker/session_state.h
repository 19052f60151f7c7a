#pragma once
// What the parts of a Session share: model, scorer and the snapshot being written.
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "core/worker/session.h"

namespace polykv {

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

  void show();
  void work(Work kind, double share, const std::string& what, double seconds_left = -1);
  Progress progress(Work kind);
  void forget_scores();
  std::int64_t free_bytes() const;

  // Throws Error(failed) before anything runs; the weights are there already.
  void check_cases_fit(const ModelConfig& config, const std::vector<Case>& cases) const;
  void look_at_recent();
  void remember_folder();

  // Prefills into a scorer of its own, so that model and cases change together or not at all.
  void load_cases(std::shared_ptr<const Model> with, std::vector<Case> cases,
                  const std::string& name, const CancelFlag* cancel);
  void open_case_file(std::shared_ptr<const Model> with, const std::string& path,
                      const CancelFlag* cancel);

  // False when there is no file, or one that cannot be used, which the log then says.
  bool load_case_file(std::shared_ptr<const Model> with, const std::string& path,
                      const CancelFlag* cancel);
  void make_cases(std::shared_ptr<const Model> with, const MakeCases& command,
                  const CancelFlag* cancel);

  // Model and cases change together or not at all.
  void load_model(const OpenModel& command, const CancelFlag* cancel);
  void need_cases(const char* what) const;

  // The scores that the old list gave are gone, and with them everything shown of them.
  void use_heads(HeadList list);
  void rescore_wanted(const CancelFlag* cancel);
  void run_score(const Plan& plan, std::uint64_t edit, std::chrono::steady_clock::time_point posted,
                 const CancelFlag* cancel);

  // A plan that stood long enough for its controls becomes a point of the run list.
  void remember_run();

  // Everything of the looked-at case, layer and head.
  void refresh_look();
  static std::vector<int> up_to_first_miss(const CaseResult& result, const Case& c);
  std::string answer_text(const std::vector<int>& ids) const;
  void add_log(const std::string& text, LogLine::Kind kind);
};

}  // namespace polykv
