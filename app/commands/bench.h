#pragma once
// The benches: one row, one file each.
#include <chrono>
#include <vector>

#include "app/commands/options.h"
#include "core/model/model.h"
#include "core/plan/plan.h"
#include "core/probe/case.h"

namespace polykv {

struct Bench {
  const char* name;     // operand of `bench`
  const char* summary;  // one line
  int (*run)(const Options&);
};

extern const Bench kLiveBench, kEngineBench, kPoliciesBench, kKernelsBench, kTuneBench;

template <class Work>
double milliseconds(Work&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

// Prompt, cut, question and answer of every case by the engine, token by token.
void run_from_scratch(const Model& model, const std::vector<Case>& cases, const Plan& plan);

// Nearest rank; sorts the values, which must not be empty.
double percentile(std::vector<double> values, double share);
inline double median(std::vector<double> values) { return percentile(std::move(values), 0.5); }

}  // namespace polykv
