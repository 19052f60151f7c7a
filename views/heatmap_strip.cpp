// Under the map: key sums, the cache of the layer, positions, the whole cache.
#include <algorithm>
#include <cmath>

#include "views/heatmap_parts.h"

namespace polykv {
namespace {

struct Edges {
  float left, right;
};

// Whole pixels of tokens [first, last), clipped to the axis, at least one pixel.
Edges edges(const TokenAxis& axis, double first, double last) {
  const float low = std::round(axis.x), high = std::round(axis.x + axis.w);
  float left = std::round(axis.x_of(first)), right = std::round(axis.x_of(last));
  if (right <= left) right = left + 1;
  return {std::clamp(left, low, high), std::clamp(right, low, high)};
}

TokenRange in_sight(const TokenAxis& axis, int tokens) {
  return {std::max(0, static_cast<int>(axis.first)),
          std::min(tokens, static_cast<int>(std::ceil(axis.first + axis.count)))};
}

ImU32 lane_color(const Theme& t, const LayerCut& cut, int token) {
  if (token >= cut.cut) return mix(t.color.ground, t.color.kept, 0.55f);  // added, never evicted
  if (cut.is_sink(token)) return t.color.sink;
  return cut.is_recent(token) ? t.color.recent : t.color.kept;
}

// End of the stretch of one colour that starts at `token`.
int same_color_until(const LayerCut& cut, int token, int last) {
  for (const int edge : {cut.guard.sink, cut.cut - cut.guard.recent, cut.cut}) {
    if (token < edge) return std::min(last, edge);
  }
  return last;
}

void label(const Theme& t, ImFont* font, float x, float y, ImU32 color, const std::string& text) {
  draw_text(t, font, x - t.px(11), y, color, text, Align::right);
}

}  // namespace

TokenAxis shared_axis(const Ui& ui, int tokens, float x, float w) {
  return token_axis({ui.heat.first, ui.heat.count}, tokens, x, w);
}

void draw_lane(const Theme& t, Rect lane, const TokenAxis& axis, const LayerCut& cut, int kv_head) {
  fill_rect(lane, t.color.ground);
  const auto [from, to] = in_sight(axis, cut.tokens);
  const float gap = axis.token_width() >= t.px(4) ? t.px(1) : 0;
  for (const TokenRange& run : evicted_runs(cut, kv_head, from, to)) {
    const Edges e = edges(axis, run.first, run.last);
    draw_hatch(t, {e.left, lane.y, e.right - e.left, lane.h}, t.color.hatch);
  }
  for (const TokenRange& run : kept_runs(cut, kv_head, from, to)) {
    for (int k = run.first; k < run.last;) {
      const int next = gap > 0 ? k + 1 : same_color_until(cut, k, run.last);
      const Edges e = edges(axis, k, next);
      fill_rect({e.left, lane.y, e.right - e.left - gap, lane.h}, lane_color(t, cut, k));
      k = next;
    }
  }
}

void draw_lanes(const Theme& t, Rect area, const TokenAxis& axis, const LayerCut& cut,
                int kv_head) {
  const int heads = static_cast<int>(cut.heads.size());
  const float gap = t.px(2), h = std::floor((area.h - gap * (heads - 1)) / std::max(heads, 1));
  if (!cut.heads_differ() || h < t.px(3)) {
    draw_lane(t, area, axis, cut, kv_head);
    return;
  }
  for (int g = 0; g < heads; ++g) {
    const float top = area.y + g * (h + gap);
    draw_lane(t, {area.x, top, area.w, g + 1 < heads ? h : area.y + area.h - top}, axis, cut, g);
    if (g == kv_head) fill_rect({area.x - t.px(4), top, t.px(2), h}, t.color.accent);
  }
}

void draw_needles(const Theme& t, Rect area, const TokenAxis& axis, const Case& source,
                  float outset) {
  ImDrawList* list = ImGui::GetWindowDrawList();
  list->PushClipRect(ImVec2(area.x - t.px(3), area.y - t.px(4)),
                     ImVec2(area.x + area.w + t.px(3), area.y + area.h + t.px(4)), true);
  for (std::size_t i = source.needles.size(); i-- > 0;) {  // the asked fact last, on top
    const Span& span = source.needles[i];
    if (span.last + 1 <= axis.first || span.first >= axis.first + axis.count) continue;
    const float left = std::round(axis.x_of(span.first)),
                right = std::round(axis.x_of(span.last + 1));
    const float line = t.px(i == 0 ? 2 : 1), dark = t.px(1);
    Rect r = {left - outset, area.y - outset, right - left + 2 * outset, area.h + 2 * outset};
    draw_frame_rect(r, t.color.needle_fill, line, t.px(2));
    if (i > 0) continue;
    r = {r.x - dark, r.y - dark, r.w + 2 * dark, r.h + 2 * dark};
    draw_frame_rect(r, t.color.needle_outline, dark, t.px(2));
  }
  list->PopClipRect();
}

void draw_ticks(const Theme& t, Rect area, const TokenAxis& axis, int tokens) {
  label(t, t.font.small, area.x, area.y + area.h / 2 + t.px(2), t.color.text3, "remembered token");
  for (const int k : axis_ticks(axis, tokens, t.px(64))) {
    const float x = std::round(axis.x_of(k));
    const std::string text = format_count(k);
    const float half = text_width(t.font.small, text) / 2;
    const float at = std::clamp(x, area.x + half - t.px(1), area.x + area.w - half);
    fill_rect({std::min(x, area.x + area.w - t.px(1)), area.y, t.px(1), t.px(5)}, t.color.edge);
    draw_text(t, t.font.small, at, area.y + area.h / 2 + t.px(3), t.color.text3, text,
              Align::centre);
  }
}

void draw_key_sums(Frame& f, const HeatScene& s) {
  const Theme& t = f.theme;
  const Rect& a = s.sums;
  label(t, t.font.small, a.x, a.y + a.h / 2, t.color.text3, "key sums");
  const std::vector<float> sums = key_sums(s.tile, s.hidden_sinks);
  // The sinks would flatten everything else: they may leave the scale, with a gap as the sign.
  float top = 0;
  for (std::size_t k = kHiddenSinks; k < sums.size(); ++k) top = std::max(top, sums[k]);
  if (!(top > 0)) top = 1;
  const float base = a.y + a.h;
  const bool each = s.axis.token_width() >= t.px(3);
  const int step = each ? 1 : static_cast<int>(t.px(3));
  const TokenRange seen = in_sight(s.axis, static_cast<int>(sums.size()));
  const int bars = each ? seen.last - seen.first : static_cast<int>(a.w) / step;
  for (int i = 0; i < bars; ++i) {
    const TokenRange bin = each ? TokenRange{seen.first + i, seen.first + i + 1}
                                : tokens_in_bin(s.axis, i, step, static_cast<int>(sums.size()));
    int best = bin.first;
    for (int k = bin.first; k < bin.last; ++k) best = sums[k] > sums[best] ? k : best;
    if (bin.first >= bin.last || !(sums[best] > 0)) continue;
    const Edges e = each ? edges(s.axis, bin.first, bin.last)
                         : Edges{std::round(a.x + i * step), std::round(a.x + (i + 1) * step)};
    const float w = std::max(1.0f, e.right - e.left - t.px(1));
    const float h = std::max(1.0f, std::round(a.h * std::sqrt(std::min(1.0f, sums[best] / top))));
    const ImU32 color = s.cut.kept(s.kv_head, best) ? t.color.kept : t.color.hatch;
    fill_rect({e.left, base - h, w, h}, color);
    if (sums[best] > top) fill_rect({e.left, a.y + t.px(5), w, t.px(2)}, t.color.panel);
  }
  fill_rect({a.x, base, a.w, t.px(1)}, t.color.line);
  const float x = a.x + a.w + t.px(8);
  char text[32];
  std::snprintf(text, sizeof text, "%.2g", top);
  draw_text(t, t.font.small, x, a.y + t.px(4), t.color.text3, text);
  draw_text(t, t.font.small, x, base - t.px(4), t.color.text3, "0");
}

void draw_cache_strip(Frame& f, const HeatScene& s) {
  const Theme& t = f.theme;
  const Rect& a = s.strip;
  label(t, t.font.strong, a.x, a.y + a.h / 2, t.color.text,
        "cache L" + std::to_string(s.cut.layer));
  draw_lanes(t, a, s.axis, s.cut, s.kv_head);
  const float end = s.axis.x_of(s.cut.cut);  // the cut: what follows was added to the cache
  if (end > a.x && end < a.x + a.w) {
    fill_rect({std::round(end), a.y - t.px(3), t.px(1), a.h + t.px(6)}, t.color.edge);
  }
  draw_needles(t, a, s.axis, s.text.source, t.px(2));
  const long long kept = s.cut.kept_count(s.kv_head);
  draw_text(t, t.font.small, a.x + a.w + t.px(8), a.y + a.h / 2, t.color.text3,
            format_count(kept) + " kept", Align::left, t.px(kRightGutter - 12));
  if (!s.cut.everything) return;
  const std::string name = "L" + std::to_string(s.cut.layer);
  const std::string sentence = s.cut.choice.budget
                                   ? "Nothing was evicted: the budget of " + name +
                                         " is not below " + format_count(s.cut.cut) + "."
                                   : "Nothing was evicted: " + name + " keeps everything.";
  const float w = text_width(t.font.small, sentence) + t.px(16);
  if (w > a.w / 2) return;
  // In the half without the needle.
  const auto& needles = s.text.source.needles;
  const float mark = needles.empty() ? a.x : s.axis.x_of(needles[0].first);
  const float middle = std::round(a.x + a.w * (mark < a.x + a.w / 2 ? 0.75f : 0.25f));
  fill_rect({middle - w / 2, a.y, w, a.h}, t.color.panel, t.px(3));
  draw_text(t, t.font.small, middle, a.y + a.h / 2, t.color.text2, sentence, Align::centre);
}

void draw_whole_cache(Frame& f, const HeatScene& s) {
  const Theme& t = f.theme;
  const Rect& a = s.whole;
  label(t, t.font.small, a.x, a.y + a.h / 2, t.color.text3, "whole cache");
  const int tokens = s.cut.tokens;
  const TokenAxis all = token_axis({}, tokens, a.x, a.w);
  ImGui::SetCursorScreenPos(ImVec2(a.x, a.y - t.px(6)));
  ImGui::InvisibleButton("heatmap.whole", ImVec2(a.w, a.h + t.px(12)));
  const float mouse = ImGui::GetIO().MousePos.x;
  HeatUi& heat = f.ui.heat;
  const Span* needle = s.text.source.needles.empty() ? nullptr : &s.text.source.needles[0];
  const float mark = needle ? all.x_of((needle->first + needle->last + 1) / 2.0) : -1e9f;
  if (ImGui::IsItemActivated()) {
    heat.drag_x = mouse;
    const double at = all.token_at(mouse);
    const bool outside = at < heat.first || at >= heat.first + heat.count;
    TokenView view = {heat.first, heat.count};
    if (needle && std::abs(mouse - mark) <= t.px(5) && (outside || heat.count == 0)) {
      view = view_around(needle->first, needle->last, tokens,
                         heat.count > 0 ? heat.count : kNeedleView);
    } else if (heat.count > 0 && outside) {
      view.first = at - heat.count / 2;
    }
    view = clamp_view(view, tokens);
    heat.first = view.first, heat.count = view.count;
  } else if (ImGui::IsItemActive() && heat.count > 0) {
    const TokenView view =
        pan_view({heat.first, heat.count}, tokens, (mouse - heat.drag_x) / a.w * tokens);
    heat.first = view.first, heat.count = view.count;
    heat.drag_x = mouse;
  }
  if (ImGui::IsItemHovered()) ImGui::SetMouseCursor(ImGuiMouseCursor_ResizeEW);

  draw_lane(t, a, all, s.cut, s.kv_head);
  if (heat.count > 0) {
    const Edges e = edges(all, heat.first, heat.first + heat.count);
    // What is out of sight steps back.
    const ImU32 veil = (t.color.panel & ~IM_COL32_A_MASK) | IM_COL32(0, 0, 0, 128);
    fill_rect({a.x, a.y, e.left - a.x, a.h}, veil);
    fill_rect({e.right, a.y, a.x + a.w - e.right, a.h}, veil);
    const float out = t.px(2);
    draw_frame_rect({e.left - out, a.y - out, e.right - e.left + 2 * out, a.h + 2 * out},
                    t.color.accent, t.px(2), t.px(3));
  }
  if (!needle) return;
  const float x = std::round(mark), y = a.y - t.px(3);
  ImGui::GetWindowDrawList()->AddTriangleFilled(ImVec2(x - t.px(4), y - t.px(5)),
                                                ImVec2(x + t.px(4), y - t.px(5)), ImVec2(x, y),
                                                t.color.needle);
}

}  // namespace polykv
