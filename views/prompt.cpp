// The prompt: the context as flowing words with their fate in the selected layer, and the answers.
#include <algorithm>
#include <cmath>

#include "views/prompt_model.h"
#include "views/views.h"
#include "views/widgets.h"

namespace polykv {

namespace {

struct FlowView {
  Rect area;
  float line_height = 0;
  int first = 0, visible = 0;  // lines
  int hovered = -1;            // token under the pointer
};

Rect piece_rect(const FlowView& view, const PromptPiece& piece) {
  return {view.area.x + piece.x, view.area.y + (piece.line - view.first) * view.line_height,
          piece.width, view.line_height};
}

// Where two neighbours of the needle stand on one line their tint also covers the gap.
void draw_piece(Frame& f, const FlowView& view, const PromptToken& token, Rect box, float gap) {
  const Theme& t = f.theme;
  const Palette& c = t.color;
  const bool lost = token.needle && token.state == WordState::evicted;
  ImU32 ink = c.text;
  if (token.state == WordState::evicted) ink = c.text3;
  if (token.needle) ink = lost ? c.error : c.text;
  const float y = box.y + box.h / 2;
  const float half = t.px(9);
  if (token.needle)
    fill_rect({box.x - gap, y - half, box.w + gap, 2 * half}, lost ? c.lost_word : c.needle_word);
  if (view.hovered == token.position)
    fill_rect({box.x, y - half, std::max(box.w, t.px(3)), 2 * half},
              mix(token.needle ? (lost ? c.lost_word : c.needle_word) : c.hover, c.text, 0.10f),
              t.px(2));
  if (!token.text.empty())
    draw_text(t, token.needle ? t.font.strong : t.font.body, box.x, y, ink, token.text);
  const float under = y + half - t.px(1);
  if (lost) {
    for (float x = box.x; x + t.px(2) <= box.x + box.w + 0.5f; x += t.px(4))
      fill_rect({x, under, t.px(2), t.px(2)}, c.error);
  } else if (token.state == WordState::kept) {
    fill_rect({box.x, under, box.w, t.px(2)}, c.kept);
  }
  if (f.ui.selected.remembered == token.position)
    draw_frame_rect({box.x - t.px(2), y - half - t.px(1), box.w + t.px(4), 2 * half + t.px(3)},
                    c.accent, t.px(2), t.px(2));
}

void draw_flow(Frame& f, const PromptModel& model, Rect area) {
  const Theme& t = f.theme;
  const PromptFlow flow =
      flow_prompt(model.tokens, area.w, [&](const std::string& text, bool strong) {
        return text_width(strong ? t.font.strong : t.font.body, text);
      });
  FlowView view;
  view.line_height = t.px(22);
  view.visible = std::max(1, static_cast<int>(area.h / view.line_height));
  // Whole lines only: what is left over goes below the text.
  view.area = {area.x, area.y, area.w, view.visible * view.line_height};

  const ImGuiIO& io = ImGui::GetIO();
  const bool over = ImGui::IsWindowHovered() && view.area.contains(io.MousePos.x, io.MousePos.y);
  const int last = std::max(0, flow.lines - view.visible);
  view.first = f.ui.prompt_scroll < 0 ? line_showing_needle(flow, view.visible)
                                      : static_cast<int>(std::round(f.ui.prompt_scroll));
  if (over && io.MouseWheel != 0) {
    view.first -= static_cast<int>(std::lround(io.MouseWheel * 3));
    f.ui.prompt_scroll = static_cast<float>(std::clamp(view.first, 0, last));
  }
  view.first = std::clamp(view.first, 0, last);

  const int end_line = view.first + view.visible;
  view.hovered = f.ui.selected.hover_remembered;
  int pointed = -1;
  if (over)
    for (const PromptPiece& piece : flow.pieces)
      if (piece.line >= view.first && piece.line < end_line &&
          piece_rect(view, piece).contains(io.MousePos.x, io.MousePos.y))
        pointed = model.tokens[piece.token].position;
  if (over) view.hovered = f.ui.selected.hover_remembered = pointed;

  ImDrawList* list = ImGui::GetWindowDrawList();
  list->PushClipRect(ImVec2(area.x - t.px(3), area.y),
                     ImVec2(area.x + area.w + t.px(3), area.y + area.h), true);
  const PromptPiece* before = nullptr;
  for (const PromptPiece& piece : flow.pieces) {
    const PromptToken& token = model.tokens[piece.token];
    if (piece.line >= view.first && piece.line < end_line) {
      const Rect box = piece_rect(view, piece);
      float gap = 0;
      if (before && before->line == piece.line && token.needle &&
          model.tokens[before->token].needle)
        gap = std::max(0.0f, piece.x - before->x - before->width);
      if (token.needle) f.ui.places["prompt.word." + std::to_string(token.position)] = box;
      draw_piece(f, view, token, box, gap);
    }
    before = &piece;
  }
  list->PopClipRect();

  if (pointed >= 0) {
    ImGui::SetMouseCursor(ImGuiMouseCursor_Hand);
    if (ImGui::IsMouseClicked(0))
      f.ui.selected.remembered = f.ui.selected.remembered == pointed ? -1 : pointed;
    draw_tooltip(t, describe_token(f.now, f.ui, pointed));
  }
  if (last > 0) {
    const float h = std::max(t.px(16), view.area.h * view.visible / flow.lines);
    const float y = view.area.y + (view.area.h - h) * view.first / last;
    fill_rect({area.x + area.w + t.px(5), y, t.px(3), h}, t.color.hover, t.px(1));
  }
}

// One line of the foot block: label, value, mark, and the first of the notes that fits after it.
void draw_answer_line(Frame& f, Rect line, const char* label, const std::string& value, Mark mark,
                      const std::vector<std::string>& notes, bool dim, bool strong) {
  const Theme& t = f.theme;
  const Palette& c = t.color;
  const float y = line.y + line.h / 2, x0 = line.x + t.px(72), right = line.x + line.w;
  ImFont* font = strong ? t.font.strong : t.font.body;
  draw_text(t, t.font.small, line.x, y, c.text3, label, Align::left, t.px(68));
  float x = x0 + draw_text(t, font, x0, y, dim ? c.text3 : c.text, value.empty() ? "—" : value,
                           Align::left, right - x0);
  if (!dim && mark != Mark::none && x + t.px(20) <= right) {
    x += t.px(14);
    if (mark == Mark::right) draw_tick(x, y, t.px(5), c.ok);
    if (mark == Mark::wrong) draw_cross(x, y, t.px(5), c.error);
    x += t.px(5);
  }
  x += t.px(9);
  for (const std::string& wording : notes)
    if (text_width(t.font.small, wording) <= right - x) {
      draw_text(t, t.font.small, x, y, dim ? c.text3 : c.text2, wording);
      break;
    }
}

void tip_over(Frame& f, Rect line, const std::vector<std::string>& lines) {
  const ImVec2 at = ImGui::GetIO().MousePos;
  if (ImGui::IsWindowHovered() && line.contains(at.x, at.y)) draw_tooltip(f.theme, lines);
}

}  // namespace

void draw_prompt(Frame& f, Rect area) {
  const Theme& t = f.theme;
  const PromptModel model = condense_prompt(f.now, f.ui);
  f.ui.places["panel.prompt"] = area;
  const float room = area.w - text_width(t.font.strong, "Prompt") - t.px(34);
  std::string stamp;
  for (const std::string& wording : model.stamps) {
    stamp = wording;
    if (text_width(t.font.small, wording) <= room) break;
  }
  const Rect body = draw_panel(t, area, "Prompt", stamp);
  if (!model.empty.empty()) {
    draw_empty(t, body, model.empty, "");
    return;
  }

  const float row = t.px(22), pad = t.px(6);
  const bool roomy = area.h >= t.px(230);  // else the case list alone says what full answers
  const float foot = (roomy ? 4 : 3) * row + 2 * pad;
  const float rule = std::round(area.y + area.h - foot);
  draw_flow(f, model, {body.x, body.y, body.w, rule - pad - body.y});

  fill_rect({body.x, rule, body.w, t.px(1)}, t.color.line);
  Rect line{body.x, rule + pad, body.w, row};
  draw_answer_line(f, line, "Question", model.question, Mark::none, {}, false, false);
  if (text_width(t.font.body, model.question) > body.w - t.px(72))
    tip_over(f, line, {"Question", model.question});
  line.y += row;
  const bool dim = !model.pending.empty();
  const std::vector<std::string> expected{"expected " + model.gold, "not " + model.gold};
  std::vector<std::string> note;
  if (model.answer_mark == Mark::wrong) note = expected;
  if (dim) note = {model.pending};
  draw_answer_line(f, line, "Answer", model.answer, model.answer_mark, note, dim, true);
  tip_over(f, line,
           {"Answer under the plan: " + (model.answer.empty() ? "—" : model.answer),
            "expected " + model.gold});
  f.ui.places["prompt.answer"] = line;
  line.y += row;
  if (roomy) {
    draw_answer_line(f, line, "Full cache", model.full_answer, model.full_mark,
                     model.full_mark == Mark::wrong ? expected : std::vector<std::string>{}, false,
                     false);
    line.y += row;
  }
  draw_answer_line(f, line, "Span kept", model.span, Mark::none, {}, false, false);
  tip_over(f, line,
           {"Tokens of the needle that stay in the cache",
            "a token counts when any KV head of the layer keeps it"});
  f.ui.places["prompt.span"] = line;
}

}  // namespace polykv
