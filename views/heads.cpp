// The heads panel: layer x head scores, threshold and voters, and what masking the heads costs.
#include <algorithm>
#include <cmath>

#include "views/heads_model.h"
#include "views/views.h"
#include "views/widgets.h"

namespace polykv {
namespace {

constexpr float kGutter = 36, kSideWidth = 172, kMaskWidth = 236;

// Cells of the matrix in device pixels; `fit` rows from layer `first` on, when not all fit.
struct Grid {
  float x = 0, y = 0, cell_w = 0, cell_h = 0, gap = 0, kv_gap = 0;
  int group = 1, fit = 1, first = 0, last = 0;
  bool numbers = false, head_names = false;
  Rect cell(int layer, int head) const {
    const float left = x + head * cell_w + (head / group) * kv_gap;
    return {std::round(left), std::round(y + (layer - first) * cell_h),
            std::max(1.0f, std::round(cell_w - gap)), std::max(1.0f, std::round(cell_h - gap))};
  }
};

Grid lay_out(const Theme& t, Rect room, const HeadsModel& model) {
  Grid grid;
  const int layers = static_cast<int>(model.rows.size());
  const int heads = layers > 0 ? static_cast<int>(model.rows[0].cells.size()) : 0;
  grid.group = model.kv_group;
  const int groups = std::max(1, heads / grid.group);
  grid.kv_gap = t.px(groups > 16 ? 3 : 10);
  const float gaps = grid.kv_gap * static_cast<float>(groups - 1);
  grid.cell_w = std::clamp((room.w - t.px(kGutter) - gaps) / static_cast<float>(std::max(1, heads)),
                           t.px(5), t.px(44));
  grid.head_names = grid.cell_w >= t.px(24) && room.h >= t.px(132);
  const float top = t.px(grid.head_names ? 32 : 17);
  const float most = room.h - top;
  const float even = std::floor(most / static_cast<float>(std::max(1, layers)));
  grid.cell_h = std::clamp(even, t.px(18), t.px(24));
  grid.fit = std::clamp(static_cast<int>(most / grid.cell_h), 1, std::max(1, layers));
  grid.gap = grid.cell_w >= t.px(12) ? t.px(2) : t.px(1);
  grid.numbers = grid.cell_w >= t.px(28);
  grid.x = room.x + t.px(kGutter);
  grid.y = room.y + top;
  return grid;
}

// Rows out of sight are reached with the wheel and the bar; a newly selected layer comes into
// sight.
void scroll_rows(Frame& f, Grid& grid, Rect room, int layers) {
  const Theme& t = f.theme;
  HeadsUi& ui = f.ui.heads;
  const int hidden = layers - grid.fit, selected = f.ui.selected.layer;
  if (ui.followed != selected) {
    ui.followed = selected;
    ui.first = std::clamp(ui.first, selected - grid.fit + 1, selected);
  }
  if (hidden > 0) {
    const ImVec2 mouse = ImGui::GetIO().MousePos;
    const float wheel = ImGui::GetIO().MouseWheel, rows = static_cast<float>(layers);
    if (ImGui::IsWindowHovered() && room.contains(mouse.x, mouse.y) && wheel != 0)
      ui.first -= wheel > 0 ? 1 : -1;
    const Rect track = {room.x, grid.y, t.px(4),
                        grid.cell_h * static_cast<float>(grid.fit) - grid.gap};
    ImGui::SetCursorScreenPos(ImVec2(track.x - t.px(4), track.y));
    ImGui::InvisibleButton("heads.rows", ImVec2(t.px(12), track.h));
    const bool hot = ImGui::IsItemHovered() || ImGui::IsItemActive();
    if (ImGui::IsItemActive())
      ui.first = static_cast<int>((mouse.y - track.y) / track.h * rows) - grid.fit / 2;
    ui.first = std::clamp(ui.first, 0, hidden);
    fill_rect(track, t.color.raised, t.px(2));
    fill_rect({track.x, track.y + track.h * static_cast<float>(ui.first) / rows, track.w,
               track.h * static_cast<float>(grid.fit) / rows},
              hot ? t.color.text2 : t.color.edge, t.px(2));
    f.ui.places["heads.rows"] = track;
  }
  ui.first = std::clamp(ui.first, 0, hidden);
  grid.first = ui.first;
  grid.last = ui.first + grid.fit;
}

// "KV 0" over a 2 px bracket, head names under it.
void draw_axes(const Theme& t, const Grid& grid, int heads, const Selection& at, float top) {
  const int groups = std::max(1, heads / grid.group);
  int last_named = -1000;
  for (int g = 0; g < groups; ++g) {
    const Rect from = grid.cell(grid.first, g * grid.group);
    const Rect to = grid.cell(grid.first, (g + 1) * grid.group - 1);
    const float w = to.x + to.w - from.x;
    fill_rect({from.x, top + t.px(12), w, t.px(2)}, t.color.text3);
    const std::string name = "KV " + std::to_string(g);
    if (from.x > static_cast<float>(last_named) &&
        (w >= text_width(t.font.small, name) || g % 4 == 0)) {
      draw_text(t, t.font.small, from.x + w / 2, top + t.px(4), t.color.text2, name, Align::centre);
      last_named = static_cast<int>(from.x + text_width(t.font.small, name) + t.px(8));
    }
  }
  for (int h = 0; grid.head_names && h < heads; ++h) {
    const Rect cell = grid.cell(grid.first, h);
    draw_text(t, t.font.small, cell.x + cell.w / 2, top + t.px(23),
              h == at.head ? t.color.text : t.color.text3, "H" + std::to_string(h), Align::centre);
  }
}

void draw_cell(const Theme& t, const Grid& grid, Rect area, const HeadCell& cell, double top) {
  const bool known = std::isfinite(cell.value);
  const auto share = static_cast<float>(known && top > 0 ? std::max(0.0, cell.value / top) : 0);
  const ImU32 fill = known ? map_color(ColorMap::cividis, share) : t.color.raised;
  fill_rect(area, fill, grid.gap > t.px(1) ? t.px(2) : 0);
  if (!known) draw_hatch(t, area, t.color.hatch, 5);
  // The dark end of the map is no shape on black.
  if (t.kind == ThemeKind::contrast && grid.gap > t.px(1))
    draw_frame_rect(area, t.color.line, t.px(1), t.px(2));
  const ImU32 ink = known && share > 0.5f ? IM_COL32(0, 0, 0, 255) : IM_COL32(255, 255, 255, 255);
  // Right of the middle: a voter's bar beside a digit would read as a 1.
  if (cell.over && grid.numbers)
    draw_text(t, t.font.small_medium, area.x + area.w / 2 + t.px(2), area.y + area.h / 2 - t.px(1),
              ink, head_text(cell.value), Align::centre);
  if (cell.over && area.w >= t.px(8)) {
    const float inset = std::min(t.px(8), area.w / 4);
    fill_rect({area.x + inset + (grid.numbers ? t.px(2) : 0), area.y + area.h - t.px(3),
               area.w - 2 * inset, t.px(1.5f)},
              ink);
  }
  // A voter carries a bar at its left edge.
  if (cell.votes && area.w >= t.px(8))
    fill_rect({area.x + t.px(2), area.y + t.px(2), t.px(2), area.h - t.px(4)},
              known ? ink : t.color.text);
}

void draw_cell_tip(Frame& f, const HeadsModel& model, const HeadCell& cell, int layer, int head) {
  const HeadLayer& scores = f.now.heads->layers[static_cast<std::size_t>(layer)];
  const auto line = [&](const char* name, const std::vector<HeadScore>& all) {
    if (static_cast<std::size_t>(head) >= all.size()) return std::string(name) + " unknown";
    const HeadScore& score = all[static_cast<std::size_t>(head)];
    return std::string(name) + " " + format_number(score.mean, 3) + " \u00b1 " +
           format_number(score.spread, 3) + " (standard error), n = " + format_count(score.n);
  };
  std::vector<std::string> lines = {"L" + std::to_string(layer) + " H" + std::to_string(head) +
                                        " (KV " + std::to_string(head / model.kv_group) + ")",
                                    line("SRH", scores.srh), line("TRH", scores.trh)};
  if (cell.rank >= 0)
    lines.push_back("rank " + format_count(cell.rank + 1) + " of its layer" +
                    (cell.votes ? ", votes" : ", does not vote"));
  if (!model.warning.empty()) lines.push_back(model.warning);
  lines.push_back("click: its attention in the heatmap");
  draw_tooltip(f.theme, lines);
}

void draw_matrix(Frame& f, const HeadsModel& model, Rect room) {
  const Theme& t = f.theme;
  Grid grid = lay_out(t, room, model);
  scroll_rows(f, grid, room, static_cast<int>(model.rows.size()));
  const int heads = static_cast<int>(model.rows[0].cells.size());
  draw_axes(t, grid, heads, f.ui.selected, room.y);
  for (int layer = grid.first; layer < grid.last; ++layer) {
    const bool selected = layer == f.ui.selected.layer;
    const Rect first = grid.cell(layer, 0);
    draw_text(t, selected ? t.font.small_medium : t.font.small, grid.x - t.px(8),
              first.y + first.h / 2, selected ? t.color.text : t.color.text2,
              "L" + std::to_string(layer), Align::right);
    for (int head = 0; head < heads; ++head)
      draw_cell(t, grid, grid.cell(layer, head),
                model.rows[static_cast<std::size_t>(layer)].cells[static_cast<std::size_t>(head)],
                model.top);
  }
  const Selection& at = f.ui.selected;
  if (at.layer >= grid.first && at.layer < grid.last && at.head < heads) {
    const Rect c = grid.cell(at.layer, at.head);
    draw_frame_rect({c.x - t.px(1), c.y - t.px(1), c.w + t.px(2), c.h + t.px(2)}, t.color.panel,
                    t.px(1), t.px(3));
    draw_frame_rect({c.x - t.px(3), c.y - t.px(3), c.w + t.px(6), c.h + t.px(6)}, t.color.accent,
                    t.px(2), t.px(4));
  }
  const Rect low = grid.cell(grid.first, 0), high = grid.cell(grid.last - 1, heads - 1);
  const Rect all = {low.x, low.y, high.x + high.w - low.x, high.y + high.h - low.y};
  f.ui.places["heads.matrix"] = all;
  ImGui::SetCursorScreenPos(ImVec2(all.x, all.y));
  const bool pressed = ImGui::InvisibleButton("heads.matrix", ImVec2(all.w, all.h));
  if (!ImGui::IsItemHovered() && !pressed) return;
  const ImVec2 mouse = ImGui::GetIO().MousePos;
  for (int layer = grid.first; layer < grid.last; ++layer) {
    for (int head = 0; head < heads; ++head) {
      if (!grid.cell(layer, head).contains(mouse.x, mouse.y)) continue;
      ImGui::SetMouseCursor(ImGuiMouseCursor_Hand);
      if (pressed) f.ui.selected.layer = layer, f.ui.selected.head = head;
      const HeadRow& row = model.rows[static_cast<std::size_t>(layer)];
      draw_cell_tip(f, model, row.cells[static_cast<std::size_t>(head)], layer, head);
    }
  }
}

// The colour bar with the threshold as a triangle and a line; dragging moves it.
void draw_threshold(Frame& f, const HeadsModel& model, Rect area) {
  const Theme& t = f.theme;
  const Rect bar = {area.x, area.y + t.px(12), area.w, t.px(10)};
  const int steps = static_cast<int>(bar.w);
  for (int i = 0; i < steps; ++i)
    fill_rect({bar.x + static_cast<float>(i), bar.y, 1, bar.h},
              map_color(ColorMap::cividis,
                        static_cast<float>(i) / static_cast<float>(std::max(1, steps - 1))));
  const Rect grab = {bar.x - t.px(6), area.y, bar.w + t.px(12), t.px(38)};
  f.ui.places["heads.threshold"] = bar;
  ImGui::SetCursorScreenPos(ImVec2(grab.x, grab.y));
  ImGui::InvisibleButton("heads.threshold", ImVec2(grab.w, grab.h));
  if (ImGui::IsItemHovered() || ImGui::IsItemActive())
    ImGui::SetMouseCursor(ImGuiMouseCursor_ResizeEW);
  if (ImGui::IsItemHovered() && !ImGui::IsItemActive())
    draw_tooltip(t, {"Threshold", "heads at or above it carry their value; masking masks them"});
  HeadsUi& ui = f.ui.heads;
  if (ImGui::IsItemActive()) {
    const float share = std::clamp((ImGui::GetIO().MousePos.x - bar.x) / bar.w, 0.0f, 1.0f);
    ui.threshold[ui.score] = share * model.top;
    ui.dragging = "threshold";
    f.ui.wants_frame = true;
  } else if (ui.dragging == "threshold") {
    ui.dragging.clear();
  }
  const auto at = static_cast<float>(model.top > 0 ? model.threshold / model.top : 0);
  const float x = std::round(bar.x + bar.w * at);
  ImDrawList* list = ImGui::GetWindowDrawList();
  list->AddTriangleFilled(ImVec2(x - t.px(5), bar.y - t.px(8)),
                          ImVec2(x + t.px(5), bar.y - t.px(8)), ImVec2(x, bar.y - t.px(1)),
                          t.color.text);
  fill_rect({x - t.px(1), bar.y - t.px(2), t.px(2), bar.h + t.px(4)}, t.color.text);
  // The ends of the scale go where the threshold's number stands.
  const float y = bar.y + bar.h + t.px(11);
  const std::string number = "\u2265 " + format_number(model.threshold, 2);
  const float half = text_width(t.font.small_medium, number) / 2;
  const float middle = std::clamp(x, bar.x + half, bar.x + bar.w - half);
  draw_text(t, t.font.small_medium, middle, y, t.color.text, number, Align::centre);
  if (middle - half > bar.x + t.px(16)) draw_text(t, t.font.small, bar.x, y, t.color.text3, "0");
  const std::string most = format_number(model.top, 2);
  if (middle + half < bar.x + bar.w - text_width(t.font.small, most) - t.px(8))
    draw_text(t, t.font.small, bar.x + bar.w, y, t.color.text3, most, Align::right);
}

// How many heads of a layer vote. With compresskv in the plan the handle edits the plan.
void draw_votes(Frame& f, const HeadsModel& model, Rect area) {
  const Theme& t = f.theme;
  HeadsUi& ui = f.ui.heads;
  const float y = area.y + area.h / 2, label = t.px(38);
  draw_text(t, t.font.small, area.x, y, t.color.text2, "voters");
  const float x = area.x + label + t.px(4), w = area.w - label - t.px(28);
  double share = model.most_votes > 1 ? double(model.votes - 1) / (model.most_votes - 1) : 0;
  f.ui.places["heads.votes"] = {x, area.y, w, area.h};
  const bool held = draw_slider(t, "heads.votes", x, y, w, share);
  if (ImGui::IsItemActivated()) {
    ui.dragging = "top";
    f.ui.band.before_drag = f.ui.history.current();
    begin_edit_drag(f);
  }
  if (ImGui::IsItemHovered() && !held)
    draw_tooltip(t, {"Voters", "the best SRHs of a layer, with a bar at their left edge",
                     model.votes_in_plan ? "sets `heads` of every compresskv layer of the plan"
                                         : "no layer of the plan uses compresskv"});
  const int votes = 1 + static_cast<int>(std::lround(share * (model.most_votes - 1)));
  if (held && votes != model.votes) {
    ui.top = votes;
    if (model.votes_in_plan) edit_plan(f, with_votes(f.ui.history.current(), votes));
  }
  if (!held && ui.dragging == "top") {
    ui.dragging.clear();
    end_edit_drag(f);
  }
  draw_text(t, t.font.small_medium, area.x + area.w, y, t.color.text, format_count(model.votes),
            Align::right);
}

void ask_mask(Frame& f, const HeadsModel& model) {
  HeadsUi& ui = f.ui.heads;
  ui.masked = model.chosen;
  f.out.push_back(MaskHeads{++ui.request, model.chosen});
}

// The switch, and three lines with recall and its interval.
void draw_mask(Frame& f, const HeadsModel& model, Rect area) {
  const Theme& t = f.theme;
  HeadsUi& ui = f.ui.heads;
  float y = area.y + t.px(11);
  const std::string label =
      "Mask " + format_count(model.over) + (model.over == 1 ? " head" : " heads");
  f.ui.places["heads.mask"] = {area.x, y - t.px(11), t.px(24), t.px(22)};
  bool on = ui.masking;
  if (draw_toggle(t, "heads.mask", area.x, y, label, on)) {
    ui.masking = on && model.mask_fault.empty();
    if (ui.masking) ask_mask(f, model);
    if (!on && model.measuring) f.out.push_back(CancelWork{});
  }
  const bool waits = ui.masking && (!f.now.mask || f.now.mask->request != ui.request);
  // Let go of the threshold, other heads are chosen: they are measured instead.
  if (ui.masking && ui.dragging.empty() && model.mask_fault.empty() && ui.masked != model.chosen)
    ask_mask(f, model);
  y += t.px(20);
  if (!model.mask_fault.empty()) {
    draw_text(t, t.font.small, area.x, y, t.color.text3, model.mask_fault, Align::left, area.w);
    return;
  }
  if (!ui.masking) {
    draw_text(t, t.font.small, area.x, y, t.color.text3, "beside as many at random, full cache",
              Align::left, area.w);
    return;
  }
  if (model.mask.empty()) {
    const bool idle = f.now.work.kind == Work::idle;
    draw_text(t, t.font.small, area.x, y, t.color.text3,
              waits && idle ? "broken off: switch off and on to try again" : "measuring",
              Align::left, area.w);
    return;
  }
  const float right = area.x + area.w, recall = right - t.px(32);
  draw_text(t, t.font.small, recall, y, t.color.text3, "recall", Align::right);
  draw_text(t, t.font.small, right, y, t.color.text3, "NLL", Align::right);
  for (const MaskLine& line : model.mask) {
    y += t.px(17);
    const ImU32 ink = waits ? t.color.text3 : t.color.text;
    draw_text(t, t.font.small, area.x, y, waits ? t.color.text3 : t.color.text2, line.name);
    draw_text(t, t.font.small, recall, y, ink, line.recall, Align::right);
    draw_text(t, t.font.small, right, y, ink, line.nll, Align::right);
  }
  const ImVec2 mouse = ImGui::GetIO().MousePos;
  if (ImGui::IsWindowHovered() && area.contains(mouse.x, mouse.y) && mouse.y > area.y + t.px(22))
    draw_tooltip(t, {"Masked heads: query vectors 0 while the answer is fed", model.mask_note,
                     "intervals: 95%, Wilson over the cases; random: t over the draws"});
  y += t.px(17);
  if (y + t.px(6) <= area.y + area.h)
    draw_text(t, t.font.small, area.x, y, t.color.text3, model.mask_note, Align::left, area.w);
}

// SRH | TRH, Find heads or progress with Cancel; returns the left edge.
float draw_controls(Frame& f, const HeadsModel& model, Rect area) {
  const Theme& t = f.theme;
  const float y = area.y + t.px(15);
  float right = area.x + area.w - t.px(12);
  const auto button = [&](const char* word, bool enabled) {
    const float w = std::round(text_width(t.font.body, word)) + t.px(20);
    right -= w;
    const Rect place = {right, y - t.px(11), w, t.px(22)};
    f.ui.places[std::string("heads.") + word] = place;
    return draw_button(t, (std::string("heads ") + word).c_str(), place, word, false, enabled);
  };
  if (model.measuring) {
    if (button("Cancel", true)) f.out.push_back(CancelWork{});
    right -= t.px(10);
    const std::string words = format_count(std::lround(model.share * 100)) + "%" +
                              (model.work.empty() ? "" : ", ") + model.work;
    const float w = std::min(t.px(230), text_width(t.font.small, words));
    right -= w;
    draw_text(t, t.font.small, right, y, t.color.text2, words, Align::left, w + 1);
  } else if (model.there) {
    if (button("Find heads", !model.action.empty())) f.out.push_back(FindHeads{});
    if (ImGui::IsItemHovered())
      draw_tooltip(t, {"Find heads", "scores every head on the case set at hand, full cache;",
                       "compresskv and headkv use the new list at once"});
  }
  if (!model.there) return right - t.px(12);
  const std::vector<std::string> words = {"SRH", "TRH"};
  right -= t.px(12) + segments_width(t, words);
  f.ui.places["heads.SRH"] = {right, y - t.px(11), segments_width(t, words) / 2, t.px(22)};
  f.ui.places["heads.TRH"] = {right + segments_width(t, words) / 2, y - t.px(11),
                              segments_width(t, words) / 2, t.px(22)};
  f.ui.heads.score = draw_segments(t, "heads.score", right, y, words, f.ui.heads.score);
  return right - t.px(12);
}

}  // namespace

void draw_heads(Frame& f, Rect area) {
  const Theme& t = f.theme;
  f.ui.places["heads_panel"] = area;
  const HeadsModel model = condense_heads(f.now, f.ui);
  const float busy = model.measuring ? static_cast<float>(model.share) : -1;
  Rect body = draw_lower_panel(f, area, "", area.x, busy);
  const float stamp_right = draw_controls(f, model, area);
  const float stamp_x = f.ui.places["tab.Heads"].x + f.ui.places["tab.Heads"].w + t.px(6);
  if (!model.there) {
    if (draw_empty(t, body, model.missing, model.action)) f.out.push_back(FindHeads{});
    return;
  }
  const bool warns = !model.warning.empty();
  if (stamp_right - stamp_x > t.px(24))
    draw_text(t, t.font.small, stamp_x, area.y + t.px(15), warns ? t.color.warn : t.color.text3,
              warns ? model.warning : model.stamp, Align::left, stamp_right - stamp_x);
  body.h -= t.px(8);
  const float side = t.px(kSideWidth), mask = t.px(kMaskWidth), gap = t.px(20);
  const float left = body.w - side - mask - 2 * gap;
  if (model.rows.empty() || left < t.px(80) || body.h < t.px(40)) return;
  draw_matrix(f, model, {body.x, body.y, left, body.h});
  const Rect matrix = f.ui.places["heads.matrix"];
  // The controls follow the matrix, which may be narrower than its room.
  const float x = std::min(matrix.x + matrix.w + gap, body.x + left + gap);
  draw_text(t, t.font.body, x, body.y + t.px(8), t.color.text, model.count);
  draw_threshold(f, model, {x, body.y + t.px(24), side, t.px(40)});
  draw_votes(f, model, {x, body.y + t.px(68), side, t.px(24)});
  const float mask_x = x + side + gap;
  const float mask_w = std::min(t.px(330), body.x + body.w - mask_x);
  draw_mask(f, model, {mask_x, body.y - t.px(2), mask_w, body.h + t.px(6)});
}

}  // namespace polykv
