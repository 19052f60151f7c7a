#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

#include "core/worker/worker.h"

namespace polykv {
namespace {

Plan mixed_plan() {
  Plan plan = uniform_plan("snapkv", 24, 6, QueryVisibility::agnostic);
  plan.of(Phase::prefill)[1].policy = "knorm";
  plan.of(Phase::prefill)[4].policy = "tova";
  return plan;
}

// Two short cases from the start: those of the program's start take far longer to prefill.
void open_two(Worker& worker) {
  OpenModel open{std::string(POLYKV_SOURCE) + "/assets/tiny-needle"};
  open.make.count = 2;
  open.make.like.context_tokens = 120;
  open.make.like.keys = 2;
  worker.post(open);
  worker.wait_idle();
}

// Waits until the newest snapshot fulfils the condition.
template <typename F>
bool comes(const Worker& worker, F is_so) {
  for (int i = 0; i < 3000; ++i) {
    if (is_so(*worker.latest())) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

}  // namespace

TEST_CASE("a search has its controls on the search half and swaps policies only when asked") {
  Worker worker({});
  open_two(worker);
  SearchPlan search;
  search.request = 5;
  search.start = mixed_plan();
  search.settings.evaluations = 12;
  worker.post(search);
  worker.wait_idle();
  auto answer = worker.latest()->search;
  REQUIRE(answer);
  CHECK(answer->request == 5);
  CHECK_FALSE(answer->running);
  REQUIRE(answer->controls.size() == 3);
  CHECK(answer->controls[0].plan == "full");
  CHECK(answer->controls[1].plan == "random");
  CHECK(answer->controls[2].plan == "sink+recent");
  for (const ScoreRow& row : answer->controls) CHECK(row.recall.n == answer->search_cases);
  for (const SearchStep& step : answer->result.steps)
    for (int l = 0; l < 6; ++l)
      CHECK(step.plan.of(Phase::prefill)[l].policy == search.start.of(Phase::prefill)[l].policy);
  REQUIRE(answer->report);

  // With every budget locked but one, only swaps are left to try.
  search.settings.locked = {false, true, true, true, true, true};
  search.swaps = true;
  worker.post(search);
  worker.wait_idle();
  answer = worker.latest()->search;
  CHECK(answer->result.evaluations == 12);
  CHECK(answer->result.best().plan.total(Phase::prefill) == 6 * 24);
}

TEST_CASE("an audit has its controls with the first placement, and a cancelled one says it ended") {
  Worker worker({});
  open_two(worker);
  worker.post(AuditPlan{3, mixed_plan(), 29});
  REQUIRE(comes(worker, [](const Snapshot& now) { return now.audit != nullptr; }));
  const auto first = worker.latest()->audit;
  CHECK(first->controls.rows.size() >= 4);  // full, random, sink+recent, best single
  worker.post(CancelWork{});
  worker.wait_idle();
  const auto last = worker.latest()->audit;
  CHECK_FALSE(last->running);
  CHECK(last->audit.scores.size() >= first->audit.scores.size());
}

}  // namespace polykv
