// The path field of the File menu: what is typed, what goes on from it, and why it cannot be
// opened.
#include <imgui.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/error.h"
#include "views/keys.h"
#include "views/opening_model.h"
#include "views/views.h"
#include "views/widgets.h"

namespace polykv {
namespace {

constexpr const char* kPopup = "path";
constexpr float kWidth = 560, kInset = 16, kRow = 26;

std::string title_of(const FileRequest& asked) {
  switch (asked.kind) {
    case FileKind::open_model:
      return "Open model: a Hugging Face folder";
    case FileKind::open_plan:
      return "Open plan: a JSON file, or POLICY:BUDGET such as snapkv:64";
    case FileKind::save_plan:
      return "Save plan as";
    case FileKind::export_kvpress:
      return "Export the plan as a Python file for kvpress 0.5";
    case FileKind::open_cases:
      return "Open cases: a JSON lines file";
    case FileKind::policy_file:
      return (asked.layers.size() == 1 ? "L" + std::to_string(asked.layers[0]) + " " : "") +
             asked.policy + ": the JSON file of its trained numbers";
    case FileKind::none:
      break;
  }
  return "";
}

const char* hint_of(FileKind kind) {
  if (kind == FileKind::policy_file) return "Enter uses the file, Esc leaves the plan as it is.";
  if (kind == FileKind::save_plan || kind == FileKind::export_kvpress)
    return "Enter writes the file, Esc closes.";
  return "Enter opens, Esc closes. A folder or file can also be dropped on the window.";
}

// ImGui changes an active field only through a callback; it puts in what Tab completes to.
int put_completion(ImGuiInputTextCallbackData* data) {
  const auto& text = *static_cast<const std::string*>(data->UserData);
  data->DeleteChars(0, data->BufTextLen);
  data->InsertChars(0, text.c_str());
  return 0;
}

// True when Enter was pressed; the text goes into ui.asking.path.
bool draw_field(Frame& f, Rect area) {
  const Theme& t = f.theme;
  const bool is_model = f.ui.asking.kind == FileKind::open_model;
  char text[1024];
  std::snprintf(text, sizeof text, "%s", f.ui.asking.path.c_str());
  std::string completed = is_model ? completed_path(f.now, f.ui.asking.path) : f.ui.asking.path;
  if (t.font.body) ImGui::PushFont(t.font.body);
  ImGui::PushStyleVar(ImGuiStyleVar_FramePadding,
                      ImVec2(t.px(8), std::max(0.0f, (area.h - ImGui::GetFontSize()) / 2)));
  ImGui::SetCursorScreenPos(ImVec2(area.x, area.y));
  ImGui::SetNextItemWidth(area.w);
  if (f.ui.asking_starts) ImGui::SetKeyboardFocusHere();
  const bool done =
      ImGui::InputText("##path", text, sizeof text,
                       ImGuiInputTextFlags_EnterReturnsTrue | ImGuiInputTextFlags_AutoSelectAll |
                           ImGuiInputTextFlags_CallbackCompletion,
                       put_completion, &completed);
  ImGui::PopStyleVar();
  if (t.font.body) ImGui::PopFont();
  const bool wrong = !f.ui.asking_error.empty();
  draw_frame_rect(area, wrong ? t.color.error : t.color.accent, t.px(1), t.px(4));
  if (f.ui.asking.path != text) f.ui.asking_error.clear();
  f.ui.asking.path = text;
  if (is_model && f.ui.listed != f.ui.asking.path) {
    f.ui.listed = f.ui.asking.path;
    f.out.push_back(ListFolders{f.ui.asking.path});
  }
  return done && text[0] != '\0';
}

void submit(Frame& f) {
  if (f.ui.asking.kind == FileKind::open_model) {
    ask_model(f.ui, f.out, f.ui.asking.path, false);
    f.ui.opening.from_field = true;
  } else if (f.ui.asking.kind == FileKind::policy_file) {
    try {
      use_policy_file(f, f.ui.asking.layers, f.ui.asking.policy, f.ui.asking.path);
      ImGui::CloseCurrentPopup();
    } catch (const Error& error) {
      f.ui.asking_error = error.what();
      f.ui.asking_starts = true;  // the field takes the keyboard again
    }
  } else {
    f.ui.files.push_back(f.ui.asking);
    ImGui::CloseCurrentPopup();
  }
}

void draw_offers(Frame& f, Rect area, const std::vector<PathOffer>& offers) {
  const Theme& t = f.theme;
  const Palette& c = t.color;
  float y = area.y;
  draw_text(t, t.font.small_medium, area.x, y + t.px(12), c.text2,
            offers[0].recent ? "Recent" : "Folders, Tab completes");
  y += t.px(kRow);
  for (std::size_t i = 0; i < offers.size(); ++i) {
    const PathOffer& offer = offers[i];
    const Rect row = {area.x - t.px(8), y, area.w + t.px(16), t.px(kRow)};
    f.ui.places["offer." + std::to_string(i)] = row;
    ImGui::PushID(static_cast<int>(i));
    ImGui::SetCursorScreenPos(ImVec2(row.x, row.y));
    const bool pressed = ImGui::InvisibleButton("offer", ImVec2(row.w, row.h)) && offer.enabled;
    if (ImGui::IsItemHovered() && offer.enabled) fill_rect(row, c.wash, t.px(4));
    ImGui::PopID();
    const float middle = y + row.h / 2;
    const float used = draw_text(t, t.font.body, area.x, middle, offer.enabled ? c.text : c.text3,
                                 offer.label, Align::left, area.w * 0.6f);
    draw_text(t, t.font.small, area.x + area.w, middle, c.text3, offer.hint, Align::right,
              area.w - used - t.px(16));
    y += row.h;
    if (!pressed) continue;
    f.ui.asking.path = offer.path;
    if (offer.recent) {
      submit(f);
    } else {
      ask_path(f.ui, f.out, FileKind::open_model, offer.path);
    }
  }
}

}  // namespace

void draw_path_field(Frame& f, Rect bar) {
  const Theme& t = f.theme;
  if (f.ui.asking_starts && !ImGui::IsPopupOpen(kPopup)) ImGui::OpenPopup(kPopup);
  if (f.ui.asking_starts) f.ui.wants_frame = true;  // the keyboard comes one frame later
  if (f.ui.asking.kind == FileKind::none) return;
  std::vector<PathOffer> offers;
  if (f.ui.asking.kind == FileKind::open_model) offers = path_offers(f.now, f.ui.asking.path);
  const float w = std::min(t.px(kWidth), bar.w), inner = w - 2 * t.px(kInset);
  const float error = wrapped_height(t.font.body, inner - t.px(18), f.ui.asking_error);
  float h = t.px(104);
  if (error > 0) h += error + t.px(12);
  if (!offers.empty()) h += t.px(kRow) * static_cast<float>(offers.size() + 1) + t.px(8);
  const float x = std::round((bar.w - w) / 2), top = bar.y + t.px(96), left = x + t.px(kInset);
  ImGui::SetNextWindowPos(ImVec2(x, top));
  ImGui::SetNextWindowSize(ImVec2(w, h));
  push_style(t);
  if (ImGui::BeginPopup(kPopup, ImGuiWindowFlags_NoMove | ImGuiWindowFlags_NoScrollbar)) {
    f.ui.places["path_field"] = {x, top, w, h};
    draw_text(t, t.font.strong, left, top + t.px(20), t.color.text, title_of(f.ui.asking));
    const bool starts = f.ui.asking_starts;
    const bool entered = draw_field(f, {left, top + t.px(36), inner, t.px(28)});
    f.ui.asking_starts = false;
    float y = top + t.px(72);
    if (error > 0) {
      draw_cross(left + t.px(5), y + t.px(9), t.px(5), t.color.error);
      y += draw_wrapped(t, t.font.body, left + t.px(18), y, inner - t.px(18), t.color.text,
                        f.ui.asking_error) +
           t.px(12);
    }
    if (entered) submit(f);
    if (!offers.empty()) draw_offers(f, {left, y, inner, h}, offers);
    draw_text(t, t.font.small, left, top + h - t.px(18), t.color.text3, hint_of(f.ui.asking.kind));
    const bool escape = !starts && ImGui::IsKeyPressed(kKeyEscape, false);
    if (escape || f.ui.opening.shown) ImGui::CloseCurrentPopup();
    ImGui::EndPopup();
  }
  pop_style();
  if (ImGui::IsPopupOpen(kPopup)) return;
  f.ui.asking = {};
  f.ui.asking_error.clear();
  f.ui.asking_starts = f.ui.opening.from_field = false;
}

}  // namespace polykv
