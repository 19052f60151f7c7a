#include "core/signals/output_error.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <numeric>

#include "tests/core/signals/signal_cases.h"

using namespace polykv;

namespace {

// CompressKV's selection by its description (section 2), in loops: window 8, kernel 5.
std::vector<int> selected(const std::vector<Signal::Rows>& attention, const std::vector<int>& heads,
                          int budget) {
  const int n = static_cast<int>(attention[0][0].size()), candidates = n - 8;
  std::vector<double> score(candidates, 0);
  for (const int head : heads) {
    std::vector<double> sums(candidates, 0);
    for (int j = 0; j < candidates; ++j) {
      for (const auto& row : attention[head]) sums[j] += row[j];
    }
    for (int j = 0; j < candidates; ++j) {
      for (int k = std::max(0, j - 2); k <= std::min(candidates - 1, j + 2); ++k) {
        score[j] += sums[k] / 5 / double(heads.size());
      }
    }
  }
  std::vector<int> order(candidates);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return score[a] > score[b]; });
  order.resize(budget - 8);
  for (int j = candidates; j < n; ++j) order.push_back(j);
  std::sort(order.begin(), order.end());
  return order;
}

}  // namespace

TEST_CASE("the output error of CompressKV's 32 tokens equals the reference in every layer") {
  const at::InferenceMode guard;
  const auto model = Model::open(golden("models/llama_gqa"));
  const Decoder& decoder = model->decoder();
  const GoldenFile reference(golden("compresskv/selection.safetensors"));
  const Json facts = read_json_file(golden("compresskv/selection.json"));
  const Json& step = facts.at("reconstruction_error_first_decode_step");
  std::vector<int> ids = reference.ints("input_ids");
  const int n = static_cast<int>(ids.size());
  ids.push_back(step.at("first_token"));
  const PromptState state = prefill(decoder, ids);
  for (int layer = 0; layer < model->shape().layers; ++layer) {
    const auto kept = selected(plain_attention(decoder, state.layers[layer], layer, n - 8, n),
                               facts.at("heads")[layer].get<std::vector<int>>(), 32);
    Kept rows;
    for (int head = 0; head < model->shape().kv_heads; ++head) rows.add_head(kept);
    const auto errors = output_errors(decoder, state.layers[layer], layer, n, rows, 1e-5);
    REQUIRE(errors.size() == 1);
    INFO("layer " << layer);
    CHECK(errors[0] == Approx(step.at("errors")[layer].get<double>()).epsilon(1e-4));
  }
}

TEST_CASE("output errors equal loops over the kept tokens of every head, whatever each keeps") {
  const at::InferenceMode guard;
  const auto model = Model::open(golden("models/qwen2_tied"));
  const Decoder& decoder = model->decoder();
  const ModelShape& s = model->shape();
  const int cut = 30, steps = 4, group = s.query_heads / s.kv_heads;
  const Case one = random_case(*model, cut, steps, 1, 21);
  std::vector<int> ids = one.context;
  ids.insert(ids.end(), one.question.begin(), one.question.end());
  const PromptState state = prefill(decoder, ids);
  std::mt19937 random(4);
  for (int layer = 0; layer < s.layers; ++layer) {
    Kept kept;
    std::vector<std::vector<bool>> stays;  // [kv head][token]
    for (int head = 0; head < s.kv_heads; ++head) {
      std::vector<std::int32_t> positions;
      stays.emplace_back(cut + steps, true);
      for (int i = 0; i < cut; ++i) {
        stays[head][i] = random() % (head + 2) == 0;  // another number in every head
        if (stays[head][i]) positions.push_back(i);
      }
      kept.add_head(positions);
    }
    const auto attention = plain_attention(decoder, state.layers[layer], layer, cut, cut + steps);
    const at::Tensor v = state.layers[layer].v.contiguous();
    const at::Tensor weight = decoder.output_weight(layer).contiguous();
    const auto got = output_errors(decoder, state.layers[layer], layer, cut, kept);
    REQUIRE(static_cast<int>(got.size()) == steps);
    for (int t = 0; t < steps; ++t) {
      const int width = s.query_heads * s.head_dim;
      std::vector<double> full(width, 0), left(width, 0);
      for (int h = 0; h < s.query_heads; ++h) {
        double all = 0;  // probability that stays; the softmax runs over it alone
        for (int j = 0; j < cut + steps; ++j) {
          if (stays[h / group][j]) all += attention[h][t][j];
        }
        for (int j = 0; j < cut + steps; ++j) {
          const float* row = v.data_ptr<float>() + (h / group * v.size(1) + j) * s.head_dim;
          for (int c = 0; c < s.head_dim; ++c) {
            full[h * s.head_dim + c] += attention[h][t][j] * row[c];
            if (stays[h / group][j]) left[h * s.head_dim + c] += attention[h][t][j] / all * row[c];
          }
        }
      }
      double norm = 0, gap = 0;
      for (int i = 0; i < s.hidden; ++i) {
        double a = 0, b = 0;
        for (int c = 0; c < width; ++c) {
          a += full[c] * weight.data_ptr<float>()[i * width + c];
          b += left[c] * weight.data_ptr<float>()[i * width + c];
        }
        norm += a * a, gap += (a - b) * (a - b);
      }
      INFO("layer " << layer << ", step " << t);
      CHECK(got[t] == Approx(std::sqrt(gap) / (std::sqrt(norm) + 1e-6)).epsilon(1e-4));
    }
  }
}

TEST_CASE("a cut that keeps everything changes no output") {
  const at::InferenceMode guard;
  const auto model = Model::open(golden("models/llama_gqa"));
  const CaseState state = prefill_case(model->decoder(), random_case(*model, 20, 3, 2, 2), nullptr);
  CHECK(output_errors(model->decoder(), state.full.layers[0], 0, 20, {}) ==
        std::vector<double>(4, 0.0));
  std::vector<std::int32_t> all(20);
  std::iota(all.begin(), all.end(), 0);
  Kept kept;
  for (int head = 0; head < model->shape().kv_heads; ++head) kept.add_head(all);
  for (const double error : output_errors(model->decoder(), state.full.layers[0], 0, 20, kept)) {
    CHECK(error < 1e-5);
  }
}
