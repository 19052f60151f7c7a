#pragma once
// Small cases and a plain-loop attention for the tests of the layer signals.
#include <cmath>
#include <random>
#include <vector>

#include "core/cache/layer_view.h"
#include "core/score/case_state.h"
#include "core/signals/layer_signals.h"
#include "tests/support/goldens.h"

namespace polykv {

inline Case random_case(const Model& model, int context, int question, int answer, int seed) {
  std::mt19937 random(static_cast<unsigned>(seed));
  std::uniform_int_distribution<int> draw(3, 400);
  const auto ids = [&](int n) {
    std::vector<int> list(n);
    for (int& id : list) id = draw(random) % model.shape().vocab;
    return list;
  };
  Case made;
  made.context = ids(context);
  made.question = ids(question);
  made.answer = ids(answer);
  return made;
}

// Softmax attention of the queries at [first, last) over keys 0 .. last - 1 in double, by the
// definition: [query head][query][key].
inline std::vector<Signal::Rows> plain_attention(const Decoder& decoder, const LayerState& state,
                                                 int layer, int first, int last) {
  const ModelShape& s = decoder.config().shape;
  const int sliding = decoder.config().windows[layer], d = s.head_dim;
  const at::Tensor q = stored_queries(decoder, state, layer, first, last).contiguous();
  const at::Tensor k = state.k.contiguous();
  const std::int64_t tokens = k.size(1);
  std::vector<Signal::Rows> heads;
  for (int h = 0; h < s.query_heads; ++h) {
    const float* keys = k.data_ptr<float>() + (h / (s.query_heads / s.kv_heads)) * tokens * d;
    Signal::Rows rows;
    for (int i = first; i < last; ++i) {
      const float* query = q.data_ptr<float>() + (std::int64_t{h} * (last - first) + i - first) * d;
      std::vector<double> row(last, 0.0);
      double sum = 0;
      for (int j = sliding > 0 ? std::max(0, i - sliding + 1) : 0; j <= i; ++j) {
        double dot = 0;
        for (int c = 0; c < d; ++c) dot += double(query[c]) * double(keys[j * d + c]);
        row[j] = std::exp(dot / std::sqrt(double(d)));
        sum += row[j];
      }
      for (double& p : row) p /= sum;
      rows.push_back(row);
    }
    heads.push_back(rows);
  }
  return heads;
}

}  // namespace polykv
