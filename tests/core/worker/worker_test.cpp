#include "core/worker/worker.h"

#include <atomic>
#include <catch2/catch.hpp>

#include "core/files.h"
#include "tests/support/goldens.h"
#include "tests/support/scratch.h"
#include "tests/support/worker_tests.h"

using namespace polykv;

namespace {

bool log_has(const Snapshot& now, const std::string& text, LogLine::Kind kind) {
  for (const LogLine& line : now.log) {
    if (line.kind == kind && line.text.find(text) != std::string::npos) return true;
  }
  return false;
}

WorkerOptions with_free(std::int64_t bytes) {
  WorkerOptions options;
  options.free_bytes = bytes;
  return options;
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

TEST_CASE("after a failed open and after a cancelled one the old model still scores") {
  Worker worker({});
  open_small(worker);
  worker.post(plan_with(0, 9, 1));
  worker.wait_idle();
  const auto before = worker.latest();

  const ScratchFolder scratch;  // a broken tensor is found when most of the model is loaded
  std::filesystem::copy(golden("models/llama_linear"), scratch.file("broken"));
  std::string weights = read_text_file(scratch.file("broken/model.safetensors"));
  weights.replace(weights.size() - 4, 4, std::string("\xff\xff\xff\x7f", 4));  // NaN
  scratch.write("broken/model.safetensors", weights);
  worker.post(OpenModel{scratch.file("broken")});
  worker.wait_idle();
  auto now = worker.latest();
  CHECK(log_has(*now, "NaN", LogLine::Kind::error));
  CHECK(log_has(*now, "Kept tiny-needle.", LogLine::Kind::error));
  CHECK(now->model == before->model);
  CHECK(now->scored_edit == 1);
  worker.post(plan_with(0, 10, 2));
  worker.wait_idle();
  CHECK(worker.latest()->scored_edit == 2);

  worker.post(OpenModel{golden("models/qwen3_qknorm")});
  worker.post(CancelWork{});
  worker.wait_idle();
  now = worker.latest();
  CHECK(now->model == before->model);
  CHECK(now->cases == before->cases);
  CHECK(now->work.kind == Work::idle);
  worker.post(plan_with(0, 9, 3));
  worker.wait_idle();
  now = worker.latest();
  CHECK(now->scored_edit == 3);
  CHECK(now->score.answer_nll.value == Approx(before->score.answer_nll.value).margin(1e-6));
}

TEST_CASE("a score broken off by a folder that cannot be opened is done afterwards") {
  Worker* running = nullptr;
  bool posted = false;
  WorkerOptions options;
  options.wake = [&] {  // on the worker's thread, as the score begins: it is cancelled for certain
    if (!running || posted || running->latest()->running_edit != 1) return;
    posted = true;
    running->post(OpenModel{"/nonexistent"});
  };
  Worker worker(options);
  open_small(worker);
  running = &worker;
  worker.post(plan_with(0, 9, 1));
  worker.wait_idle();
  CHECK(log_has(*worker.latest(), "/nonexistent", LogLine::Kind::error));
  CHECK(worker.latest()->scored_edit == 1);
}

TEST_CASE(
    "another model takes over with cases of its own, and a plan of the old one is not scored") {
  Worker worker({});
  open_small(worker);
  worker.post(plan_with(0, 9, 1));
  for (const char* name : {"llama_gqa", "llama_mha_yarn", "qwen3_qknorm"}) {
    INFO(name);
    OpenModel open{golden(std::string("models/") + name)};
    open.make.count = 1;
    open.make.like.context_tokens = 150;
    worker.post(open);
    worker.post(plan_with(0, 8, 2));  // six layers: dragged while the new model was on its way
    worker.wait_idle();
    const auto now = worker.latest();
    REQUIRE(now->model);
    CHECK(now->model->name == name);
    CHECK(now->cases->cases.size() == 1);
    CHECK_FALSE(now->scored);
    CHECK(now->log.back().kind == LogLine::Kind::info);
    ScorePlan own;
    own.plan = uniform_plan("snapkv", 32, now->model->shape.layers, QueryVisibility::agnostic);
    own.edit = 3;
    worker.post(own);
    worker.wait_idle();
    CHECK(worker.latest()->scored_edit == 3);
  }
}

TEST_CASE("a card answers its own request and opens nothing") {
  Worker worker(with_free(1 << 30));
  worker.post(InspectModel{7, golden("models/mistral_swa/")});
  worker.wait_idle();
  auto now = worker.latest();
  REQUIRE(now->card);
  CHECK(now->card->request == 7);
  CHECK(now->card->facts.supported());
  CHECK(now->card->facts.folder == golden("models/mistral_swa"));
  CHECK(now->card->plan.tokens == 1024);
  CHECK(now->card->plan.free_bytes == 1 << 30);
  CHECK_FALSE(now->model);
  worker.post(InspectModel{8, golden("models/llama_mha_yarn")});  // 256 positions
  worker.wait_idle();
  CHECK(worker.latest()->card->plan.tokens == 256);
  worker.post(InspectModel{9, "/nonexistent"});
  worker.wait_idle();
  CHECK(worker.latest()->card->request == 9);
  CHECK_FALSE(worker.latest()->card->facts.supported());
  CHECK(worker.latest()->log.empty());
}

TEST_CASE("a model that fits opens at the start without a question, one that does not is refused") {
  const std::string folder = golden("models/qwen2_tied");
  Worker small(with_free(1 << 20));
  small.post(InspectModel{1, folder, true});
  small.wait_idle();
  CHECK_FALSE(small.latest()->model);
  CHECK(log_has(*small.latest(), "1.0 MiB are free", LogLine::Kind::error));
  Worker large(with_free(std::int64_t{4} << 30));
  large.post(InspectModel{1, folder, true});
  large.wait_idle();
  REQUIRE(large.latest()->model);
  CHECK(large.latest()->model->name == "qwen2_tied");
}

TEST_CASE("cases that do not fit in memory are refused with the numbers and the old ones stay") {
  Worker worker(with_free(60 << 20));
  worker.post(
      OpenModel{std::string(POLYKV_SOURCE) + "/assets/tiny-needle", "", {.count = 2, .like = {}}});
  worker.post(plan_with(0, 9, 1));
  worker.wait_idle();
  const auto before = worker.latest();
  REQUIRE(before->cases);
  worker.post(MakeCases{.count = 64, .like = {}});
  worker.wait_idle();
  const auto now = worker.latest();
  CHECK(now->cases == before->cases);
  CHECK(now->scored_edit == 1);
  CHECK(log_has(*now, "60.0 MiB are free. Kept the last cases", LogLine::Kind::error));
}

TEST_CASE("opened folders are remembered, those of the program itself and failed ones are not") {
  const ScratchFolder state;
  const std::string embedded = std::string(POLYKV_SOURCE) + "/assets/tiny-needle";
  WorkerOptions options;
  options.embedded_folder = embedded;
  options.state_folder = state.path;
  Worker worker(options);
  OpenModel open{golden("models/llama_linear")};
  open.make.count = 1;
  worker.post(open);
  worker.wait_idle();  // the next open would cancel it
  worker.post(OpenModel{"/nonexistent"});
  worker.wait_idle();
  worker.post(OpenModel{embedded, "", {.count = 1, .like = {}}});
  worker.wait_idle();
  const auto recent = worker.latest()->recent;
  REQUIRE(recent);
  REQUIRE(recent->size() == 1);
  CHECK((*recent)[0].folder == golden("models/llama_linear"));
  CHECK(read_recent(state.path).size() == 1);
}

TEST_CASE("heads found on the cases at hand are used at once, and the score is made again") {
  Worker worker({});
  open_small(worker);
  ScorePlan command = plan_with(0, 24, 1);
  command.plan = uniform_plan("compresskv", 24, 6, QueryVisibility::agnostic);
  worker.post(command);
  worker.wait_idle();
  const auto before = worker.latest();
  REQUIRE(before->heads);  // the file beside the weights
  REQUIRE(before->scored);
  worker.post(FindHeads{});
  worker.wait_idle();
  const auto now = worker.latest();
  REQUIRE(now->heads);
  CHECK(now->heads != before->heads);
  CHECK(now->heads->n + now->heads->rejected == 2);
  CHECK(now->heads->few_samples());
  CHECK(now->scored);
  CHECK(now->scored_edit == 1);
  // The list decides: a fresh worker with the old list keeps what was kept before.
  CHECK(now->kept != before->kept);
  CHECK(now->controls.size() == 2);
}

TEST_CASE("masking answers the request with as many random heads, and new cases forget it") {
  Worker worker({});
  open_small(worker);
  worker.post(MaskHeads{7, {{1, 4}, {1, 6}}});
  worker.wait_idle();
  const auto mask = worker.latest()->mask;
  REQUIRE(mask);
  CHECK(mask->request == 7);
  CHECK(mask->cases == 2);
  CHECK_FALSE(mask->cases_chose);
  REQUIRE(mask->effect.chosen.size() == 1);
  CHECK(mask->effect.draws.size() == 20);
  for (const HeadMask& drawn : mask->effect.drawn) {
    REQUIRE(drawn.size() == 2);
    for (const HeadPlace place : drawn) {
      CHECK_FALSE(place == HeadPlace{1, 4});
      CHECK_FALSE(place == HeadPlace{1, 6});
    }
  }
  worker.post(MakeCases{.count = 1, .like = {.context_tokens = 120, .keys = 2}});
  worker.wait_idle();
  CHECK_FALSE(worker.latest()->mask);
}

TEST_CASE("a signal is measured for an allocator, and unknown ones are an error in the log") {
  Worker worker({});
  open_small(worker);
  worker.post(MeasureSignal{3, "attention", QueryVisibility::agnostic});
  worker.wait_idle();
  const auto signal = worker.latest()->signal;
  REQUIRE(signal);
  CHECK(signal->request == 3);
  CHECK(signal->signal.values.size() == 6);
  CHECK(signal->signal.variance.size() == 6);
  CHECK(signal->signal.curves.size() == 6);
  worker.post(MeasureSignal{4, "nonsense", QueryVisibility::agnostic});
  worker.wait_idle();
  CHECK(worker.latest()->signal == signal);
  CHECK(log_has(*worker.latest(), "nonsense", LogLine::Kind::error));
}

TEST_CASE("Cancel stops finding heads and leaves the list as it was") {
  Worker worker({});
  open_small(worker);
  const auto before = worker.latest();
  worker.post(FindHeads{});
  worker.post(CancelWork{});
  worker.wait_idle();
  CHECK(worker.latest()->heads == before->heads);
  CHECK(worker.latest()->work.kind == Work::idle);
}
