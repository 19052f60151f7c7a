#include "views/heatmap_model.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>

namespace polykv {
namespace {

std::string short_number(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2g", v);
  return text;
}

const float* row_of(const HeatTile& tile, int row) {
  return tile.values.data() + static_cast<std::size_t>(row) * tile.columns;
}

std::int16_t to_level(float share) {
  return static_cast<std::int16_t>(std::lround(std::clamp(share, 0.0f, 1.0f) * 255.0f));
}

// Share of the scale for a value of this row: 1 = no value of the row is larger.
float rank_share(const std::vector<float>& descending, float value) {
  if (descending.size() < 2) return 1;
  const auto at =
      std::lower_bound(descending.begin(), descending.end(), value, std::greater<float>());
  return 1 - static_cast<float>(at - descending.begin()) / (descending.size() - 1.0f);
}

// Visible values of a row, largest first.
std::vector<float> sorted_row(const HeatTile& tile, int row, int hidden_sinks) {
  const float* v = row_of(tile, row);
  const int seen = seen_in_row(tile, row);
  std::vector<float> sorted(v + std::min(hidden_sinks, seen), v + seen);
  std::sort(sorted.begin(), sorted.end(), std::greater<float>());
  return sorted;
}

}  // namespace

float TokenAxis::x_of(double token) const {
  return static_cast<float>(x + (token - first) / count * w);
}
double TokenAxis::token_at(float px) const { return first + (px - x) / double(w) * count; }
float TokenAxis::token_width() const { return static_cast<float>(w / count); }

TokenView clamp_view(TokenView view, int tokens) {
  if (view.count <= 0 || view.count >= tokens || tokens <= kFewestTokens) return {};
  view.count = std::max(view.count, kFewestTokens);
  view.first = std::clamp(view.first, 0.0, tokens - view.count);
  return view;
}

TokenView zoom_view(TokenView view, int tokens, double share, double factor) {
  view = clamp_view(view, tokens);
  if (view.count == 0) view.count = tokens;
  const double count = std::clamp(view.count * factor, kFewestTokens, std::max(1.0, tokens * 1.0));
  view.first += share * (view.count - count);
  view.count = count;
  return clamp_view(view, tokens);
}

TokenView pan_view(TokenView view, int tokens, double by_tokens) {
  if (view.count <= 0) return {};
  view.first += by_tokens;
  return clamp_view(view, tokens);
}

TokenView view_around(int first, int last, int tokens, double count) {
  count = std::max(count, (last - first + 1) * 1.25);
  return clamp_view({(first + last + 1 - count) / 2, count}, tokens);
}

TokenAxis token_axis(TokenView view, int tokens, float x, float w) {
  view = clamp_view(view, tokens);
  if (view.count == 0) view.count = std::max(tokens, 1);
  return {view.first, view.count, x, w};
}

TokenRange tokens_in_bin(const TokenAxis& axis, int bin, int step, int tokens) {
  // The edges come from one expression, so that neighbours meet without a gap or an overlap.
  const double per_pixel = axis.count / axis.w;
  const int first = static_cast<int>(axis.first + double(bin) * step * per_pixel);
  const int next = static_cast<int>(axis.first + double(bin + 1) * step * per_pixel);
  return {std::min(first, tokens), std::min(std::max(next, first + 1), tokens)};
}

HeatScale heat_scale(const HeatTile& tile, int kind, int hidden_sinks) {
  if (kind == 2) return {2, 1, static_cast<float>(std::max(tile.columns, 1))};
  float high = 0;
  for (int r = 0; r < tile.rows; ++r) {
    const float* v = row_of(tile, r);
    for (int k = hidden_sinks; k < seen_in_row(tile, r); ++k) high = std::max(high, v[k]);
  }
  if (!(high > 0)) high = 1;
  if (kind == 0) return {0, 0, high};
  return {1, std::min(1e-4f, high / 100), high};
}

float heat_share(const HeatScale& scale, float value) {
  if (scale.kind == 0) return std::clamp(value / scale.high, 0.0f, 1.0f);
  if (!(value > scale.low)) return 0;
  return std::min(1.0f, std::log(value / scale.low) / std::log(scale.high / scale.low));
}

std::vector<ScaleTick> scale_ticks(const HeatScale& scale) {
  std::vector<ScaleTick> ticks;
  if (scale.kind == 1) {
    ticks.push_back({1, short_number(scale.high)});
    double decade = std::pow(10, std::floor(std::log10(scale.high)));
    for (; decade >= scale.low * 0.999 && ticks.size() < 5; decade /= 10) {
      const float share = heat_share(scale, static_cast<float>(decade));
      if (ticks.back().share - share > 0.05f) ticks.push_back({share, short_number(decade)});
    }
    return ticks;
  }
  for (int i = 4; i >= 0; --i) {
    const float share = i / 4.0f;
    const float value =
        scale.kind == 0 ? scale.high * share : std::round(scale.high + (1 - scale.high) * share);
    char rank[32];
    std::snprintf(rank, sizeof rank, "%.0f", value);
    ticks.push_back({share, scale.kind == 0 ? short_number(value) : rank});
  }
  return ticks;
}

HeatGrid condense(const HeatTile& tile, const HeatScale& scale, const TokenAxis& axis, int columns,
                  int step, int rows, bool mean, int hidden_sinks) {
  HeatGrid grid{std::min(rows, tile.rows), columns, {}};
  grid.level.assign(static_cast<std::size_t>(grid.rows) * columns, kAbove);
  std::vector<TokenRange> bins(columns);
  for (int c = 0; c < columns; ++c) bins[c] = tokens_in_bin(axis, c, step, tile.columns);

  for (int g = 0; g < grid.rows; ++g) {
    const int r0 = static_cast<int>(std::int64_t(g) * tile.rows / grid.rows);
    const int r1 = static_cast<int>(std::int64_t(g + 1) * tile.rows / grid.rows);
    std::vector<float> sorted;  // rank: of the last row of the bin, which sees the most tokens
    if (scale.kind == 2) sorted = sorted_row(tile, r1 - 1, hidden_sinks);
    for (int c = 0; c < columns; ++c) {
      float best = 0, sum = 0;
      int n = 0, hidden = 0;
      for (int r = r0; r < r1; ++r) {
        const float* v = row_of(tile, r);
        const int last = std::min(bins[c].last, seen_in_row(tile, r));
        for (int k = bins[c].first; k < last; ++k) {
          if (k < hidden_sinks) {
            ++hidden;
          } else if (!std::isnan(v[k])) {
            best = n == 0 ? v[k] : std::max(best, v[k]);
            sum += v[k];
            ++n;
          }
        }
      }
      std::int16_t& level = grid.level[static_cast<std::size_t>(g) * columns + c];
      if (n == 0) {
        if (hidden > 0) level = kHidden;
        continue;
      }
      const float value = mean ? sum / n : best;
      level = to_level(scale.kind == 2 ? rank_share(sorted, value) : heat_share(scale, value));
    }
  }
  return grid;
}

std::vector<float> key_sums(const HeatTile& tile, int hidden_sinks) {
  std::vector<float> sums(tile.columns, 0.0f);
  for (int r = 0; r < tile.rows; ++r) {
    const float* v = row_of(tile, r);
    for (int k = hidden_sinks; k < seen_in_row(tile, r); ++k) sums[k] += v[k];
  }
  return sums;
}

int rank_in_row(const HeatTile& tile, int row, int column) {
  const float* v = row_of(tile, row);
  const int seen = seen_in_row(tile, row);
  return 1 + static_cast<int>(
                 std::count_if(v, v + seen, [&](float other) { return other > v[column]; }));
}

int seen_in_row(const HeatTile& tile, int row) {
  return std::clamp(tile.first_row + row + 1, 0, tile.columns);
}

HeatCell cell_at(const TokenAxis& axis, float y, float h, int rows, int columns, float px,
                 float py) {
  if (rows <= 0 || px < axis.x || px >= axis.x + axis.w || py < y || py >= y + h) return {};
  const int column = static_cast<int>(axis.token_at(px));
  if (column < 0 || column >= columns) return {};
  int row = std::clamp(static_cast<int>((py - y) / h * rows), 0, rows - 1);
  // Rows are drawn between whole pixels: the row under the pointer is the one painted there.
  while (row > 0 && py < row_edge(y, h, rows, row)) --row;
  while (row + 1 < rows && py >= row_edge(y, h, rows, row + 1)) ++row;
  return {row, column};
}

float row_edge(float y, float h, int rows, int row) {
  return y + std::round(h * row / std::max(rows, 1));
}

std::vector<int> axis_ticks(const TokenAxis& axis, int tokens, float gap) {
  int step = 1;
  while (step * axis.token_width() < gap && step < tokens) step *= 2;
  std::vector<int> ticks;
  const double end = std::min<double>(axis.first + axis.count, tokens);
  for (int k = static_cast<int>(std::ceil(axis.first / step)) * step; k <= end; k += step) {
    ticks.push_back(k);
  }
  return ticks;
}

int bin_step(int pixels, int rows, int limit) {
  int step = 1;
  while ((pixels + step - 1) / step * rows > limit && step < pixels) ++step;
  return step;
}

}  // namespace polykv
