#include "views/views.h"

#include <imgui.h>

#include "views/layout.h"
#include "views/widgets.h"

namespace polykv {
namespace {

// Panels touch; one line divides them.
void draw_lines(const Theme& t, const WindowLayout& at) {
  const ImU32 color = t.color.line;
  const float one = t.px(1);
  auto below = [&](const Rect& r) { fill_rect({r.x, r.y + r.h - one, r.w, one}, color); };
  auto left_of = [&](const Rect& r, float height) { fill_rect({r.x, r.y, one, height}, color); };
  below(at.menu), below(at.context), below(at.cases), below(at.heatmap), below(at.scores);
  const float body = at.layers.y - at.cases.y;
  left_of(at.heatmap, body), left_of(at.scores, body);
  fill_rect({at.layers.x, at.layers.y, at.layers.w, one}, color);
  fill_rect({at.log.x, at.log.y, at.log.w, one}, color);
}

void note_places(Ui& ui, const WindowLayout& at) {
  ui.places["panel.cases"] = at.cases, ui.places["panel.prompt"] = at.prompt;
  ui.places["panel.heatmap"] = at.heatmap, ui.places["panel.keep_map"] = at.keep_map;
  ui.places["panel.scores"] = at.scores, ui.places["panel.pareto"] = at.pareto;
  ui.places["panel.layers"] = at.layers, ui.places["panel.log"] = at.log;
}

}  // namespace

Rect draw_lower_panel(Frame& f, Rect area, const std::string& stamp, float stamp_right,
                      float busy) {
  return draw_tabbed_panel(f.theme, area, {"Keep map", "Heads", "Tune"}, f.ui.lower_tab, stamp,
                           stamp_right, f.ui.places, busy);
}

void draw_window(Frame& f, float width, float height) {
  const Theme& t = f.theme;
  f.ui.places.clear();
  f.ui.wants_frame = false;
  ImGui::SetNextWindowPos(ImVec2(0, 0));
  ImGui::SetNextWindowSize(ImVec2(width, height));
  ImGui::PushStyleVar(ImGuiStyleVar_WindowPadding, ImVec2(0, 0));
  ImGui::PushStyleVar(ImGuiStyleVar_WindowBorderSize, 0);
  ImGui::PushStyleVar(ImGuiStyleVar_WindowRounding, 0);
  ImGui::PushStyleVar(ImGuiStyleVar_WindowMinSize, ImVec2(1, 1));
  ImGui::PushStyleColor(ImGuiCol_WindowBg, t.color.ground);
  ImGui::Begin("studio", nullptr,
               ImGuiWindowFlags_NoDecoration | ImGuiWindowFlags_NoMove |
                   ImGuiWindowFlags_NoSavedSettings | ImGuiWindowFlags_NoScrollWithMouse |
                   ImGuiWindowFlags_NoBringToFrontOnFocus);
  ImGui::PopStyleColor();
  ImGui::PopStyleVar(4);

  const int tab = f.ui.lower_tab;  // one of them is drawn, in the room laid out for it
  const bool tall = tab == 2;
  const WindowLayout at = lay_out(t, width, height, f.ui.history.current().layers(), tall);
  note_places(f.ui, at);
  // The hand works in the band: it goes first, so that every panel shows its result in this frame.
  const std::uint64_t before = f.ui.edit;
  use_tune_keys(f);
  draw_layers(f, at.layers);
  draw_menu_bar(f, at.menu);
  draw_context_bar(f, at.context);
  if (f.ui.edit != before) prepare_frame(f.now, f.ui);
  draw_cases(f, at.cases);
  draw_prompt(f, at.prompt);
  draw_heatmap(f, at.heatmap);
  if (tab == 0) draw_keep_map(f, at.keep_map);
  if (tab == 1) draw_heads(f, at.keep_map);
  if (tab == 2) draw_tune(f, at.keep_map);
  draw_scores(f, at.scores);
  draw_pareto(f, at.pareto);
  draw_log_line(f, at.log);
  draw_lines(t, at);
  draw_opening_card(f, width, height);
  if (f.ui.show_keys) draw_key_sheet(f, width, height);
  ImGui::End();
}

}  // namespace polykv
