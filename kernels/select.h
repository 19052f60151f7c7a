#pragma once
// The keep rule, written once: protected tokens first, then the best of the rest.
#include <cstdint>

namespace polykv {

// rows: independent score rows (usually kv heads); tokens: cached tokens n; budget: entries kept
// per row, protected ones included; sink / recent: the first and last positions that are always
// kept.
struct SelectShape {
  int rows = 0, tokens = 0, budget = 0, sink = 0, recent = 0;
};

// Entries kept per row: min(budget, tokens), and at least 1 when there is a token.
int kept_count(const SelectShape& shape);

// Shrinks recent first, then sink, until they fit the kept count (policies.md, rule 6).
SelectShape fit_protected(SelectShape shape);

// scores (rows, tokens) fp32, higher = keep; kept (rows, kept_count(shape)) ascending positions.
// Protected tokens are taken out of the candidates; ties go to the lower position; NaN sorts last.
void select_cpu(const float* scores, const SelectShape& shape, std::int32_t* kept);

// The same on device pointers; stream is a cudaStream_t. Only in builds with CUDA.
void select_cuda(const float* scores, const SelectShape& shape, std::int32_t* kept, void* stream);

}  // namespace polykv
