// The tune panel: its four parts, and the job that runs with Cancel.
#include <algorithm>
#include <cmath>

#include "views/context_model.h"
#include "views/keys.h"
#include "views/tune_parts.h"
#include "views/views.h"

namespace polykv {
namespace {

const std::vector<std::string> kParts = {"Calibration", "Suggestions", "Search", "Audit"};

// What runs, with Cancel, right-aligned; returns the left edge.
float draw_job(Frame& f, Rect area) {
  const Theme& t = f.theme;
  float right = area.x + area.w - t.px(12);
  if (!tuning(f.now)) return right;
  const float y = area.y + t.px(15);
  if (draw_tune_button(f, "Cancel", right, y)) f.out.push_back(CancelWork{});
  const float left = f.ui.places["tune.Audit"].x + f.ui.places["tune.Audit"].w + t.px(12);
  const std::string words =
      format_count(std::lround(f.now.work.share * 100)) + "%, " + work_words(f.now.work);
  right -= t.px(2);
  if (right - left > t.px(40))
    right -= draw_text(t, t.font.small, right, y, t.color.text2, words, Align::right, right - left);
  return right;
}

}  // namespace

bool draw_tune_button(Frame& f, const std::string& label, float& right, float y, bool enabled) {
  const Theme& t = f.theme;
  const float w = std::round(text_width(t.font.body, label)) + t.px(20);
  right -= w;
  const Rect place = {right, y - t.px(11), w, t.px(22)};
  f.ui.places["tune." + label] = place;
  right -= t.px(8);
  return draw_button(t, ("tune " + label).c_str(), place, label, false, enabled);
}

int draw_tune_choice(Frame& f, const std::string& id, const std::string& label, float& right,
                     float y, const std::vector<MenuItem>& items) {
  const Theme& t = f.theme;
  const float w = std::round(text_width(t.font.body, label)) + t.px(30);
  right -= w;
  const Rect place = {right, y - t.px(11), w, t.px(22)};
  f.ui.places["tune." + id] = place;
  right -= t.px(8);
  const std::string menu = "tune " + id;
  const bool pressed = draw_chip(t, (menu + " chip").c_str(), place, "", label);
  return draw_menu(t, menu.c_str(), pressed, place.x, place.y + place.h + t.px(2), items,
                   &f.ui.places);
}

int draw_tune_segments(Frame& f, const char* id, float& x, float y,
                       const std::vector<std::string>& words, int current) {
  const Theme& t = f.theme;
  const int picked = draw_segments(t, id, x, y, words, current);
  for (const std::string& word : words) {
    const float w = segments_width(t, {word});
    f.ui.places["tune." + word] = {x, y - t.px(11), w, t.px(22)};
    x += w;
  }
  x += t.px(10);
  return picked;
}

TuneRows rows_that_fit(float room, int layers, int selected, float least, float most) {
  TuneRows rows;
  const float even = std::floor(room / static_cast<float>(std::max(1, layers)));
  rows.h = std::clamp(even, least, most);
  const int fit = std::max(1, static_cast<int>(room / rows.h));
  rows.first = std::clamp(selected - fit / 2, 0, std::max(0, layers - fit));
  rows.last = std::min(layers, rows.first + fit);
  return rows;
}

void draw_off_mark(const Theme& t, float x, float y, int dx, int dy, ImU32 color) {
  const float r = t.px(4), fx = static_cast<float>(dx), fy = static_cast<float>(dy);
  ImGui::GetWindowDrawList()->AddTriangleFilled(
      ImVec2(x + fx * r, y + fy * r), ImVec2(x - fx * r + fy * r, y - fy * r + fx * r),
      ImVec2(x - fx * r - fy * r, y - fy * r - fx * r), color);
}

ImU32 ink_on(double shade) {
  return shade > 0.5 ? IM_COL32(0, 0, 0, 255) : IM_COL32(255, 255, 255, 255);
}

void use_tune_keys(Frame& f) {
  if (ImGui::GetIO().KeyCtrl) return;
  if (key_pressed(kKeyT, false)) {
    TuneUi& ui = f.ui.tune;
    // The panel first, then its parts in turn.
    if (f.ui.lower_tab == 2) ui.part = static_cast<TunePart>((static_cast<int>(ui.part) + 1) % 4);
    f.ui.lower_tab = 2;
  }
  if (key_pressed(kKeyA, false) && f.ui.lower_tab == 2) {
    if (ImGui::GetIO().KeyShift) return apply_suggestions(f);
    const SuggestView& view = f.ui.tune_model->suggestions;
    for (const Suggestion& one : view.layers)
      if (one.layer == f.ui.selected.layer && !one.agrees) give_policy(f, one.layer, one.policy);
  }
}

void draw_tune(Frame& f, Rect area) {
  const Theme& t = f.theme;
  f.ui.places["tune_panel"] = area;
  const float busy = tuning(f.now) ? static_cast<float>(f.now.work.share) : -1;
  const Rect body = draw_lower_panel(f, area, "", area.x, busy);
  const Rect tab = f.ui.places["tab.Tune"];
  float x = tab.x + tab.w + t.px(14);
  f.ui.tune.part = static_cast<TunePart>(draw_tune_segments(
      f, "tune part", x, area.y + t.px(15), kParts, static_cast<int>(f.ui.tune.part)));
  draw_job(f, area);
  // An edit above may have made it anew: what is drawn here stays the same to the end.
  const std::shared_ptr<const TuneModel> model = f.ui.tune_model;
  if (!model || body.w < t.px(240) || body.h < t.px(60)) return;
  if (f.ui.tune.part == TunePart::calibration) draw_calibration(f, model->calibration, body);
  if (f.ui.tune.part == TunePart::suggestions) draw_suggestions(f, model->suggestions, body);
  if (f.ui.tune.part == TunePart::search) draw_search(f, model->search, body);
  if (f.ui.tune.part == TunePart::audit) draw_audit(f, model->audit, body);
}

}  // namespace polykv
