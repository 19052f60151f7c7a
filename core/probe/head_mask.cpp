#include "core/probe/head_mask.h"

#include <algorithm>

#include "core/cache/attend.h"
#include "core/cache/prompt_state.h"
#include "core/error.h"
#include "core/probe/language.h"

namespace polykv {
namespace {

struct PromptRows {  // one layer: the prompt's rows, then room for the fed answer tokens
  at::Tensor k, v;   // (kv_heads, prompt + fed, head_dim)
};

// Per layer (query_heads, 1, 1), 0 for masked heads; undefined where none is masked.
std::vector<at::Tensor> factors_of(const HeadMask& mask, const ModelShape& shape) {
  std::vector<at::Tensor> factors(shape.layers);
  for (const HeadPlace place : mask) {
    at::Tensor& factor = factors.at(place.layer);
    if (!factor.defined()) factor = at::ones({shape.query_heads, 1, 1}, at::kFloat);
    factor[place.head].zero_();
  }
  return factors;
}

// Last layer's output (fed, hidden) of answer tokens fed behind the prompt. Overwrites the room.
at::Tensor feed(const Decoder& decoder, std::vector<PromptRows>& rows, std::span<const int> fed,
                int prompt, const std::vector<at::Tensor>& factors, const CancelFlag* cancel) {
  const auto t = static_cast<int>(fed.size());
  const RopeAngles angles = decoder.angles(at::arange(prompt, prompt + t, at::kLong), prompt + t);
  at::Tensor x = decoder.embed(fed);
  for (std::size_t l = 0; l < rows.size(); ++l) {
    stop_if(cancel);
    const int layer = static_cast<int>(l);
    const Projected p = decoder.project(layer, x, angles);
    rows[l].k.narrow(1, prompt, t).copy_(p.k);
    rows[l].v.narrow(1, prompt, t).copy_(p.v);
    const at::Tensor q = factors[l].defined() ? p.q * factors[l] : p.q;
    x = decoder.finish(layer, x, attend(q, rows[l].k, rows[l].v, decoder.config().windows[layer]));
  }
  return x;
}

struct CaseScore {
  bool right = false;
  double nll = 0;
};

CaseScore score_answer(const at::Tensor& logits, const std::vector<int>& answer) {
  const at::Tensor log_p = at::log_softmax(logits.to(at::kFloat), -1);
  const at::Tensor best = log_p.argmax(-1);
  CaseScore score{true, 0};
  for (int i = 0; i < static_cast<int>(answer.size()); ++i) {
    score.right &= best[i].item<std::int64_t>() == answer[i];
    score.nll -= log_p[i][answer[i]].item<float>() / static_cast<double>(answer.size());
  }
  return score;
}

// One case under every mask.
std::vector<CaseScore> score_case(const Decoder& decoder, const Case& c,
                                  const std::vector<std::vector<at::Tensor>>& masks,
                                  const CancelFlag* cancel) {
  std::vector<int> ids = c.context;
  ids.insert(ids.end(), c.question.begin(), c.question.end());
  const int prompt = static_cast<int>(ids.size()), t = static_cast<int>(c.answer.size()) - 1;
  check_prompt(decoder.config(), ids, t);
  std::vector<PromptRows> rows;
  const auto keep = [&](int, LayerState&& state) {
    const auto with_room = [&](const at::Tensor& source) {
      return at::cat({source, at::empty({source.size(0), t, source.size(2)}, source.options())}, 1);
    };
    rows.push_back({with_room(state.k), with_room(state.v)});
  };
  const at::Tensor last = run_prompt(decoder, ids, keep, cancel).narrow(0, prompt - 1, 1);
  std::vector<CaseScore> scores;
  for (const std::vector<at::Tensor>& factors : masks) {
    const std::span fed(c.answer.data(), static_cast<std::size_t>(t));
    const at::Tensor out =
        t == 0 ? last : at::cat({last, feed(decoder, rows, fed, prompt, factors, cancel)});
    scores.push_back(score_answer(decoder.logits(out), c.answer));
  }
  return scores;
}

HeadMask draw_mask(std::vector<HeadPlace> from, std::size_t count, Prng& prng) {
  for (std::size_t i = 0; i < count; ++i) {
    std::swap(from[i], from[i + prng.below(static_cast<int>(from.size() - i))]);
  }
  from.resize(count);
  return from;
}

std::vector<HeadPlace> other_heads(const ModelShape& shape, const std::vector<HeadMask>& chosen) {
  std::vector<HeadPlace> others;
  for (int l = 0; l < shape.layers; ++l) {
    for (int h = 0; h < shape.query_heads; ++h) {
      const bool taken = std::any_of(chosen.begin(), chosen.end(), [&](const HeadMask& mask) {
        return std::find(mask.begin(), mask.end(), HeadPlace{l, h}) != mask.end();
      });
      if (!taken) others.push_back({l, h});
    }
  }
  return others;
}

}  // namespace

std::vector<MaskScore> score_masks(const Model& model, const std::vector<Case>& cases,
                                   const std::vector<HeadMask>& masks, const Progress& progress,
                                   const CancelFlag* cancel) {
  const at::InferenceMode guard;
  std::vector<std::vector<at::Tensor>> factors;
  for (const HeadMask& mask : masks) factors.push_back(factors_of(mask, model.shape()));
  std::vector<int> right(masks.size());
  std::vector<std::vector<double>> nll(masks.size());
  for (std::size_t i = 0; i < cases.size(); ++i) {
    if (progress) {
      progress(static_cast<double>(i) / static_cast<double>(cases.size()),
               "masking, case " + std::to_string(i + 1) + " of " + std::to_string(cases.size()));
    }
    const std::vector<CaseScore> scores = score_case(model.decoder(), cases[i], factors, cancel);
    for (std::size_t m = 0; m < masks.size(); ++m) {
      right[m] += scores[m].right;
      nll[m].push_back(scores[m].nll);
    }
  }
  std::vector<MaskScore> results;
  for (std::size_t m = 0; m < masks.size(); ++m) {
    results.push_back({wilson(right[m], static_cast<int>(cases.size())), mean_with_t(nll[m])});
  }
  return results;
}

MaskEffect mask_effect(const Model& model, const std::vector<Case>& cases,
                       const std::vector<HeadMask>& chosen, std::uint64_t seed, int repeats,
                       const Progress& progress, const CancelFlag* cancel) {
  const std::size_t size = chosen.empty() ? 0 : chosen.front().size();
  for (const HeadMask& mask : chosen) {
    if (mask.size() != size) throw Error(ErrorKind::usage, "masks of one size were expected");
  }
  const std::vector<HeadPlace> others = other_heads(model.shape(), chosen);
  if (size == 0 || others.size() < size) {
    throw Error(ErrorKind::usage, "masking " + std::to_string(size) + " heads leaves " +
                                      std::to_string(others.size()) +
                                      " to draw as many random ones from");
  }
  MaskEffect effect;
  Prng prng(seed);
  std::vector<HeadMask> masks{{}};
  masks.insert(masks.end(), chosen.begin(), chosen.end());
  for (int r = 0; r < repeats; ++r) effect.drawn.push_back(draw_mask(others, size, prng));
  masks.insert(masks.end(), effect.drawn.begin(), effect.drawn.end());

  const std::vector<MaskScore> scores = score_masks(model, cases, masks, progress, cancel);
  const auto first_draw = scores.begin() + 1 + static_cast<std::ptrdiff_t>(chosen.size());
  effect.none = scores.front();
  effect.chosen.assign(scores.begin() + 1, first_draw);
  effect.draws.assign(first_draw, scores.end());
  std::vector<double> recalls, nlls;
  for (const MaskScore& draw : effect.draws) {
    recalls.push_back(draw.recall.value);
    nlls.push_back(draw.answer_nll.value);
  }
  effect.random = {mean_with_t(recalls), mean_with_t(nlls)};
  Estimate& recall = effect.random.recall;  // the t interval does not know that it is a rate
  recall.low = std::max(recall.low, 0.0);
  recall.high = std::min(recall.high, 1.0);
  return effect;
}

}  // namespace polykv
