// `bench kernels`: every kernel beside what LibTorch has for the same work.
#include <iostream>

#include "app/commands/bench.h"
#include "app/commands/inputs.h"
#include "app/commands/table.h"
#include "core/bench/kernel_speed.h"

namespace polykv {
namespace {

int run(const Options& given) {
  ProgressLine progress;
  use_threads(given);
  const int repeats = given.integer("--repeats", 9, 1, 1000);
  const std::vector<KernelSpeed> all = kernel_speeds(
      repeats, given.seed(1), [&](const std::string& kernel) { progress.show(0, kernel); });
  progress.clear();
  Json rows = Json::array();
  Table table({"kernel", "work", "ours", "LibTorch", "", "ratio"});
  for (const KernelSpeed& one : all) {
    rows.push_back({{"kernel", one.kernel},
                    {"work", one.shape},
                    {"unit", one.unit},
                    {"ours", one.ours()},
                    {"torch", one.torch()},
                    {"ratio", one.ours() / one.torch()},
                    {"ours_ms", one.ours_ms},
                    {"torch_ms", one.torch_ms}});
    table.add({one.kernel, one.shape, fixed(one.ours(), 2), fixed(one.torch(), 2), one.unit,
               fixed(one.ours() / one.torch(), 2)});
  }
  if (given.has("--json")) {
    print_json({{"threads", torch_threads()}, {"repeats", repeats}, {"rows", rows}});
    return 0;
  }
  table.print(std::cout);
  std::cout << torch_threads() << " threads, fp32 where no type is named, medians of " << repeats
            << " turns; 32 query heads, 8 kv heads, 128 channels a head. LibTorch: "
               "scaled_dot_product_attention, softmax(bmm) summed in blocks of rows, topk and "
               "sort, gather, linear.\n";
  return 0;
}

}  // namespace

const Bench kKernelsBench = {"kernels", "the kernels beside LibTorch", run};

}  // namespace polykv
