#include "core/bench/kernel_speed.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "kernels/attention.h"
#include "kernels/compact.h"
#include "kernels/importance.h"
#include "kernels/matvec.h"
#include "kernels/select.h"

namespace polykv {
namespace {

constexpr int kHeads = 32, kKvHeads = 8, kDim = 128, kHidden = 4096, kGroup = kHeads / kKvHeads;
constexpr int kCached = 8192;    // tokens of a cache that is attended to, selected and compacted
constexpr int kKept = 1024;      // of them
constexpr int kPrompt = 2048;    // tokens whose attention is summed
constexpr int kRowsAtOnce = 64;  // of the weight that a thread takes

using Work = std::function<void()>;

double median_of(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  return times[(times.size() - 1) / 2];
}

KernelSpeed measured(KernelSpeed speed, int repeats, const Work& ours, const Work& torch) {
  const auto ms = [](const Work& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
        .count();
  };
  ours();
  torch();
  std::vector<double> mine, theirs;
  for (int r = 0; r < repeats; ++r) {
    mine.push_back(ms(ours));
    theirs.push_back(ms(torch));
  }
  speed.ours_ms = median_of(mine);
  speed.torch_ms = median_of(theirs);
  return speed;
}

float scale() { return static_cast<float>(1.0 / std::sqrt(double(kDim))); }

// One new token over the cache.
KernelSpeed attention(int repeats) {
  const at::Tensor q = at::randn({kHeads, 1, kDim}), k = at::randn({kKvHeads, kCached, kDim}),
                   v = at::randn({kKvHeads, kCached, kDim}), out = at::empty({1, kHeads * kDim});
  std::vector<std::int64_t> starts;
  for (int h = 0; h < kKvHeads; ++h) starts.push_back(std::int64_t{h} * kCached);
  const std::vector<int> lengths(kKvHeads, kCached);
  const AttentionShape shape{
      .heads = kHeads, .kv_heads = kKvHeads, .queries = 1, .dim = kDim, .scale = scale()};
  return measured(
      {"attention", "1 token over 8192", "GB/s", 2e-9 * double(k.nbytes())}, repeats,
      [&] {
        at::parallel_for(0, kKvHeads, 1, [&](std::int64_t first, std::int64_t last) {
          attention_cpu(q.data_ptr<float>(), k.data_ptr<float>(), v.data_ptr<float>(),
                        starts.data(), lengths.data(), shape, static_cast<int>(first) * kGroup,
                        static_cast<int>(last) * kGroup, out.data_ptr<float>(), nullptr, 0);
        });
      },
      [&] {
        at::scaled_dot_product_attention(q.unsqueeze(0), k.unsqueeze(0), v.unsqueeze(0),
                                         std::nullopt, 0.0, false, std::nullopt, true);
      });
}

// Column sums of a prompt's causal attention; LibTorch in blocks of 256 query rows, each over the
// keys it can see.
KernelSpeed importance(int repeats) {
  const at::Tensor q = at::randn({kHeads, kPrompt, kDim}), k = at::randn({kKvHeads, kPrompt, kDim}),
                   sums = at::empty({kHeads, kPrompt});
  const ImportanceShape shape{.heads = kHeads,
                              .kv_heads = kKvHeads,
                              .queries = kPrompt,
                              .keys = kPrompt,
                              .dim = kDim,
                              .first = 0,
                              .scale = scale()};
  constexpr int kBlock = 256;
  const at::Tensor future =
      at::full({kBlock, kBlock}, -std::numeric_limits<float>::infinity()).triu_(1);
  const at::Tensor grouped = q.view({kKvHeads, kGroup, kPrompt, kDim});
  return measured(
      {"importance", "2048 queries, causal", "GFLOP/s", 1e-9 * kHeads * kDim * kPrompt * kPrompt},
      repeats,
      [&] {
        at::parallel_for(0, kHeads, 1, [&](std::int64_t first, std::int64_t last) {
          importance_cpu(q.data_ptr<float>(), k.data_ptr<float>(), shape, static_cast<int>(first),
                         static_cast<int>(last), sums.data_ptr<float>());
        });
      },
      [&] {
        at::Tensor total = at::zeros({kHeads, kPrompt});
        for (int first = 0; first < kPrompt; first += kBlock) {
          const int seen = first + kBlock;
          at::Tensor logits =
              at::bmm(grouped.narrow(2, first, kBlock).reshape({kKvHeads, kGroup * kBlock, kDim}),
                      k.narrow(1, 0, seen).transpose(1, 2))
                  .mul_(scale())
                  .view({kHeads, kBlock, seen});
          logits.narrow(2, first, kBlock).add_(future);
          total.narrow(1, 0, seen).add_(at::softmax(logits, -1).sum(1));
        }
      });
}

// The best of a row in the order of positions; LibTorch with topk and a sort.
KernelSpeed select(int repeats) {
  const at::Tensor scores = at::randn({kKvHeads, kCached});
  const at::Tensor kept = at::empty({kKvHeads, kKept}, at::kInt);
  const SelectShape row{.rows = 1, .tokens = kCached, .budget = kKept};
  return measured(
      {"select", "1024 of 8192, 8 rows", "GB/s", 1e-9 * double(scores.nbytes())}, repeats,
      [&] {
        at::parallel_for(0, kKvHeads, 1, [&](std::int64_t first, std::int64_t last) {
          for (std::int64_t h = first; h < last; ++h) {
            select_cpu(scores.data_ptr<float>() + h * kCached, row,
                       kept.data_ptr<std::int32_t>() + h * kKept);
          }
        });
      },
      [&] { std::get<1>(at::topk(scores, kKept, -1, true, false)).sort(-1); });
}

KernelSpeed compact(int repeats) {
  const at::Tensor source = at::randn({kKvHeads, kCached, kDim});
  const at::Tensor index =
      std::get<0>(at::rand({kKvHeads, kCached}).argsort(-1, false).narrow(1, 0, kKept).sort(-1));
  const at::Tensor positions = index.to(at::kInt), out = at::empty({kKvHeads, kKept, kDim});
  const at::Tensor wide = index.unsqueeze(-1).expand({kKvHeads, kKept, kDim});
  const CompactShape shape{
      .rows = 1, .tokens = kCached, .kept = kKept, .dim = kDim, .out_stride = kKept};
  return measured(
      {"compact", "1024 of 8192, 8 heads", "GB/s", 2e-9 * double(out.nbytes())}, repeats,
      [&] {
        at::parallel_for(0, kKvHeads, 1, [&](std::int64_t first, std::int64_t last) {
          for (std::int64_t h = first; h < last; ++h) {
            compact_cpu(source.data_ptr<float>() + h * kCached * kDim,
                        positions.data_ptr<std::int32_t>() + h * kKept, shape,
                        out.data_ptr<float>() + h * kKept * kDim);
          }
        });
      },
      [&] { at::gather(source, 1, wide); });
}

// One token times a hidden x hidden weight; LibTorch with both in the weight's type.
template <class Number>
KernelSpeed matvec(const char* shape_words, at::ScalarType type, int repeats) {
  const at::Tensor x = at::randn({1, kHidden}), out = at::empty({1, kHidden});
  const at::Tensor weight = at::randn({kHidden, kHidden}).to(type), typed = x.to(type);
  const MatvecShape shape{.tokens = 1, .rows = kHidden, .columns = kHidden};
  return measured(
      {"matvec", shape_words, "GB/s", 1e-9 * double(weight.nbytes())}, repeats,
      [&] {
        at::parallel_for(0, kHidden / kRowsAtOnce, 1, [&](std::int64_t first, std::int64_t last) {
          matvec_cpu(x.data_ptr<float>(), static_cast<const Number*>(weight.data_ptr()), shape,
                     static_cast<int>(first) * kRowsAtOnce, static_cast<int>(last) * kRowsAtOnce,
                     out.data_ptr<float>());
        });
      },
      [&] { at::linear(typed, weight); });
}

}  // namespace

std::vector<KernelSpeed> kernel_speeds(int repeats, std::uint64_t seed,
                                       const std::function<void(const std::string&)>& begins) {
  const at::InferenceMode guard;
  at::manual_seed(seed);
  std::vector<KernelSpeed> all;
  const auto add = [&](const char* name, const std::function<KernelSpeed()>& measure) {
    begins(name);
    all.push_back(measure());
  };
  add("attention", [&] { return attention(repeats); });
  add("importance", [&] { return importance(repeats); });
  add("select", [&] { return select(repeats); });
  add("compact", [&] { return compact(repeats); });
  add("matvec fp32", [&] { return matvec<float>("4096 x 4096 fp32", at::kFloat, repeats); });
  add("matvec bf16", [&] { return matvec<Bf16>("4096 x 4096 bf16", at::kBFloat16, repeats); });
  add("matvec fp16", [&] { return matvec<Fp16>("4096 x 4096 fp16", at::kHalf, repeats); });
  return all;
}

}  // namespace polykv
