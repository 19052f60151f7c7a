#include "core/worker/worker.h"

#include <atomic>
#include <catch2/catch.hpp>

#include "tests/support/worker_tests.h"

using namespace polykv;

namespace {

bool log_has(const Snapshot& now, const std::string& text, LogLine::Kind kind) {
  for (const LogLine& line : now.log) {
    if (line.kind == kind && line.text.find(text) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("a score, its controls, answers and check lights reach the snapshot") {
  std::atomic<int> wakes = 0;
  Worker worker({.threads = 0,
                 .embedded_folder = std::string(POLYKV_SOURCE) + "/assets/tiny-needle",
                 .wake = [&] { ++wakes; }});
  CHECK_FALSE(worker.latest()->model);
  open_small(worker);
  worker.post(plan_with(1, 9, 3));
  worker.wait_idle();
  const auto now = worker.latest();
  REQUIRE(now->model);
  CHECK(now->model->embedded);
  REQUIRE(now->cases);
  CHECK(now->cases->cases.size() == 2);
  CHECK(now->scored);
  CHECK(now->scored_edit == 3);
  CHECK(now->plan.of(Phase::prefill)[1].budget == 9);
  CHECK(now->controls.size() == 2);
  CHECK(now->controls[0].kv_bytes == now->score.kv_bytes);
  CHECK(now->ceiling.plan == "full");
  REQUIRE(now->kept);
  CHECK((*now->kept)[1].positions[0].size() == 9);
  REQUIRE(now->heat);
  CHECK(now->full_answer.size() >= 4);
  REQUIRE(now->check.size() >= 7);
  for (const CheckLight& light : now->check) {
    INFO(light.id << ": " << light.measured);
    CHECK(light.ok);
  }
  CHECK(wakes > 3);
}

TEST_CASE("of many edits the newest is scored last") {
  Worker worker({});
  open_small(worker);
  for (int i = 1; i <= 60; ++i) worker.post(plan_with(i % 6, 4 + i, i));
  worker.wait_idle();
  CHECK(worker.latest()->scored_edit == 60);
  CHECK(worker.latest()->plan.of(Phase::prefill)[0].budget == 64);
}

TEST_CASE("a folder that is no model is an error in the log and the last model stays usable") {
  Worker worker({});
  open_small(worker);
  worker.post(plan_with(0, 9, 1));
  worker.wait_idle();
  worker.post(OpenModel{"/nonexistent/model"});
  worker.post(OpenCases{"/nonexistent/cases.jsonl"});
  worker.wait_idle();
  const auto now = worker.latest();
  CHECK(log_has(*now, "/nonexistent/model", LogLine::Kind::error));
  CHECK(log_has(*now, "/nonexistent/cases.jsonl", LogLine::Kind::error));
  CHECK(now->scored);
  CHECK(now->work.kind == Work::idle);
  worker.post(plan_with(0, 10, 2));
  worker.wait_idle();
  CHECK(worker.latest()->scored_edit == 2);
}

TEST_CASE("new cases are scored under the plan in hand without being asked") {
  Worker worker({});
  open_small(worker);
  worker.post(plan_with(0, 9, 5));
  MakeCases make;
  make.count = 3;
  make.like.context_tokens = 100;
  make.like.keys = 1;
  worker.post(make);
  worker.wait_idle();
  CHECK(worker.latest()->scored_edit == 5);
  CHECK(worker.latest()->score.recall.n == 3);
}

TEST_CASE("looking at another case, layer and head changes what is shown") {
  Worker worker({});
  open_small(worker);
  worker.post(plan_with(0, 9, 1));
  worker.post(LookAt{1, 3, 6});
  worker.wait_idle();
  const auto now = worker.latest();
  CHECK(now->heat->case_index == 1);
  CHECK(now->heat->layer == 3);
  CHECK(now->heat->head == 6);
}

TEST_CASE("a cancelled case set leaves the old one and the worker ready") {
  Worker worker({});
  open_small(worker);
  const auto before = worker.latest()->cases;
  worker.post(MakeCases{.count = 40, .like = {}});
  worker.post(CancelWork{});
  worker.wait_idle();
  CHECK(worker.latest()->cases == before);
  CHECK(worker.latest()->work.kind == Work::idle);
}
