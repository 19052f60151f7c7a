#pragma once
// What was measured of the layers, for the allocators that share by it.
#include <string>
#include <vector>

#include "core/files.h"

namespace polykv {

// The parts an allocator can ask for.
enum SignalPart : unsigned {
  kNoPart = 0,
  kValues = 1,
  kVariance = 2,
  kCurves = 4,
  kScores = 8,
};

struct Signal {
  using Rows = std::vector<std::vector<double>>;  // (heads or more rows, tokens)

  Signal() = default;
  Signal(std::vector<double> per_layer) : values(std::move(per_layer)) {}

  std::vector<double> values;    // per layer: how much it needs, at least 0 (entropy, error, ...)
  std::vector<double> variance;  // per layer: temporal variance of its attention, at least 0
  // per layer, a row per head: kept attention mass (or any score) with at[0], at[1], ... tokens.
  std::vector<Rows> curves;
  std::vector<int> at;       // ascending; empty = 0, 1, 2, ...
  std::vector<Rows> scores;  // per layer: comparable scores of its tokens, at least 0, any order

  int layers() const;  // of the first part that is there; 0 = no part is
  // The same parts for these layers only.
  Signal of_layers(const std::vector<int>& layers) const;
};

// The words of a mask of parts, as in files and messages: "values", "variance", ...
std::vector<std::string> part_words(unsigned parts);

// Throws an input Error that starts with `where` and names the layer: a needed part is missing,
// parts of different length, numbers that are not finite, or negative (curves may be).
void check_signal(const Signal& signal, unsigned needs, const std::string& where);

// A JSON array with one number per layer, or an object with the parts by their words; a curve or a
// list of scores may be one row or a list of rows. Throws an input Error naming file and key.
Signal parse_signal(const Json& json, const std::string& origin);
Signal read_signal(const std::string& path);
Json signal_json(const Signal& signal);

}  // namespace polykv
