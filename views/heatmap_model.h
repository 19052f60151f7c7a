#pragma once
// What the heatmap shows, as pure functions: which tokens lie under which pixels, how attention
// becomes a colour level, sums per key. No ImGui.
#include <cstdint>
#include <string>
#include <vector>

#include "core/score/live_scorer.h"

namespace polykv {

constexpr int kHiddenSinks = 4;  // leading positions that "hide sinks" leaves out
constexpr double kFewestTokens = 8;

// The remembered-token axis: token k covers the pixels [x_of(k), x_of(k + 1)).
struct TokenAxis {
  double first = 0, count = 1;  // visible tokens
  float x = 0, w = 1;           // pixels
  float x_of(double token) const;
  double token_at(float px) const;
  float token_width() const;
};

// The part of `tokens` that is in sight. count 0 = everything.
struct TokenView {
  double first = 0, count = 0;
};
// Inside [0, tokens], at least kFewestTokens (or all) in sight; everything becomes {0, 0}.
TokenView clamp_view(TokenView view, int tokens);
// Shows `factor` times as many tokens and keeps the token at `share` of the width where it is.
TokenView zoom_view(TokenView view, int tokens, double share, double factor);
TokenView pan_view(TokenView view, int tokens, double by_tokens);
// The span in the middle with as much room on both sides as makes `count` tokens.
TokenView view_around(int first, int last, int tokens, double count);
TokenAxis token_axis(TokenView view, int tokens, float x, float w);

// Tokens [first, last) behind one bin of `step` pixels; every visible token is in exactly one bin
// once tokens are narrower than bins, else the bin shows the token at its left edge.
struct TokenRange {
  int first = 0, last = 0;
};
TokenRange tokens_in_bin(const TokenAxis& axis, int bin, int step, int tokens);

// How a probability becomes a colour: 0 lin (0 .. high), 1 log (low .. high), 2 rank in its row.
struct HeatScale {
  int kind = 1;
  float low = 0, high = 1;  // probabilities; rank: 1 .. columns
};
HeatScale heat_scale(const HeatTile& tile, int kind, int hidden_sinks);
float heat_share(const HeatScale& scale, float value);  // lin and log: [0, 1]

struct ScaleTick {
  float share = 0;  // place on the colour bar, 0 = low end
  std::string label;
};
std::vector<ScaleTick> scale_ticks(const HeatScale& scale);  // from the top, at most 5

// Colour levels 0 .. 255, or one of these.
constexpr std::int16_t kAbove = -1;   // the asking token does not see that far
constexpr std::int16_t kHidden = -2;  // only hidden sinks here
struct HeatGrid {
  int rows = 0, columns = 0;
  std::vector<std::int16_t> level;  // (rows, columns)
};
// Pools the tile into `columns` bins of `step` pixels and `rows` rows (at most tile.rows).
HeatGrid condense(const HeatTile& tile, const HeatScale& scale, const TokenAxis& axis, int columns,
                  int step, int rows, bool mean, int hidden_sinks);

// Attention each key gets, summed over the asking tokens; hidden sinks get 0. (columns)
std::vector<float> key_sums(const HeatTile& tile, int hidden_sinks);
// 1 = largest value of the row among the tokens it can see, equal values share the better rank.
int rank_in_row(const HeatTile& tile, int row, int column);
int seen_in_row(const HeatTile& tile, int row);  // tokens the row can see, itself included

// Tile row and column under a pixel, {-1, -1} outside; rows share the height evenly.
struct HeatCell {
  int row = -1, column = -1;
};
HeatCell cell_at(const TokenAxis& axis, float y, float h, int rows, int columns, float px,
                 float py);
float row_edge(float y, float h, int rows, int row);  // top of a row, on a whole pixel

// Round positions at least `gap` pixels apart: multiples of a power of two.
std::vector<int> axis_ticks(const TokenAxis& axis, int tokens, float gap);

// Smallest bin width that keeps the map under `limit` rectangles.
int bin_step(int pixels, int rows, int limit);

}  // namespace polykv
