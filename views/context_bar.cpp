// Model, policy, total, query visibility, state pill, engine check.
#include <imgui.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "views/context_model.h"
#include "views/layers_model.h"
#include "views/policy_items.h"
#include "views/views.h"
#include "views/widgets.h"

namespace polykv {
namespace {

constexpr const char* kPolicyMenu = "policy of all layers";

float draw_label(const Theme& t, float x, float y, const char* text) {
  return x + draw_text(t, t.font.small, x, y, t.color.text2, text) + t.px(8);
}

float draw_model(Frame& f, float x, float y, const ContextModel& context, bool small) {
  const Theme& t = f.theme;
  x = draw_label(t, x, y, "Model");
  const float w = std::min(t.px(180), text_width(t.font.body, context.model) + t.px(36));
  const Rect chip = {x, y - t.px(12), std::round(w), t.px(24)};
  f.ui.places["model"] = chip;
  if (draw_chip(t, "model", chip, "", context.model))
    ask_path(f.ui, f.out, FileKind::open_model, f.now.model ? f.now.model->folder : "");
  if (ImGui::IsItemHovered() && f.now.model)
    draw_tooltip(t, {context.model, f.now.model->folder,
                     format_count(f.now.model->parameters) + " parameters, " +
                         format_count(f.now.model->shape.layers) + " layers"});
  x += chip.w + t.px(8);
  if (context.embedded && !small) {
    const float badge = text_width(t.font.small, "embedded") + t.px(10);
    draw_frame_rect({x, y - t.px(9), std::round(badge), t.px(18)}, t.color.line, t.px(1), t.px(4));
    draw_text(t, t.font.small, x + t.px(5), y, t.color.text2, "embedded");
    x += badge + t.px(8);
  }
  return x + t.px(12);
}

float draw_policy(Frame& f, float x, float y, const ContextModel& context) {
  const Theme& t = f.theme;
  x = draw_label(t, x, y, context.phase == Phase::decode ? "Decoding" : "Policy");
  const std::string label = context.policy.empty() ? "\u2014" : context.policy;
  float w = std::max(t.px(88), text_width(t.font.body, label) + t.px(36));
  if (!context.code.empty()) w += text_width(t.font.mono, context.code) + t.px(6);
  const Rect chip = {x, y - t.px(12), std::round(w), t.px(24)};
  f.ui.places["policy"] = chip;
  const bool pressed = draw_chip(t, "policy", chip, context.code, label);
  const std::vector<MenuItem> items =
      policy_items(f.now, f.ui.history.current(), context.phase, context.policy);
  const int picked =
      draw_menu(t, kPolicyMenu, pressed, chip.x, chip.y + chip.h + t.px(2), items, &f.ui.places);
  if (picked >= 0) {
    const EditRules rules = band_rules(f.now, f.ui);
    choose_policy(f, unlocked_layers(f.ui.history.current(), rules),
                  items[static_cast<std::size_t>(picked)].label);
  }
  return x + chip.w + t.px(20);
}

void apply_total(Frame& f) {
  const auto total = parse_budget(f.ui.context.total, 0, 0, 0);
  if (!total) {
    f.ui.message = "\u201c" + f.ui.context.total + "\u201d is no total: type a number of tokens.";
    f.ui.message_is_error = true;
    return;
  }
  const EditRules rules = band_rules(f.now, f.ui);
  edit_plan(f, with_total(f.ui.history.current(), *total, rules));
  const int reached = f.ui.history.current().total(rules.phase);
  if (reached == *total) return;
  f.ui.message = "The unlocked layers can hold " + format_count(reached) + " tokens in all, not " +
                 format_count(*total) + ".";
  f.ui.message_is_error = false;
}

// The total is a field: typed, Enter applies, Escape goes back.
float draw_total(Frame& f, float x, float y, const ContextModel& context, bool small) {
  const Theme& t = f.theme;
  x = draw_label(t, x, y, "Total");
  ContextUi& ui = f.ui.context;
  char text[24];
  std::snprintf(text, sizeof text, "%s",
                ui.typing_total ? ui.total.c_str() : format_count(context.total).c_str());
  if (!context.has_total) std::snprintf(text, sizeof text, "\u2014");
  const Rect field = {x, y - t.px(12), t.px(58), t.px(24)};
  f.ui.places["total"] = field;
  push_style(t);
  ImGui::PushStyleVar(ImGuiStyleVar_FramePadding, ImVec2(t.px(8), t.px(4)));
  if (t.font.strong) ImGui::PushFont(t.font.strong);
  const float line = ImGui::GetFontSize();
  ImGui::PushStyleVar(ImGuiStyleVar_FramePadding,
                      ImVec2(t.px(8), std::max(0.0f, (field.h - line) / 2)));
  ImGui::SetCursorScreenPos(ImVec2(field.x, field.y));
  ImGui::SetNextItemWidth(field.w);
  const ImGuiInputTextFlags flags =
      ImGuiInputTextFlags_EnterReturnsTrue | ImGuiInputTextFlags_AutoSelectAll |
      (context.has_total ? ImGuiInputTextFlags_None : ImGuiInputTextFlags_ReadOnly);
  const bool done = ImGui::InputText("##total", text, sizeof text, flags);
  ui.typing_total = ImGui::IsItemActive();
  ui.total = text;
  ImGui::PopStyleVar();
  if (t.font.strong) ImGui::PopFont();
  ImGui::PopStyleVar();
  pop_style();
  draw_frame_rect(field,
                  ui.typing_total                 ? t.color.accent
                  : t.kind == ThemeKind::contrast ? t.color.edge
                                                  : t.color.line,
                  t.px(1), t.px(4));
  if (done && context.has_total) {
    ui.typing_total = false;
    apply_total(f);
  }
  x += field.w + t.px(8);
  x += draw_text(t, t.font.small, x, y, t.color.text2,
                 small ? context.short_equation : context.equation);
  return x + t.px(20);
}

float draw_query(Frame& f, float x, float y) {
  const Theme& t = f.theme;
  x = draw_label(t, x, y, "Query");
  const Plan& plan = f.ui.history.current();
  const int current = plan.query == QueryVisibility::aware ? 1 : 0;
  float width = 0;
  const int picked = draw_segments(t, "query", x, y, {"agnostic", "aware"}, current, &width);
  const float first = segments_width(t, {"agnostic"});
  f.ui.places["query.agnostic"] = {x, y - t.px(11), first, t.px(22)};
  f.ui.places["query.aware"] = {x + first, y - t.px(11), width - first, t.px(22)};
  if (picked != current && plan.layers() > 0) {
    Plan next = plan;
    next.query = picked == 1 ? QueryVisibility::aware : QueryVisibility::agnostic;
    edit_plan(f, std::move(next));
  }
  const Rect whole = {x, y - t.px(11), width, t.px(22)};
  const ImVec2 mouse = ImGui::GetIO().MousePos;
  if (ImGui::IsWindowHovered() && whole.contains(mouse.x, mouse.y))
    draw_tooltip(t, {"Query visibility", "agnostic: the cut sees the context only",
                     "aware: the cut sees the context and the question"});
  return x + width + t.px(20);
}

// Returns the left edge.
float draw_check(Frame& f, float right, float y, const ContextModel& context, bool small) {
  const Theme& t = f.theme;
  const Palette& c = t.color;
  const std::string& word = small ? context.check_short : context.check_word;
  const float width = std::round(text_width(t.font.small, word)) + t.px(22);
  const float x = right - width;
  const Rect area = {x - t.px(4), y - t.px(12), width + t.px(8), t.px(24)};
  f.ui.places["check"] = area;
  ImGui::SetCursorScreenPos(ImVec2(area.x, area.y));
  if (ImGui::InvisibleButton("check", ImVec2(area.w, area.h)) && f.now.model)
    f.out.push_back(RunCheck{});
  if (ImGui::IsItemHovered()) {
    fill_rect(area, c.raised, t.px(4));
    ImGui::SetMouseCursor(ImGuiMouseCursor_Hand);
    draw_tooltip(t, context.check_lines);
  }
  const float r = t.px(6), cx = x + r;
  if (context.check == CheckState::ok) {
    draw_disc(cx, y, r, c.ok);
    draw_tick(cx, y, r * 0.62f, c.panel);
  } else if (context.check == CheckState::failed) {
    draw_cross(cx, y, r, c.error);
  } else if (context.check == CheckState::running) {
    draw_pill_shape(t, cx, y, r, Pill::running, c.accent);
  } else {
    draw_ring(cx, y, r - 0.7f, c.text3);
  }
  draw_text(t, t.font.small, x + t.px(20), y, c.text2, word);
  return area.x;
}

}  // namespace

void draw_context_bar(Frame& f, Rect area) {
  const Theme& t = f.theme;
  fill_rect(area, t.color.panel);
  const ContextModel context = condense_context(f.now, f.ui);
  const float y = area.y + area.h / 2;
  const bool small = area.w < t.px(1440);
  float x = area.x + t.px(12);
  x = draw_model(f, x, y, context, small);
  x = draw_policy(f, x, y, context);
  x = draw_total(f, x, y, context, small);
  x = draw_query(f, x, y);
  float right = draw_check(f, area.x + area.w - t.px(12), y, context, small) - t.px(14);
  if (f.ui.pill == Pill::none) return;
  // A long detail goes before it meets the query switch.
  std::string detail = context.pill_detail;
  const float room = right - x - text_width(t.font.small_medium, context.pill_word) - t.px(48);
  if (text_width(t.font.small, detail) > room) detail.clear();
  float left = right;
  draw_pill(t, right, y, f.ui.pill, context.pill_word, detail, &left);
  f.ui.places["pill"] = {left, y - t.px(12), right - left, t.px(24)};
  if (f.ui.pill == Pill::running || context.check == CheckState::running) f.ui.wants_frame = true;
}

}  // namespace polykv
