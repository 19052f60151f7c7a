#pragma once
// What the window does apart from drawing: the starting plan, files, dropped paths. No GLFW here.
#include <memory>
#include <string>
#include <vector>

#include "app/window.h"
#include "views/frame.h"

namespace polykv {

class Desk {
 public:
  // Reads nothing yet; the first commands open the model and the cases of the options.
  Desk(const WindowOptions& options, Ui& ui, std::vector<Command>& out);

  // A new snapshot came: a new model gets a plan that fits it. Throws the input Error of a plan
  // named by the options that does not fit; plans of the menu only say so in ui.message.
  void meet(const Snapshot& now);
  // Tells the worker which case, layer and head are looked at when that changed.
  void follow_selection(const Snapshot& now);
  // Does what the File menu asked for. Errors become ui.message; nothing else changes then.
  void do_files(const Snapshot& now);
  // .jsonl is a case set, .json a plan, anything else a model's folder.
  void dropped(const Snapshot& now, const std::string& path);

 private:
  void meet_card(const Snapshot& now);
  void take_plan(Plan plan);  // a new history that starts with this plan
  void say_error(const std::string& text);

  Ui& ui_;
  std::vector<Command>& out_;
  std::string plan_argument_;
  std::shared_ptr<const ModelInfo> model_;
  std::shared_ptr<const CaseSetInfo> cases_;
  std::shared_ptr<const OpeningCard> card_;
  LookAt looked_{-1, -1, -1};
  std::size_t log_seen_ = 0;
};

// The plan a model starts with: snapkv, 64 tokens a layer, question hidden.
Plan starting_plan(const ModelShape& shape);

}  // namespace polykv
