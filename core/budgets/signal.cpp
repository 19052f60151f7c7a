#include "core/budgets/signal.h"

#include <algorithm>
#include <climits>
#include <cmath>

#include "core/error.h"

namespace polykv {
namespace {

struct PartWord {
  unsigned part;
  const char* word;
};
constexpr PartWord kPartWords[] = {
    {kValues, "values"}, {kVariance, "variance"}, {kCurves, "curves"}, {kScores, "scores"}};

template <class T>
std::vector<T> picked(const std::vector<T>& from, const std::vector<int>& layers) {
  std::vector<T> part;
  if (from.empty()) return part;
  for (const int l : layers) part.push_back(from.at(l));
  return part;
}

std::size_t layers_of(const Signal& signal, unsigned part) {
  switch (part) {
    case kValues:
      return signal.values.size();
    case kVariance:
      return signal.variance.size();
    case kCurves:
      return signal.curves.size();
    default:
      return signal.scores.size();
  }
}

std::string layer_word(const char* part, std::size_t layer) {
  return std::string(part) + " of layer " + std::to_string(layer);
}

void check_numbers(const std::vector<double>& numbers, bool may_be_negative,
                   const std::string& where, const std::string& key) {
  for (const double number : numbers) {
    if (!std::isfinite(number)) fail_input(where, key, "must be a finite number");
    if (!may_be_negative && number < 0) fail_input(where, key, "must be at least 0");
  }
}

void check_per_layer(const std::vector<double>& numbers, const std::string& where,
                     const char* part) {
  for (std::size_t l = 0; l < numbers.size(); ++l) {
    check_numbers({numbers[l]}, false, where, layer_word(part, l));
  }
}

void check_curves(const Signal& signal, const std::string& where) {
  for (std::size_t i = 0; i < signal.at.size(); ++i) {
    if (signal.at[i] < 0 || (i > 0 && signal.at[i] <= signal.at[i - 1])) {
      fail_input(where, "at", "must hold token counts of at least 0 in ascending order");
    }
  }
  for (std::size_t l = 0; l < signal.curves.size(); ++l) {
    const std::string key = layer_word("curves", l);
    if (signal.curves[l].empty()) fail_input(where, key, "must hold at least one row");
    for (const std::vector<double>& row : signal.curves[l]) {
      if (row.size() != signal.curves[l][0].size() || row.empty()) {
        fail_input(where, key, "must hold rows of the same length, at least 1");
      }
      if (!signal.at.empty() && row.size() != signal.at.size()) {
        fail_input(where, key,
                   "must hold " + std::to_string(signal.at.size()) +
                       " numbers, one for each of 'at', found " + std::to_string(row.size()));
      }
      check_numbers(row, true, where, key);
    }
  }
}

void check_scores(const Signal& signal, const std::string& where) {
  for (std::size_t l = 0; l < signal.scores.size(); ++l) {
    const std::string key = layer_word("scores", l);
    if (signal.scores[l].empty()) fail_input(where, key, "must hold at least one row");
    for (const std::vector<double>& row : signal.scores[l]) check_numbers(row, false, where, key);
  }
}

std::vector<double> numbers_from(const Json& array, const std::string& origin,
                                 const std::string& key) {
  if (!array.is_array()) fail_input(origin, key, "must be a list of numbers");
  std::vector<double> numbers;
  for (const Json& each : array) {
    if (!each.is_number()) {
      fail_input(origin, key + "[" + std::to_string(numbers.size()) + "]",
                 "must be a number, found " + each.dump(-1, ' ', true).substr(0, 40));
    }
    numbers.push_back(each.get<double>());
  }
  return numbers;
}

std::vector<Signal::Rows> rows_from(const Json& array, const std::string& origin,
                                    const std::string& word) {
  if (!array.is_array()) fail_input(origin, word, "must be a list with one entry per layer");
  std::vector<Signal::Rows> layers;
  for (const Json& layer : array) {
    const std::string key = word + "[" + std::to_string(layers.size()) + "]";
    Signal::Rows rows;
    if (layer.is_array() && !layer.empty() && layer[0].is_array()) {
      for (const Json& row : layer) rows.push_back(numbers_from(row, origin, key));
    } else {
      rows.push_back(numbers_from(layer, origin, key));
    }
    layers.push_back(std::move(rows));
  }
  return layers;
}

}  // namespace

int Signal::layers() const {
  for (const auto& [part, word] : kPartWords) {
    if (const std::size_t count = layers_of(*this, part); count > 0) return static_cast<int>(count);
  }
  return 0;
}

Signal Signal::of_layers(const std::vector<int>& layers) const {
  Signal part;
  part.values = picked(values, layers);
  part.variance = picked(variance, layers);
  part.curves = picked(curves, layers);
  part.at = at;
  part.scores = picked(scores, layers);
  return part;
}

std::vector<std::string> part_words(unsigned parts) {
  std::vector<std::string> words;
  for (const auto& [part, word] : kPartWords) {
    if (parts & part) words.push_back(word);
  }
  return words;
}

void check_signal(const Signal& signal, unsigned needs, const std::string& where) {
  const auto layers = static_cast<std::size_t>(signal.layers());
  for (const auto& [part, word] : kPartWords) {
    const std::size_t count = layers_of(signal, part);
    if ((needs & part) && count == 0) {
      fail_input(where, "", std::string("needs '") + word + "', which the signal does not carry");
    }
    if (count > 0 && count != layers) {
      fail_input(where, word,
                 "must have an entry for each of " + std::to_string(layers) + " layers, found " +
                     std::to_string(count));
    }
  }
  if (needs & kValues) check_per_layer(signal.values, where, "values");
  if (needs & kVariance) check_per_layer(signal.variance, where, "variance");
  if (needs & kCurves) check_curves(signal, where);
  if (needs & kScores) check_scores(signal, where);
}

Signal parse_signal(const Json& json, const std::string& origin) {
  Signal signal;
  if (json.is_array()) {
    signal.values = numbers_from(json, origin, "");
  } else if (json.is_object()) {
    if (json.contains("values")) signal.values = numbers_from(json["values"], origin, "values");
    if (json.contains("variance")) {
      signal.variance = numbers_from(json["variance"], origin, "variance");
    }
    if (json.contains("curves")) signal.curves = rows_from(json["curves"], origin, "curves");
    if (json.contains("scores")) signal.scores = rows_from(json["scores"], origin, "scores");
    if (json.contains("at")) {
      for (const double tokens : numbers_from(json["at"], origin, "at")) {
        if (!(tokens >= 0 && tokens <= INT_MAX) || tokens != std::floor(tokens)) {
          fail_input(origin, "at", "must hold token counts, integers of at least 0");
        }
        signal.at.push_back(static_cast<int>(tokens));
      }
    }
  }
  if (signal.layers() == 0) {
    fail_input(origin, "",
               "must be a list with one number per layer, or an object with at least one of "
               "values, variance, curves, scores");
  }
  check_signal(signal, kNoPart, origin);
  return signal;
}

Signal read_signal(const std::string& path) { return parse_signal(read_json_file(path), path); }

Json signal_json(const Signal& signal) {
  Json json = Json::object();
  if (!signal.values.empty()) json["values"] = signal.values;
  if (!signal.variance.empty()) json["variance"] = signal.variance;
  if (!signal.curves.empty()) json["curves"] = signal.curves;
  if (!signal.at.empty()) json["at"] = signal.at;
  if (!signal.scores.empty()) json["scores"] = signal.scores;
  return json;
}

}  // namespace polykv
