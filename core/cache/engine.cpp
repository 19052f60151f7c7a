#include "core/cache/engine.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "core/cache/kv_cache.h"
#include "core/error.h"
#include "core/model/safetensors.h"
#include "core/policies/policy.h"

namespace polykv {
namespace {

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

int arg_max(const at::Tensor& logits) {  // (1, vocab)
  return static_cast<int>(logits.argmax(-1).item<std::int64_t>());
}

// An agnostic cut comes after the context; an aware one, or one without a question, after the
// prompt.
struct Prompt {
  std::vector<int> before_cut, after_cut;
};

Prompt split_prompt(const GenerateRequest& request) {
  Prompt prompt{request.context, request.question};
  if (request.plan.query == QueryVisibility::aware) {
    prompt.before_cut.insert(prompt.before_cut.end(), prompt.after_cut.begin(),
                             prompt.after_cut.end());
    prompt.after_cut.clear();
  }
  return prompt;
}

FloatTensor float_tensor(const std::string& name, const at::Tensor& tensor) {
  const at::Tensor rows = tensor.contiguous();
  return {name, rows.sizes().vec(),
          std::vector<float>(rows.data_ptr<float>(), rows.data_ptr<float>() + rows.numel())};
}

}  // namespace

GenerateResult generate(const Model& model, const GenerateRequest& request,
                        const CancelFlag* cancel) {
  const at::InferenceMode guard;
  const Prompt prompt = split_prompt(request);
  if (request.plan.layers() > 0) check_plan_fits(request.plan, model.shape());
  if (!prompt.after_cut.empty()) check_prompt(model.config(), prompt.after_cut);
  check_prompt(model.config(), prompt.before_cut,
               static_cast<int>(prompt.after_cut.size()) + request.max_new);

  GenerateResult result;
  const auto start = std::chrono::steady_clock::now();
  KvCache cache(model, request.plan, static_cast<int>(prompt.after_cut.size()) + request.max_new);
  at::Tensor out = cache.prefill(prompt.before_cut, cancel);
  result.kv_bytes = cache.cut_bytes();
  if (!prompt.after_cut.empty()) out = cache.run(prompt.after_cut, cancel);
  const Decoder& decoder = model.decoder();
  int next = request.max_new > 0 ? arg_max(decoder.logits(out.narrow(0, out.size(0) - 1, 1))) : 0;
  result.prefill_ms = milliseconds_since(start);

  const std::vector<int>& stops = model.config().eos_ids;
  const auto decode_start = std::chrono::steady_clock::now();
  while (static_cast<int>(result.ids.size()) < request.max_new) {
    if (request.stop_at_eos && std::find(stops.begin(), stops.end(), next) != stops.end()) break;
    result.ids.push_back(next);
    if (static_cast<int>(result.ids.size()) == request.max_new) break;
    next = arg_max(decoder.logits(cache.step(next, cancel)));
  }
  // The first token came with the prefill.
  const double seconds = milliseconds_since(decode_start) / 1e3;
  if (result.ids.size() > 1 && seconds > 0) {
    result.decode_tokens_per_s = static_cast<double>(result.ids.size() - 1) / seconds;
  }
  return result;
}

KeepResult keep(const Model& model, const GenerateRequest& request, const CancelFlag* cancel) {
  const at::InferenceMode guard;
  const Prompt prompt = split_prompt(request);
  check_prompt(model.config(), prompt.before_cut);
  check_plan_fits(request.plan, model.shape());
  KvCache cache(model, request.plan, 0);
  cache.prefill(prompt.before_cut, cancel);
  const int tokens = static_cast<int>(prompt.before_cut.size());
  KeepResult result;
  result.tokens = tokens;
  result.kv_bytes = cache.cut_bytes();
  const int heads = model.shape().kv_heads;
  for (int l = 0; l < model.shape().layers; ++l) {
    const LayerChoice& choice = request.plan.of(Phase::prefill)[l];
    const CutLayer& cut = cache.cuts()[l];
    KeptRows rows;
    rows.policy = choice.policy;
    std::size_t all = 0;
    for (int head = 0; head < heads; ++head) {
      const std::vector<std::int32_t>& held = cache.positions(l, head);
      rows.positions.emplace_back(held.begin(), held.end());
      all += held.size();
    }
    rows.budget = static_cast<int>(all) / heads;
    rows.scores.assign(static_cast<std::size_t>(heads) * tokens,
                       std::numeric_limits<float>::infinity());
    if (cut.scores.rows > 0) {
      const SelectShape shape =
          fit_protected(keep_shape(*find_policy(choice.policy), choice, cut.scores.rows, tokens));
      for (int head = 0; head < heads; ++head) {
        const float* scores = cut.scores.scores.data() + (cut.scores.rows == 1 ? 0 : head * tokens);
        std::copy(scores + shape.sink, scores + tokens - shape.recent,
                  rows.scores.begin() + head * tokens + shape.sink);
      }
    }
    result.layers.push_back(std::move(rows));
  }
  return result;
}

void write_logits(const Model& model, const LogitsRequest& request) {
  const at::InferenceMode guard;
  const Decoder& decoder = model.decoder();
  std::vector<FloatTensor> tensors;
  // A layer's output is the next layer's input.
  const auto add_hidden = [&](int layer, const at::Tensor& output) {
    if (request.hidden && layer >= 0) {
      tensors.push_back(float_tensor("hidden." + std::to_string(layer), output));
    }
  };
  const at::Tensor out = run_prompt(
      decoder, request.ids,
      [&](int layer, LayerState&& state) {
        add_hidden(layer - 1, state.x);
        if (!request.keys_values) return;
        tensors.push_back(float_tensor("key." + std::to_string(layer), state.k));
        tensors.push_back(float_tensor("value." + std::to_string(layer), state.v));
      },
      nullptr, request.chunk, request.hidden ? 0 : request.last);
  add_hidden(model.shape().layers - 1, out);
  const std::int64_t tokens = out.size(0);
  const std::int64_t rows =
      request.last > 0 ? std::min<std::int64_t>(request.last, tokens) : tokens;
  tensors.push_back(float_tensor("logits", decoder.logits(out.narrow(0, tokens - rows, rows))));
  write_safetensors(request.out, tensors);
}

}  // namespace polykv
