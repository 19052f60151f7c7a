#pragma once
// The small parts of look.md section 8. All positions and sizes in device pixels; use theme.px().
#include <map>
#include <string>
#include <vector>

#include "views/frame.h"

namespace polykv {

enum class Align { left, centre, right };

// Text, cap-height centred on y; cut with an ellipsis when wider than max_width (0 = never).
// Returns the width drawn.
float draw_text(const Theme& t, ImFont* font, float x, float y, ImU32 color,
                const std::string& text, Align align = Align::left, float max_width = 0);
float text_width(ImFont* font, const std::string& text);
// Text in lines of at most `width`, the first line's top at y; words that are longer are broken.
// Returns the height; wrapped_height draws nothing.
float draw_wrapped(const Theme& t, ImFont* font, float x, float y, float width, ImU32 color,
                   const std::string& text);
float wrapped_height(ImFont* font, float width, const std::string& text);

// Panel: fills the background, draws the title row (30) with the stamp, returns the body rectangle
// (inset 12 left and right, starting at 34). `busy` draws the accent line along the top edge.
Rect draw_panel(const Theme& t, Rect area, const std::string& title, const std::string& stamp,
                float busy = -1);
// The same with tabs in place of the title; `places` gets "tab.TITLE".
Rect draw_tabbed_panel(const Theme& t, Rect area, const std::vector<std::string>& titles,
                       int& current, const std::string& stamp, float stamp_right,
                       std::map<std::string, Rect>& places, float busy = -1);
// Empty state: one sentence at 40% height, and a button when `action` is not empty; true when
// pressed.
bool draw_empty(const Theme& t, Rect body, const std::string& sentence, const std::string& action);

void draw_hatch(const Theme& t, Rect area, ImU32 color, float pitch = 6,
                float thickness = 1);  // 45 degrees, window phase
void draw_frame_rect(Rect area, ImU32 color, float thickness, float rounding = 0);
// Fills with whole device pixels, so that edges stay sharp.
void fill_rect(Rect area, ImU32 color, float rounding = 0);
void draw_dashed_line(float x0, float y0, float x1, float y1, ImU32 color, float on = 3,
                      float off = 3);

// Interactive parts; `id` must be unique in the window. They work inside one full-window ImGui
// window.
bool draw_button(const Theme& t, const char* id, Rect area, const std::string& label,
                 bool primary = false, bool enabled = true);
// Toggles, segments and pills: y is the vertical centre. draw_toggle: true when it was switched.
bool draw_toggle(const Theme& t, const char* id, float x, float y, const std::string& label,
                 bool& on);
float toggle_width(const Theme& t, const std::string& label);
// Returns the segment that is current now; x is the left edge, 22 high.
int draw_segments(const Theme& t, const char* id, float x, float y,
                  const std::vector<std::string>& words, int current, float* width = nullptr);
// A level track of 4 px with a handle at `share` in [0, 1]; 16 high around y. While it is held,
// share follows the pointer. Ask ImGui about the item (activated, active, deactivated) after it.
bool draw_slider(const Theme& t, const char* id, float x, float y, float w, double& share,
                 bool enabled = true);
float segments_width(const Theme& t, const std::vector<std::string>& words);
// 24 high; `code` in mono before the label; true when pressed.
bool draw_chip(const Theme& t, const char* id, Rect area, const std::string& code,
               const std::string& label, bool caret = true);
void draw_pill(const Theme& t, float right, float y, Pill state, const std::string& word,
               const std::string& detail, float* left = nullptr);

struct MenuItem {
  std::string label, hint;  // hint is right-aligned ("Ctrl Z", a summary)
  std::string code;         // two letters in mono before the label
  bool enabled = true, checked = false, line_above = false;
  float max_hint = 0;  // logical pixels after which the hint is cut; 0 = never
  float hint_at = 0;   // logical pixels from the label's column; 0 = right-aligned
};
// A popup menu; opens at (x, y) in the frame where `open` is true, above y - 24 when there is no
// room below, in two columns when it would be higher than two thirds of the screen (then items have
// no lines above). Returns the item picked this frame, else -1. The items' rectangles go into
// `places` as "id.label".
int draw_menu(const Theme& t, const char* id, bool open, float x, float y,
              const std::vector<MenuItem>& items, std::map<std::string, Rect>* places = nullptr);
bool menu_is_open(const char* id);
// The look of popups, tool tips and text fields made with ImGui's own widgets. Pair with pop_style.
void push_style(const Theme& t);
void pop_style();
// Tool tip of several lines beside the pointer; the first line is strong.
void draw_tooltip(const Theme& t, const std::vector<std::string>& lines);

// Shapes drawn, never glyphs; (x, y) is the centre, r the radius.
void draw_tick(float x, float y, float r, ImU32 color);
void draw_cross(float x, float y, float r, ImU32 color);
void draw_caret(float x, float y, ImU32 color);
void draw_lock(float x, float y, ImU32 color, bool closed);
void draw_ring(float x, float y, float r, ImU32 color, float thickness = 1.4f);
void draw_disc(float x, float y, float r, ImU32 color);
void draw_diamond(float x, float y, float r, ImU32 color, float thickness = 1.4f);
void draw_pill_shape(const Theme& t, float x, float y, float r, Pill state, ImU32 color);

// "1,024", "−3", "12.5%", "48 KiB", "—" for NaN.
std::string format_count(long long n);
std::string format_signed(double v, int digits);
std::string format_number(double v, int digits);
std::string format_percent(double share);
std::string format_kib(double bytes);

}  // namespace polykv
