// Menus, and the case set at the right end.
#include <imgui.h>

#include <algorithm>
#include <cmath>

#include "core/budgets/allocator.h"
#include "views/keys.h"
#include "views/layers_model.h"
#include "views/opening_model.h"
#include "views/tune_model.h"
#include "views/views.h"
#include "views/widgets.h"

namespace polykv {
namespace {

// 4 x 3 cache cells, kept in accent, one needle yellow.
void draw_logo(const Theme& t, float x, float y) {
  const char* rows[] = {"k.kn", "kk.k", "k..k"};
  const float cell = t.px(4), step = t.px(5);
  for (int r = 0; r < 3; ++r)
    for (int c = 0; c < 4; ++c) {
      const char kind = rows[r][c];
      const ImU32 color = kind == 'k'   ? t.color.accent
                          : kind == 'n' ? t.color.needle_fill
                                        : t.color.line;
      fill_rect({x + step * static_cast<float>(c), y - t.px(7) + step * static_cast<float>(r), cell,
                 cell},
                color);
    }
}

// A word that opens a menu below it. Returns the item picked, else -1; moves x on.
int draw_menu_word(Frame& f, const char* word, float& x, Rect bar,
                   const std::vector<MenuItem>& items) {
  const Theme& t = f.theme;
  const float w = std::round(text_width(t.font.body, word)) + t.px(16), y = bar.y + bar.h / 2;
  const Rect area = {x, y - t.px(12), w, t.px(24)};
  ImGui::SetCursorScreenPos(ImVec2(area.x, area.y));
  const std::string id = std::string("menu ") + word;
  const bool pressed = ImGui::InvisibleButton(word, ImVec2(area.w, area.h));
  if (ImGui::IsItemHovered() || menu_is_open(id.c_str())) fill_rect(area, t.color.hover, t.px(4));
  draw_text(t, t.font.body, x + t.px(8), y, t.color.text, word);
  f.ui.places[id] = area;
  x += w;
  return draw_menu(t, id.c_str(), pressed, area.x, bar.y + bar.h, items, &f.ui.places);
}

MenuItem item(const char* label, const char* hint = "", bool enabled = true, bool checked = false,
              bool line = false) {
  MenuItem made;
  made.label = label, made.hint = hint, made.enabled = enabled, made.checked = checked;
  made.line_above = line;
  return made;
}

std::vector<MenuItem> recent_items(const Snapshot& now) {
  std::vector<MenuItem> items;
  if (!now.recent || now.recent->empty()) return items;
  items.push_back(item("Open recent", "", false, false, true));
  for (const PathOffer& offer : path_offers(now, "")) {
    items.push_back(item(offer.label.c_str(), offer.hint.c_str(), offer.enabled));
    items.back().max_hint = 260;
  }
  return items;
}

void file_menu(Frame& f, float& x, Rect bar) {
  const bool has_plan = f.ui.history.current().layers() > 0;
  const bool was_open = menu_is_open("menu File");
  std::vector<MenuItem> items = {item("Open model\u2026", "Ctrl O"),
                                 item("Open plan\u2026", "", has_plan),
                                 item("Save plan as\u2026", "Ctrl S", has_plan),
                                 item("Export for kvpress\u2026", "", has_plan),
                                 item("Open cases\u2026", "", f.now.model != nullptr)};
  const int first_recent = static_cast<int>(items.size()) + 1;
  for (MenuItem& recent : recent_items(f.now)) items.push_back(std::move(recent));
  items.push_back(item("Quit", "Ctrl Q", true, false, true));
  const int quit = static_cast<int>(items.size()) - 1;
  const int picked = draw_menu_word(f, "File", x, bar, items);
  // Which recent folders are there is looked up again whenever the menu opens.
  if (!was_open && menu_is_open("menu File")) f.out.push_back(ListFolders{""});
  const ImGuiIO& io = ImGui::GetIO();
  if (picked == 0 || (io.KeyCtrl && key_pressed(kKeyO, false)))
    ask_path(f.ui, f.out, FileKind::open_model, f.now.model ? f.now.model->folder : "");
  if (picked == 1) ask_path(f.ui, f.out, FileKind::open_plan, "");
  if (has_plan && (picked == 2 || (io.KeyCtrl && key_pressed(kKeyS, false))))
    ask_path(f.ui, f.out, FileKind::save_plan, f.ui.history.current().name + ".json");
  if (picked == 3)
    ask_path(f.ui, f.out, FileKind::export_kvpress, f.ui.history.current().name + ".py");
  if (picked == 4) ask_path(f.ui, f.out, FileKind::open_cases, "");
  if (picked >= first_recent && picked < quit)
    ask_model(f.ui, f.out, (*f.now.recent)[static_cast<std::size_t>(picked - first_recent)].folder);
  if (picked == quit || (io.KeyCtrl && key_pressed(kKeyQ, false))) f.ui.quit = true;
}

void edit_menu(Frame& f, float& x, Rect bar) {
  const PlanHistory& history = f.ui.history;
  const int picked = draw_menu_word(
      f, "Edit", x, bar,
      {item("Undo", "Ctrl Z", history.can_undo()), item("Redo", "Ctrl Shift Z", history.can_redo()),
       item("Keep total", "K", true, f.ui.band.keep_total, true)});
  if (picked == 0) step_plan(f, true);
  if (picked == 1) step_plan(f, false);
  if (picked == 2) f.ui.band.keep_total = !f.ui.band.keep_total;
}

void view_menu(Frame& f, float& x, Rect bar) {
  const float scales[] = {0.75f, 1.0f, 1.25f, 1.5f, 2.0f, 2.5f};
  std::vector<MenuItem> items = {
      item("Dark", "", true, f.ui.theme == ThemeKind::dark),
      item("Light", "", true, f.ui.theme == ThemeKind::light),
      item("High contrast", "", true, f.ui.theme == ThemeKind::contrast)};
  for (int i = 0; i < 6; ++i) {
    const std::string label = format_percent(scales[i]);
    items.push_back(
        item(label.c_str(), "", true, std::fabs(f.ui.scale - scales[i]) < 0.01f, i == 0));
  }
  items.push_back(item("Save picture", "F12", true, false, true));
  const int picked = draw_menu_word(f, "View", x, bar, items);
  if (picked >= 0 && picked < 3) f.ui.theme = static_cast<ThemeKind>(picked);
  if (picked >= 3 && picked < 9) f.ui.scale = scales[picked - 3];
  if (picked == 9) f.ui.save_picture = true;
}

void run_menu(Frame& f, float& x, Rect bar) {
  const bool has_model = f.now.model != nullptr;
  const int picked = draw_menu_word(
      f, "Run", x, bar,
      {item("Engine check", "", has_model), item("Cancel", "", f.now.work.kind != Work::idle)});
  if (picked == 0) f.out.push_back(RunCheck{});
  if (picked == 1) f.out.push_back(CancelWork{});
}

void plan_menu(Frame& f, float& x, Rect bar) {
  const bool can_fill = f.ui.history.current().total(f.ui.band.phase) > 0;
  std::vector<MenuItem> items = {item("Fill by allocator", "", false)};
  for (const Allocator& row : allocators()) {
    const bool measured = row.needs != 0;
    items.push_back(item(row.id, row.summary, can_fill && (!measured || f.now.cases)));
    items.back().hint_at = 110;
    if (measured) items.back().hint += ", measured";
  }
  const int picked = draw_menu_word(f, "Plan", x, bar, items);
  if (picked > 0) fill_budgets(f, items[static_cast<std::size_t>(picked)].label);
}

void tune_menu(Frame& f, float& x, Rect bar) {
  const bool idle = !tuning(f.now), ready = f.now.cases && f.ui.history.current().layers() > 0;
  const TuneModel& model = *f.ui.tune_model;
  const std::string budget = format_count(calibration_budget(f.ui)) + " tokens a layer";
  const int open = model.suggestions.open;
  const int picked =
      draw_menu_word(f, "Tune", x, bar,
                     {item("Show the panel", "T", true, f.ui.lower_tab == 2),
                      item("Calibrate", budget.c_str(), idle && ready, false, true),
                      item("Route from calibration", "Shift A", open > 0),
                      item("Search from here", "", idle && model.search.missing.empty()),
                      item("Audit this plan", "", idle && model.audit.missing.empty()),
                      item("Cancel", "", !idle, false, true)});
  if (picked == 0) f.ui.lower_tab = f.ui.lower_tab == 2 ? 0 : 2;
  if (picked == 1) start_calibration(f);
  if (picked == 2) apply_suggestions(f);
  if (picked == 3) start_search(f);
  if (picked == 4) start_audit(f);
  if (picked == 5) f.out.push_back(CancelWork{});
}

void needle_menu(Frame& f, float& x, Rect bar) {
  const bool has_model = f.now.model && f.now.model->embedded;
  const int counts[] = {1, 16, 32, 64};
  std::vector<MenuItem> items;
  for (int count : counts) {
    const std::string label =
        count == 1 ? "Make 1 case" : "Make " + std::to_string(count) + " cases";
    items.push_back(item(label.c_str(), "4 facts, 950 tokens", has_model));
  }
  const int picked = draw_menu_word(f, "Needle", x, bar, items);
  if (picked >= 0) f.out.push_back(MakeCases{counts[picked], NeedleSettings{}});
}

void help_menu(Frame& f, float& x, Rect bar) {
  if (draw_menu_word(f, "Help", x, bar, {item("Keys", "F1")}) == 0) f.ui.show_keys = true;
}

}  // namespace

void draw_menu_bar(Frame& f, Rect area) {
  const Theme& t = f.theme;
  fill_rect(area, t.color.ground);
  const float y = area.y + area.h / 2;
  draw_logo(t, area.x + t.px(12), y);
  float x = area.x + t.px(38);
  file_menu(f, x, area);
  edit_menu(f, x, area);
  view_menu(f, x, area);
  run_menu(f, x, area);
  plan_menu(f, x, area);
  tune_menu(f, x, area);
  needle_menu(f, x, area);
  help_menu(f, x, area);
  if (f.now.cases)
    draw_text(t, t.font.small, area.x + area.w - t.px(12), y, t.color.text3, f.now.cases->name,
              Align::right, area.w - x - t.px(40));
  draw_path_field(f, area);
  if (ImGui::GetIO().KeyCtrl) {
    if (key_pressed(kKeyPlus)) f.ui.scale = std::min(2.5f, f.ui.scale + 0.25f);
    if (key_pressed(kKeyMinus)) f.ui.scale = std::max(0.75f, f.ui.scale - 0.25f);
    if (key_pressed(kKeyZero)) f.ui.scale = 1.0f;
  }
  if (ImGui::IsKeyPressed(kKeyF12, false)) f.ui.save_picture = true;  // with open menus too
  if (key_pressed(kKeyF1, false)) f.ui.show_keys = !f.ui.show_keys;
  if (!ImGui::GetIO().KeyCtrl && key_pressed(kKeyK, false))
    f.ui.band.keep_total = !f.ui.band.keep_total;
}

}  // namespace polykv
