// The case list: one row per case with its fate under the full cache and under the plan.
#include <algorithm>
#include <cmath>

#include "views/cases_model.h"
#include "views/keys.h"
#include "views/views.h"
#include "views/widgets.h"

namespace polykv {

namespace {

#if IMGUI_VERSION_NUM >= 18700
constexpr KeyCode kKeyPageUp = ImGuiKey_PageUp, kKeyPageDown = ImGuiKey_PageDown;
#else
constexpr KeyCode kKeyPageUp = 266, kKeyPageDown = 267;  // GLFW
#endif

struct Columns {  // pixels; index and answer: left edge, depth and keys: right edge, marks: centre
  float index, depth, keys, answer, full, plan;
};

Columns columns_of(const Theme& t, Rect body) {
  const float right = body.x + body.w;
  Columns c;
  c.index = body.x;
  const bool narrow = body.w < t.px(224);
  c.plan = right - t.px(narrow ? 12 : 14);
  c.full = c.plan - t.px(narrow ? 30 : 38);
  c.depth = body.x + t.px(66);
  c.keys = c.depth + t.px(narrow ? 32 : 36);
  c.answer = c.keys + t.px(narrow ? 10 : 14);
  return c;
}

void draw_header(const Theme& t, const Columns& c, float y) {
  const ImU32 ink = t.color.text3;
  draw_text(t, t.font.small, c.index, y, ink, "case");
  draw_text(t, t.font.small, c.depth, y, ink, "depth", Align::right);
  draw_text(t, t.font.small, c.keys, y, ink, "keys", Align::right);
  draw_text(t, t.font.small, c.answer, y, ink, "answer");
  draw_text(t, t.font.small, c.full, y, ink, "full", Align::centre);
  draw_text(t, t.font.small, c.plan, y, ink, "plan", Align::centre);
}

void draw_mark(const Theme& t, float x, float y, Mark mark, bool stale) {
  if (mark == Mark::right) draw_tick(x, y, t.px(5), stale ? t.color.text3 : t.color.ok);
  if (mark == Mark::wrong) draw_cross(x, y, t.px(5), stale ? t.color.text3 : t.color.error);
  if (mark == Mark::none) fill_rect({x - t.px(3), y, t.px(6), t.px(1)}, t.color.text3);
}

void select_case(Frame& f, int index) {
  if (index == f.ui.selected.case_index) return;
  Selection& selected = f.ui.selected;
  selected.case_index = index;
  selected.asking = selected.remembered = -1;  // positions of the case before
  f.ui.prompt_scroll = -1;                     // show the needle of the new case
  f.out.push_back(LookAt{index, selected.layer, selected.head});
}

}  // namespace

void draw_cases(Frame& f, Rect area) {
  const Theme& t = f.theme;
  const CasesModel model = condense_cases(f.now, f.ui);
  f.ui.places["panel.cases"] = area;
  const Rect body = draw_panel(t, area, "Cases", model.stamp, model.busy);
  if (!model.empty.empty()) {
    if (draw_empty(t, body, model.empty, model.can_make ? "Make cases" : ""))
      f.out.push_back(MakeCases{16, {}});
    return;
  }

  const Columns columns = columns_of(t, body);
  draw_header(t, columns, body.y + t.px(9));
  const float row_height = t.px(26), top = body.y + t.px(20);
  const Rect view{area.x, top, area.w, area.y + area.h - t.px(4) - top};
  const int rows = static_cast<int>(model.rows.size());
  if (view.h < row_height) return;

  const int now_at = f.ui.selected.case_index;
  if (key_pressed(kKeyPageDown)) select_case(f, std::min(now_at + 1, rows - 1));
  if (key_pressed(kKeyPageUp)) select_case(f, std::max(now_at - 1, 0));

  // The scroll position lives in ImGui's storage of this window: no other panel needs it.
  ImGuiStorage* storage = ImGui::GetStateStorage();
  float& scroll = *storage->GetFloatRef(ImGui::GetID("cases.scroll"), 0);
  int& shown = *storage->GetIntRef(ImGui::GetID("cases.shown"), -1);
  const ImGuiIO& io = ImGui::GetIO();
  const bool over = ImGui::IsWindowHovered() && view.contains(io.MousePos.x, io.MousePos.y);
  if (over && io.MouseWheel != 0) scroll -= io.MouseWheel * 2 * row_height;
  if (shown != f.ui.selected.case_index) {
    shown = f.ui.selected.case_index;
    scroll = scroll_to_row(scroll, shown, rows, row_height, view.h);
  }
  const float longest = rows * row_height;
  scroll = std::round(std::clamp(scroll, 0.0f, std::max(0.0f, longest - view.h)));

  ImDrawList* list = ImGui::GetWindowDrawList();
  list->PushClipRect(ImVec2(view.x, view.y), ImVec2(view.x + view.w, view.y + view.h), true);
  for (int i = static_cast<int>(scroll / row_height); i < rows; ++i) {
    const CaseRow& row = model.rows[i];
    const Rect place{view.x + t.px(4), view.y + i * row_height - scroll, view.w - t.px(8),
                     row_height};
    if (place.y >= view.y + view.h) break;
    const float low = std::max(place.y, view.y);
    const Rect seen{place.x, low, place.w, std::min(place.y + place.h, view.y + view.h) - low};
    f.ui.places["case." + std::to_string(i)] = seen;
    const bool hovered = over && seen.contains(io.MousePos.x, io.MousePos.y);
    if (hovered && ImGui::IsMouseClicked(0)) {
      select_case(f, i);
      shown = f.ui.selected.case_index;  // a click never scrolls
    }
    const bool current = i == f.ui.selected.case_index;
    if (current) fill_rect(place, t.color.wash, t.px(4));
    if (hovered && !current) fill_rect(place, t.color.raised, t.px(4));
    const float y = place.y + place.h / 2;
    draw_text(t, current ? t.font.strong : t.font.body, columns.index, y,
              current ? t.color.text : t.color.text2, row.index);
    draw_text(t, t.font.body, columns.depth, y, t.color.text, row.depth, Align::right);
    draw_text(t, t.font.body, columns.keys, y, t.color.text2, row.keys, Align::right);
    const float room = columns.full - t.px(12) - columns.answer;
    draw_text(t, t.font.body, columns.answer, y, t.color.text, row.answer, Align::left, room);
    draw_mark(t, columns.full, y, row.full, false);
    draw_mark(t, columns.plan, y, row.plan, model.stale);
    if (hovered) {
      if (text_width(t.font.body, row.answer) > room)
        draw_tooltip(t, {"case " + row.index, "answer " + row.answer});
      ImGui::SetMouseCursor(ImGuiMouseCursor_Hand);
    }
  }
  list->PopClipRect();
  if (longest > view.h + 0.5f) {
    const float h = std::max(t.px(16), view.h * view.h / longest);
    const float y = view.y + (view.h - h) * scroll / (longest - view.h);
    fill_rect({view.x + view.w - t.px(4), y, t.px(3), h}, t.color.hover, t.px(1));
  }
}

}  // namespace polykv
