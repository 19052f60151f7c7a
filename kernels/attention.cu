#include "kernels/attention.h"
#include "kernels/launch.cuh"

namespace polykv {
namespace {

constexpr int kWarps = 4;  // a block is (32 lanes, kWarps); a warp takes a row at a time
constexpr int kThreads = 32 * kWarps;
constexpr int kParts = 8;   // blocks that share one query's rows: one block could not fill a GPU
constexpr int kSlices = 8;  // floats of a row per lane
constexpr int kMostDim = 32 * kSlices;
constexpr unsigned kAll = 0xffffffffu;

// exp(of - top), and 1 where both are -inf: parts without rows.
__device__ inline float share(float of, float top) { return of == top ? 1.0f : expf(of - top); }

// Rows a query sees: all older ones, and the new ones up to itself.
__device__ inline int seen_by(int query, int length, const AttentionShape& shape) {
  return length - shape.queries + query + 1;
}

// Grid (queries, heads, kParts): one part of what one query sees. parts (heads, queries, kParts,
// dim + 2): values weighed by exp(logit - top), then top, then the sum of the weights. rows, unless
// null, receives the logits.
__global__ void parts_kernel(const float* queries, const float* keys, const float* values,
                             const std::int64_t* starts, const int* lengths, AttentionShape shape,
                             float* parts, float* rows, std::int64_t row_stride) {
  __shared__ float totals[kWarps][kMostDim];
  __shared__ float tops[kWarps], sums[kWarps];
  const int lane = static_cast<int>(threadIdx.x), warp = static_cast<int>(threadIdx.y);
  const int query = static_cast<int>(blockIdx.x), head = static_cast<int>(blockIdx.y);
  const int part = static_cast<int>(blockIdx.z), dim = shape.dim;
  const int kv_head = head / (shape.heads / shape.kv_heads);
  const std::size_t at = static_cast<std::size_t>(head) * shape.queries + query;
  const std::size_t first = static_cast<std::size_t>(starts[kv_head]) * dim;
  const int seen = seen_by(query, lengths[kv_head], shape);
  const int share_of_rows = (seen + kParts - 1) / kParts;
  const int begin = part * share_of_rows, end = min(seen, begin + share_of_rows);

  float mine[kSlices], total[kSlices];  // floats lane, lane + 32, .. of the query and the sum
  for (int j = 0; j < kSlices; ++j) {
    const int d = lane + 32 * j;
    mine[j] = d < dim ? queries[at * dim + d] * shape.scale : 0.0f;
    total[j] = 0.0f;
  }
  float top = -INFINITY, sum = 0.0f;
  for (int row = begin + warp; row < end; row += kWarps) {
    const std::size_t from = first + static_cast<std::size_t>(row) * dim;
    float logit = 0.0f;
    for (int j = 0; j < kSlices; ++j) {
      const int d = lane + 32 * j;
      if (d < dim) logit += mine[j] * keys[from + d];
    }
    for (int apart = 16; apart > 0; apart /= 2) logit += __shfl_xor_sync(kAll, logit, apart);
    if (rows != nullptr && lane == 0) rows[at * row_stride + row] = logit;
    float weight = 1.0f;
    if (logit > top) {
      const float smaller = expf(top - logit);
      for (int j = 0; j < kSlices; ++j) total[j] *= smaller;
      sum *= smaller;
      top = logit;
    } else {
      weight = expf(logit - top);
    }
    sum += weight;
    for (int j = 0; j < kSlices; ++j) {
      const int d = lane + 32 * j;
      if (d < dim) total[j] += weight * values[from + d];
    }
  }
  for (int j = 0; j < kSlices; ++j) totals[warp][lane + 32 * j] = total[j];
  if (lane == 0) {
    tops[warp] = top;
    sums[warp] = sum;
  }
  __syncthreads();
  top = tops[0];
  for (int w = 1; w < kWarps; ++w) top = fmaxf(top, tops[w]);
  parts += (at * kParts + part) * (dim + 2);
  for (int d = warp * 32 + lane; d < dim; d += kThreads) {
    float merged = 0.0f;
    for (int w = 0; w < kWarps; ++w) merged += share(tops[w], top) * totals[w][d];
    parts[d] = merged;
  }
  if (warp > 0 || lane > 0) return;
  sum = 0.0f;
  for (int w = 0; w < kWarps; ++w) sum += share(tops[w], top) * sums[w];
  parts[dim] = top;
  parts[dim + 1] = sum;
}

// Grid (queries, heads): the parts of one query together, and its logits into probabilities.
__global__ void merge_kernel(const float* parts, const int* lengths, AttentionShape shape,
                             float* out, float* rows, std::int64_t row_stride) {
  const int thread = static_cast<int>(threadIdx.x), dim = shape.dim;
  const int query = static_cast<int>(blockIdx.x), head = static_cast<int>(blockIdx.y);
  const std::size_t at = static_cast<std::size_t>(head) * shape.queries + query;
  const int kv_head = head / (shape.heads / shape.kv_heads);
  parts += at * kParts * (dim + 2);
  float top = -INFINITY, sum = 0.0f, shares[kParts];
  for (int p = 0; p < kParts; ++p) top = fmaxf(top, parts[p * (dim + 2) + dim]);
  for (int p = 0; p < kParts; ++p) {
    shares[p] = share(parts[p * (dim + 2) + dim], top);
    sum += shares[p] * parts[p * (dim + 2) + dim + 1];
  }
  out += (static_cast<std::size_t>(query) * shape.heads + head) * dim;
  for (int d = thread; d < dim; d += kThreads) {
    float merged = 0.0f;
    for (int p = 0; p < kParts; ++p) merged += shares[p] * parts[p * (dim + 2) + d];
    out[d] = merged / sum;
  }
  if (rows == nullptr) return;
  rows += at * row_stride;
  const int seen = seen_by(query, lengths[kv_head], shape);
  for (std::int64_t row = thread; row < row_stride; row += kThreads) {
    rows[row] = row < seen ? expf(rows[row] - top) / sum : 0.0f;
  }
}

}  // namespace

void attention_cuda(const float* queries, const float* keys, const float* values,
                    const std::int64_t* starts, const int* lengths, const AttentionShape& shape,
                    float* out, float* rows, std::int64_t row_stride, void* stream) {
  if (shape.heads <= 0 || shape.queries <= 0) return;
  if (shape.dim > kMostDim) throw std::invalid_argument("attention_cuda: dim is above 256");
  const auto on = static_cast<cudaStream_t>(stream);
  const std::size_t count = static_cast<std::size_t>(shape.heads) * shape.queries;
  void* scratch = nullptr;
  check_cuda(cudaMallocAsync(&scratch, count * kParts * (shape.dim + 2) * sizeof(float), on),
             "attention_cuda");
  float* parts = static_cast<float*>(scratch);
  POLYKV_LAUNCH(parts_kernel, dim3(shape.queries, shape.heads, kParts), dim3(32, kWarps), on,
                queries, keys, values, starts, lengths, shape, parts, rows, row_stride);
  POLYKV_LAUNCH(merge_kernel, dim3(shape.queries, shape.heads), dim3(kThreads), on, parts, lengths,
                shape, out, rows, row_stride);
  const cudaError_t launched = cudaGetLastError();
  check_cuda(cudaFreeAsync(scratch, on), "attention_cuda");
  check_cuda(launched, "attention_cuda");
}

}  // namespace polykv
