#pragma once
// What a view gets: reads `now`, edits its own part of `ui`, appends to `out`. No statics, no
// callbacks.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/plan/edit.h"
#include "core/worker/command.h"
#include "core/worker/snapshot.h"
#include "views/theme.h"

namespace polykv {

struct Rect {
  float x = 0, y = 0, w = 0, h = 0;
  bool contains(float px, float py) const { return px >= x && py >= y && px < x + w && py < y + h; }
};

enum class Pill { none, preview, queued, running, exact, stale };
const char* to_string(Pill pill);

// One selection drives all panels. -1 = nothing.
struct Selection {
  int layer = 0, head = 0, case_index = 0;
  int asking = -1, remembered = -1;              // pinned cell (token positions)
  int hover_asking = -1, hover_remembered = -1;  // under the pointer this frame
};

struct HeatUi {
  double first = 0, count = 0;  // visible remembered tokens; count 0 = everything
  int scale = 1;                // 0 lin, 1 log, 2 rank
  bool mean_pool = false, hide_sinks = false;
  ColorMap map = ColorMap::viridis;
  bool panning = false, boxing = false;
  float drag_x = 0, box_x0 = 0, box_x1 = 0;
};

struct BandUi {
  bool keep_total = true;
  int unit = 0;  // 0 tok, 1 %, 2 KiB
  Phase phase = Phase::prefill;
  std::vector<bool> locked;
  int dragging_layer = -1;
  float grab_offset = 0;  // pixels between pointer and handle centre at the start of a drag
  int start_budget = 0;
  Plan before_drag;  // every step of a drag starts from here, so that it can be undone by hand
  bool drag_moved = false;     // the pointer has left the place where it was pressed
  int scale_top = 0;           // tokens at the top of the bars while dragging; 0 = from the plan
  int typing_layer = -1;       // layer whose value is a text field now
  bool typing_starts = false;  // the field takes the keyboard this frame
  std::string typed;
  int menu_layer = -1;  // open policy menu
};

// The popover with the parameters of the selected layer's policy.
struct ParamsUi {
  bool all_layers = false;  // edits reach every layer with the same policy
  std::string dragging;     // parameter whose slider is held
};

// The heads panel. Index 0: SRH, 1: TRH.
struct HeadsUi {
  int score = 0;
  double threshold[2] = {-1, -1};  // < 0: a third of the largest
  int top = 4;                     // heads that vote while no layer of the plan says it
  bool masking = false;            // the chosen heads are masked beside random ones
  std::uint64_t request = 0;       // of the newest MaskHeads
  std::vector<HeadPlace> masked;   // its heads
  std::string dragging;            // handle that is held: "threshold", "top", "rows"
  int first = 0;                   // layer of the first row in sight
  int followed = -1;               // selected layer that was last brought into sight
};

// A measured signal that is waited for; its budgets enter the plan when it comes.
struct FillUi {
  std::uint64_t request = 0;
  std::string allocator;  // empty = nothing is waited for
  Phase phase = Phase::prefill;
};

// The tune panel. What it shows is condensed once per change (prepare_tune), not per frame.
struct TuneModel;  // views/tune_model.h
enum class TunePart { calibration, suggestions, search, audit };
struct TuneUi {
  TunePart part = TunePart::calibration;
  TunePart job = TunePart::calibration;  // what was asked of the worker last
  std::string measure = "cosine";        // row of measures(): of the heat table and suggestions
  std::string signal = "entropy";        // of calibration_signal_ids()
  int budget = 0;                        // of a calibration; 0 = the mean of the plan in hand
  std::string objective = "nll";         // row of objectives()
  int evaluations = 200;                 // limit of a search; 0 = by seconds
  double seconds = 0;
  bool swaps = true;          // a search may change policies too
  bool list_steps = false;    // in place of the report of a search
  int placements = 100;       // of an audit
  bool by_recall = false;     // the audit's score
  std::uint64_t request = 0;  // of the newest SearchPlan or AuditPlan
};

// What a TuneModel was condensed from.
struct TuneKey {
  std::shared_ptr<const Calibration> calibration;
  std::shared_ptr<const SearchAnswer> search;
  std::shared_ptr<const AuditAnswer> audit;
  std::shared_ptr<const CaseSetInfo> cases;
  std::shared_ptr<const HeadList> heads;
  Plan plan;
  Phase phase = Phase::prefill;
  std::string measure, signal;
  bool by_recall = false, tuning = false;
  std::vector<bool> locked;
  bool operator==(const TuneKey&) const = default;
};

struct ContextUi {
  bool typing_total = false;
  std::string total;  // what stands in the field
};

// The way to another model: a folder is asked for, the worker's card answers, Open opens it.
struct OpeningUi {
  std::uint64_t request = 0;  // counts; the card of this request is the one meant
  std::string folder;
  bool shown = false;         // the card stands in the window
  bool from_field = false;    // the path field waits for the answer and shows what cannot be opened
  int tokens = 0, cases = 0;  // chosen on the card; 0 = as the worker proposes
};

// What the File menu asks of the window, which owns files. open_model asks for a card instead.
// policy_file: the trained numbers of a policy chosen for layers of the band's phase.
enum class FileKind {
  none,
  open_model,
  open_plan,
  save_plan,
  export_kvpress,
  open_cases,
  policy_file
};

struct FileRequest {
  FileKind kind = FileKind::none;
  std::string path{};
  std::string policy{};  // of policy_file, for these layers
  std::vector<int> layers{};
};

// What ui.proxy was computed from; holds the data alive so that a pointer is never seen twice.
struct ProxyKey {
  std::shared_ptr<const ProxyData> data;
  Plan plan;
  int case_index = -1;
};

struct Ui {
  PlanHistory history = PlanHistory();  // history.current() is the plan in hand
  std::uint64_t edit = 0;               // counts edits; the plan in hand was posted as this edit
  Selection selected;
  HeatUi heat;
  BandUi band;
  ParamsUi params;
  HeadsUi heads;
  FillUi fill;
  TuneUi tune;
  std::shared_ptr<const TuneModel> tune_model;  // made before drawing, never in a draw_
  TuneKey tune_key;
  int lower_tab = 0;  // below the heatmap: 0 keep map, 1 heads, 2 tune
  ContextUi context;
  FileRequest asking;          // open path field; none = closed
  bool asking_starts = false;  // it takes the keyboard this frame
  std::string asking_error;    // why what was typed cannot be opened
  std::string listed;          // typed text that folders were asked for
  OpeningUi opening;
  std::vector<FileRequest> files;  // asked for this frame; the window does them and clears the list
  ProxyCut proxy;                  // of the plan in hand; computed before drawing, never in a draw_
  ProxyKey proxy_key;
  Pill pill = Pill::none;  // computed before drawing
  std::string message;     // last thing the window itself wants to say (log line)
  bool message_is_error = false;
  float prompt_scroll = -1;
  bool show_keys = false;    // F1 sheet
  bool wants_frame = false;  // an animation or hover delay needs another frame
  bool quit = false, save_picture = false;
  ThemeKind theme = ThemeKind::dark;
  float scale = 1.0f;
  std::map<std::string, Rect>
      places;  // named widgets drawn this frame: "bar.0", "policy.2", "pill", ...
};

struct Frame {
  const Snapshot& now;
  Ui& ui;
  const Theme& theme;
  std::vector<Command>& out;
};

// Name of a plan made by hand: "snapkv:64" when all layers are alike and nothing is evicted while
// decoding, else "mixed-64 e6fe" (policy or "mixed", mean budget, first digits of the fingerprint).
std::string plan_label(const Plan& plan);
// Whether some layer evicts while decoding: the proxy, the heatmap and the keep map know the
// prefill cut only and say so then.
bool cuts_while_decoding(const Plan& plan);
// Puts a new plan in hand under its label, as one undo step (or as part of the running drag), and
// asks for its score.
void edit_plan(Frame& f, Plan next);
// Between begin_edit_drag and end_edit_drag all edits are one undo step; cancel_edit_drag goes back
// to the plan before the drag and asks for its score.
void begin_edit_drag(Frame& f);
void end_edit_drag(Frame& f);
void cancel_edit_drag(Frame& f);
// Asks for the score of the plan in hand.
void post_plan(Frame& f);
// Undo / redo, with the score asked for again.
void step_plan(Frame& f, bool back);
// Shares the budgets of the band's phase by an allocator, as one undo step: at once, or as soon as
// the signal it needs is measured (meet_signal, once per frame before anything is drawn). What the
// calibration of these cases holds is not measured again; `signal` names one of its signals in
// place of the allocator's own.
void fill_budgets(Frame& f, const std::string& allocator, const std::string& signal = "");
void meet_signal(Frame& f);
// Asks for the card of a folder. Shown at once, unless the path field asks or the program starts.
void ask_model(Ui& ui, std::vector<Command>& out, const std::string& folder, bool shown = true);
// Gives these layers of the band's phase a policy, as one undo step. One that reads a file first
// asks for its path, from the one it has elsewhere, and use_policy_file goes on: it throws an input
// Error when the file does not fit the model, and the plan stays.
void choose_policy(Frame& f, const std::vector<int>& layers, const std::string& policy);
void use_policy_file(Frame& f, const std::vector<int>& layers, const std::string& policy,
                     const std::string& path);
// Opens the path field; a field for a model folder also wants folders to offer.
void ask_path(Ui& ui, std::vector<Command>& out, FileKind kind, const std::string& start);
// What the pill says: from the edit in hand, the drag and the snapshot. Pure.
Pill pill_state(const Snapshot& now, const Ui& ui);
// Recomputes ui.proxy, ui.tune_model and ui.pill; called once per frame before any draw_.
void prepare_frame(const Snapshot& now, Ui& ui);

}  // namespace polykv
