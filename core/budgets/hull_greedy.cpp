#include <limits>

#include "core/budgets/rows.h"

namespace polykv {
namespace {

struct Point {
  double tokens, value;
};

// The mean curve of the heads. With several rows the points stand at the same tokens.
std::vector<Point> mean_curve(const Signal::Rows& rows, const std::vector<int>& at) {
  std::vector<Point> points;
  for (std::size_t i = 0; i < rows[0].size(); ++i) {
    double sum = 0;
    for (const std::vector<double>& row : rows) sum += row[i] / static_cast<double>(rows.size());
    points.push_back({at.empty() ? static_cast<double>(i) : static_cast<double>(at[i]), sum});
  }
  return points;
}

double slope(const Point& from, const Point& to) {
  return (to.value - from.value) / (to.tokens - from.tokens);
}

// Edges of the upper concave hull, descending slopes. What lies before the first point is not
// known, so it is bought first.
std::vector<Segment> hull_of(const std::vector<Point>& points) {
  std::vector<Point> hull;
  for (const Point& point : points) {
    while (hull.size() > 1 &&
           slope(hull[hull.size() - 2], hull.back()) <= slope(hull.back(), point)) {
      hull.pop_back();
    }
    hull.push_back(point);
  }
  std::vector<Segment> edges;
  if (hull[0].tokens > 0) {
    edges.push_back({std::numeric_limits<double>::infinity(), hull[0].tokens});
  }
  for (std::size_t i = 1; i < hull.size(); ++i) {
    edges.push_back({slope(hull[i - 1], hull[i]), hull[i].tokens - hull[i - 1].tokens});
  }
  return edges;
}

std::vector<double> shares(int total, const Signal& signal, const Limits& limits, const Params&) {
  std::vector<std::vector<Segment>> layers;
  for (const Signal::Rows& rows : signal.curves) {
    layers.push_back(hull_of(mean_curve(rows, signal.at)));
  }
  return spend_on_steepest(std::move(layers), total, limits);
}

}  // namespace

constinit const Allocator kHullGreedy = {
    "hull_greedy",
    "where a token adds most: the concave hulls of the layers' curves, steepest segment first",
    "",
    kCurves,
    {},
    shares};

}  // namespace polykv
