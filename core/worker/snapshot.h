#pragma once
// What the worker shows the window: plain numbers, immutable, parts shared by pointer.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/budgets/signal.h"
#include "core/model/config.h"
#include "core/model/preflight.h"
#include "core/plan/plan.h"
#include "core/probe/case.h"
#include "core/probe/head_mask.h"
#include "core/score/live_scorer.h"
#include "core/score/proxy.h"
#include "core/score/scores.h"
#include "core/score/self_check.h"
#include "core/tune/audit.h"
#include "core/tune/calibration.h"
#include "core/tune/comparison.h"
#include "core/tune/search.h"
#include "core/worker/recent.h"

namespace polykv {

struct ModelInfo {
  std::string name, folder, fingerprint;
  ModelShape shape;
  std::int64_t parameters = 0;
  bool embedded = false;
  std::int64_t kv_bytes_per_token_layer = 0;  // keys + values, all kv heads of one layer
};

// A case as it is drawn: one text per token of context + question + answer.
struct CaseText {
  Case source;
  std::vector<std::string> tokens;  // display texts
  int context = 0, question = 0, answer = 0;
  std::string question_text, gold;  // gold answer as text
};

struct CaseSetInfo {
  std::string name;  // "16 needle cases, 950 tokens, 4 keys"
  std::vector<CaseText> cases;
};

// The answer to InspectModel: pre-flight for other lengths is preflight() of the same config.
struct OpeningCard {
  std::uint64_t request = 0;
  FolderFacts facts;
  MemoryPlan plan;  // what the folder would be opened with, and the memory free at that time
};

// The answer to ListFolders: whole paths, each with a slash at its end, in order; at most 200.
struct FolderList {
  std::string typed;
  std::vector<std::string> folders;
};

// The answer to MaskHeads.
struct MaskAnswer {
  std::uint64_t request = 0;
  HeadMask heads;
  MaskEffect effect;         // of one chosen mask: these heads
  int cases = 0;             // scored
  bool cases_chose = false;  // the heads were found on these very cases
};

// The answer to MeasureSignal.
struct SignalAnswer {
  std::uint64_t request = 0;
  std::string source;
  QueryVisibility query = QueryVisibility::agnostic;
  Signal signal;
  int cases = 0;  // measured on
};

// The answer to SearchPlan, published with every step while it runs.
struct SearchAnswer {
  std::uint64_t request = 0;
  bool running = true;
  int search_cases = 0, report_cases = 0;
  std::string objective;
  SearchResult result;  // scores on the search half
  std::vector<ScoreRow>
      controls;  // there too: full cache, random and sink+recent at the same total
  // On the other half, once the search has ended: full cache, start, best plan, and controls.
  std::optional<Comparison> report;
};

// The answer to AuditPlan, published with every scored placement.
struct AuditAnswer {
  std::uint64_t request = 0;
  bool running = true;
  Audit audit;
  // Measured first: full, random, sink+recent, the best single policy, the plan, and the routes of
  // a calibration where there is one.
  Comparison controls;
};

enum class Work { idle, loading, prefill, scoring, measuring, tuning, checking };

struct WorkState {
  Work kind = Work::idle;
  double share = 0;          // done, in [0, 1]
  std::string what;          // "prefill case 5 of 16", "1.2 of 3.4 GiB"
  double seconds_left = -1;  // < 0 = unknown
};

struct LogLine {
  enum class Kind { info, error } kind = Kind::info;
  std::string text;
};

// Everything here belongs together: scores, kept rows and answers are those of `plan`.
struct Snapshot {
  std::uint64_t serial = 0;
  std::shared_ptr<const ModelInfo> model;    // null before the first model is open
  std::shared_ptr<const CaseSetInfo> cases;  // null before the first case set is ready
  WorkState work;
  std::shared_ptr<const OpeningCard> card;                  // null before the first InspectModel
  std::shared_ptr<const std::vector<RecentFolder>> recent;  // newest first; null = not read yet
  std::shared_ptr<const FolderList> folders;                // null before the first ListFolders

  bool scored = false;             // the fields below hold an exact result
  std::uint64_t scored_edit = 0;   // ScorePlan.edit the result belongs to
  std::uint64_t running_edit = 0;  // edit being scored now; 0 = none
  Plan plan;
  ScoreRow score, ceiling;         // this plan, and the full cache
  std::vector<ScoreRow> controls;  // random and sink+recent at the same total; empty until measured
  std::vector<ScoreRow> runs;      // exact rows of earlier plans of this case set, oldest first
  std::shared_ptr<const std::vector<CaseResult>> results;  // per case

  LookAt looked;  // case, layer, head the parts below belong to
  std::shared_ptr<const std::vector<KeptLayer>> kept;  // per layer, of the looked-at case
  std::shared_ptr<const HeatTile> heat;
  std::string answer, full_answer;  // texts of the looked-at case
  std::shared_ptr<const ProxyData> proxy;

  std::shared_ptr<const HeadList> heads;  // of the model; null = none, heads_fault says why
  std::string heads_fault;
  std::shared_ptr<const MaskAnswer> mask;      // null before the first MaskHeads of these cases
  std::shared_ptr<const SignalAnswer> signal;  // null before the first MeasureSignal of these cases

  // Of these cases; null before the first. A calibration of fewer cases is one that was cancelled.
  std::shared_ptr<const Calibration> calibration;
  std::shared_ptr<const SearchAnswer> search;
  std::shared_ptr<const AuditAnswer> audit;

  std::vector<CheckLight> check;  // empty until run
  std::vector<LogLine> log;       // newest last, at most 200
};

}  // namespace polykv
