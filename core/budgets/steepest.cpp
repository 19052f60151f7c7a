#include <algorithm>

#include "core/budgets/rows.h"

namespace polykv {
namespace {

// Removes `tokens` from the front of the segments.
void take_front(std::vector<Segment>& segments, double tokens) {
  std::size_t gone = 0;
  while (gone < segments.size() && segments[gone].tokens <= tokens) {
    tokens -= segments[gone++].tokens;
  }
  segments.erase(segments.begin(), segments.begin() + static_cast<std::ptrdiff_t>(gone));
  if (!segments.empty()) segments[0].tokens -= tokens;
}

// Shortens the segments to `tokens` together.
void cut_back(std::vector<Segment>& segments, double tokens) {
  for (std::size_t i = 0; i < segments.size(); ++i) {
    if (segments[i].tokens < tokens) {
      tokens -= segments[i].tokens;
      continue;
    }
    segments[i].tokens = tokens;
    segments.resize(i + 1);
  }
}

}  // namespace

std::vector<double> spend_on_steepest(std::vector<std::vector<Segment>> layers, int total,
                                      const Limits& limits) {
  struct Piece {
    Segment segment;
    std::size_t layer;
  };
  std::vector<Piece> pieces;
  std::vector<double> shares(layers.size(), limits.floor);
  for (std::size_t l = 0; l < layers.size(); ++l) {
    take_front(layers[l], limits.floor);
    if (limits.cap > 0) cut_back(layers[l], limits.cap - limits.floor);
    for (const Segment& segment : layers[l]) pieces.push_back({segment, l});
  }
  std::stable_sort(pieces.begin(), pieces.end(),
                   [](const Piece& a, const Piece& b) { return a.segment.gain > b.segment.gain; });
  double left = total - static_cast<double>(limits.floor) * static_cast<double>(layers.size());
  for (auto first = pieces.begin(); first != pieces.end() && left > 0;) {
    auto last = first;
    double length = 0;  // of all segments with this gain
    while (last != pieces.end() && last->segment.gain == first->segment.gain) {
      length += (last++)->segment.tokens;
    }
    const double part = length <= left ? 1 : left / length;
    for (; first != last; ++first) shares[first->layer] += part * first->segment.tokens;
    left -= part * length;
  }
  return shares;
}

}  // namespace polykv
