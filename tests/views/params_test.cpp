#include <catch2/catch.hpp>

#include "core/files.h"
#include "tests/support/scratch.h"
#include "tests/views/window_stage.h"
#include "views/keys.h"
#include "views/params_model.h"
#include "views/policy_items.h"

namespace polykv {
namespace {

const ParamRow& row_named(const ParamsModel& model, const std::string& name) {
  for (const ParamRow& row : model.rows)
    if (row.spec.name == name) return row;
  throw std::runtime_error("no parameter " + name);
}

Stage stage_with(const Plan& plan) { return Stage(fake_snapshot(Fake::full, plan), fake_ui(plan)); }

const MenuItem& item_named(const std::vector<MenuItem>& items, const std::string& label) {
  for (const MenuItem& item : items)
    if (item.label == label) return item;
  throw std::runtime_error("no item " + label);
}

}  // namespace

TEST_CASE("every parameter of every policy goes through its slider and its text and back") {
  int sliders = 0;
  for (const Policy& policy : policies()) {
    for (const ParamSpec& spec : param_specs(policy, {}, Phase::decode)) {
      INFO(policy.id << " " << spec.name);
      if (spec.kind != ParamKind::integer && spec.kind != ParamKind::number) continue;
      ++sliders;
      CHECK(slider_value(spec, 0) == spec.low);
      CHECK(slider_value(spec, 1) == spec.high);
      const double start = std::get<double>(spec.start), share = slider_share(spec, start);
      CHECK(share >= 0);
      CHECK(share <= 1);
      CHECK(slider_value(spec, share) == Approx(start).epsilon(0.01));
      double last = spec.low;
      for (int i = 0; i <= 100; ++i) {
        const double value = slider_value(spec, i / 100.0);
        CHECK(value >= last);  // never falls
        last = value;
        check_params({{spec.name, value}}, {&spec, 1}, "slider");  // throws when it does not fit
        const auto back = parse_param(spec, param_text(spec, value));
        REQUIRE(back);
        CHECK(std::get<double>(*back) == Approx(value).epsilon(1e-5));
      }
    }
  }
  CHECK(sliders > 25);
}

TEST_CASE("a text that does not fit its parameter is refused") {
  const ParamSpec window = {"window", ParamKind::integer, 1, 1024, 8.0, "help"};
  CHECK(parse_param(window, "1,024") == ParamValue(1024.0));
  for (const char* wrong : {"0", "1025", "2.5", "x", "", "8x"}) {
    INFO(wrong);
    CHECK_FALSE(parse_param(window, wrong));
  }
}

TEST_CASE("the parameters are those of the selected layer in the band's phase") {
  Plan plan = fake_plan();
  plan.of(Phase::decode)[1] = {"tova", 64, {{"every", 4.0}}, "{}"};
  Ui ui = fake_ui(plan);
  ParamsModel model = condense_params(ui);
  CHECK(model.policy == "snapkv");
  CHECK(model.alike == 3);  // layers 0, 1 and 3
  CHECK(model.layers == std::vector<int>{1});
  CHECK(model.all_default);
  CHECK(row_named(model, "window").is_default);
  ui.params.all_layers = true;
  CHECK(condense_params(ui).layers == std::vector<int>{0, 1, 3});
  ui.band.phase = Phase::decode;
  model = condense_params(ui);
  CHECK(model.policy == "tova");
  CHECK(row_named(model, "every").text == "4");
  CHECK_FALSE(model.all_default);
  CHECK(model.summary.starts_with("every 4"));
}

TEST_CASE("an inner policy brings its own parameters") {
  Plan plan = fake_plan();
  plan.of(Phase::prefill)[1] = {"chunkkv", 64, {{"inner", std::string("random")}}, "{}"};
  const auto has_window = [&](const Plan& with) {
    for (const ParamRow& row : condense_params(fake_ui(with)).rows)
      if (row.spec.name == std::string("window")) return true;
    return false;
  };
  CHECK_FALSE(has_window(plan));
  plan.of(Phase::prefill)[1].params = {{"inner", std::string("snapkv")}};
  CHECK(has_window(plan));
  CHECK(row_named(condense_params(fake_ui(plan)), "inner").words.size() > 5);
}

TEST_CASE("a slider's drag is one undo step, previews nothing, and is scored") {
  Stage stage = stage_with(fake_plan());
  stage.click("params.chip");
  REQUIRE(stage.ui.places.count("param.window") == 1);
  const Plan before = stage.plan();
  stage.point_at("param.window");
  stage.press();
  stage.drag(30, 0);
  CHECK(stage.ui.pill == Pill::preview);
  CHECK_FALSE(stage.ui.proxy.available);  // other parameters, other scores: none are stored
  stage.release();
  const Params params = stage.plan().of(Phase::prefill)[1].params;
  REQUIRE(params.count("window") == 1);
  CHECK(stage.plan().of(Phase::prefill)[0].params.empty());
  CHECK_FALSE(stage.ui.history.dragging());
  REQUIRE_FALSE(stage.posted().empty());
  CHECK(stage.posted().back().plan == stage.plan());
  stage.key(kKeyEscape);  // closes the popover
  stage.key(kKeyZ, true);
  CHECK(stage.plan() == before);
  CHECK_FALSE(stage.ui.history.can_undo());
}

TEST_CASE(
    "with all layers on, an edit reaches every layer with the policy, and Reset takes it back") {
  Stage stage = stage_with(fake_plan());
  stage.click("params.chip");
  stage.click("params.all");
  stage.double_click("param.window.field");
  stage.type("16");
  stage.key(kKeyEnter);
  for (const int l : {0, 1, 3})
    CHECK(stage.plan().of(Phase::prefill)[static_cast<std::size_t>(l)].params ==
          Params{{"window", 16.0}});
  CHECK(stage.plan().of(Phase::prefill)[2].params.empty());
  stage.click("params.reset");
  for (const LayerChoice& choice : stage.plan().of(Phase::prefill)) CHECK(choice.params.empty());
}

TEST_CASE("a value out of range changes nothing and says the range") {
  Stage stage = stage_with(fake_plan());
  stage.click("params.chip");
  const Plan before = stage.plan();
  stage.double_click("param.window.field");
  stage.type("99999999");
  stage.key(kKeyEnter);
  CHECK(stage.plan() == before);
  CHECK(stage.ui.message_is_error);
  CHECK(stage.ui.message.find("1 to ") != std::string::npos);
}

TEST_CASE("the policy menu names every policy, and why one cannot be chosen") {
  const Plan plan = fake_plan();
  Snapshot now = fake_snapshot(Fake::full, plan);
  auto items = policy_items(now, plan, Phase::prefill, "snapkv");
  CHECK(items.size() == policies().size());
  CHECK(item_named(items, "snapkv").checked);
  CHECK_FALSE(item_named(items, "compresskv").enabled);
  CHECK(item_named(items, "compresskv").hint.find("retrieval heads") != std::string::npos);
  CHECK(item_named(items, "duo").enabled);
  CHECK(item_named(items, "qfilter").hint.starts_with("asks for a file"));
  CHECK(item_named(items, "duo").hint.starts_with("ragged, asks for a file"));
  CHECK(item_named(items, "adakv").hint.starts_with("ragged"));
  CHECK(item_named(items, "cam").hint.starts_with("merging"));
  now.heads = std::make_shared<HeadList>();
  CHECK(item_named(policy_items(now, plan, Phase::prefill, ""), "compresskv").enabled);
  items = policy_items(now, plan, Phase::decode, "");
  CHECK_FALSE(item_named(items, "snapkv").enabled);
  CHECK(item_named(items, "tova").enabled);
  CHECK(item_named(items, "full").enabled);
}

TEST_CASE("a policy that reads a file asks for it, and a bad file leaves the plan as it was") {
  const ScratchFolder folder;
  const auto gates = [](int layers) {
    const Json all(std::vector<Json>(static_cast<std::size_t>(layers), Json({1.0, 0.0})));
    return Json({{"full_attention_heads", all}, {"sink_size", 4}, {"recent_size", 8}}).dump();
  };
  const std::string good = folder.write("good.json", gates(6));
  const std::string bad = folder.write("bad.json", gates(5));
  Stage stage = stage_with(fake_plan());
  const Plan before = stage.plan();
  stage.click("policy.2");
  stage.click("band policy.duo");
  REQUIRE(stage.ui.places.count("path_field") == 1);
  CHECK(stage.plan() == before);
  stage.type(bad);
  stage.key(kKeyEnter);
  CHECK(stage.ui.asking_error.find("has 5 layers, this model has 6") != std::string::npos);
  CHECK(stage.ui.asking_error.find(bad) != std::string::npos);
  CHECK(stage.plan() == before);
  CHECK(stage.posted().empty());
  CHECK(stage.ui.asking.kind == FileKind::policy_file);  // still asked for
  stage.draw(3);
  stage.type(good);  // in place of the old text
  stage.key(kKeyEnter);
  CHECK(stage.ui.asking.kind == FileKind::none);
  LayerChoice wanted = before.of(Phase::prefill)[2];
  wanted.policy = "duo", wanted.params = {{"file", good}};
  CHECK(stage.plan().of(Phase::prefill)[2] == wanted);
  CHECK(stage.plan().of(Phase::prefill)[1] == before.of(Phase::prefill)[1]);
  REQUIRE(stage.posted().size() == 1);
  CHECK(stage.posted()[0].plan == stage.plan());
  stage.key(kKeyZ, true);
  CHECK(stage.plan() == before);  // one undo step
}

TEST_CASE("a policy that reads a file is asked for once for all unlocked layers") {
  const ScratchFolder folder;
  const Json all(std::vector<Json>(6, Json({1.0, 0.0})));
  const std::string good = folder.write(
      "good.json",
      Json({{"full_attention_heads", all}, {"sink_size", 4}, {"recent_size", 8}}).dump());
  Stage stage = stage_with(fake_plan());
  stage.click("lock.2");
  stage.click("policy");
  stage.click("policy of all layers.duo");
  stage.draw();  // the field has the keyboard
  CHECK(stage.posted().empty());
  stage.type(good);
  stage.key(kKeyEnter);
  for (int l = 0; l < 6; ++l) {
    const LayerChoice& choice = stage.plan().of(Phase::prefill)[static_cast<std::size_t>(l)];
    CHECK((choice.policy == "duo") == (l != 2));
    CHECK((choice.params == Params{{"file", good}}) == (l != 2));
  }
  CHECK(stage.posted().size() == 1);
}

TEST_CASE(
    "asked for again, the file of a policy starts from the one it has elsewhere; Escape ends") {
  Plan plan = fake_plan();
  plan.of(Phase::prefill)[0] = {
      "duo", 40, {{"file", std::string("/nonexistent/gates.json")}}, "{}"};
  Stage stage = stage_with(plan);
  stage.click("policy.3");
  stage.click("band policy.duo");
  CHECK(stage.ui.asking.path == "/nonexistent/gates.json");
  stage.key(kKeyEscape);
  stage.draw(2);
  CHECK(stage.ui.asking.kind == FileKind::none);
  CHECK(stage.plan() == plan);
}

TEST_CASE("the file parameter refuses a bad path, and reads a good one again when it is entered") {
  const ScratchFolder folder;
  const Json all(std::vector<Json>(6, Json({1.0, 0.0})));
  const std::string good = folder.write(
      "good.json",
      Json({{"full_attention_heads", all}, {"sink_size", 4}, {"recent_size", 8}}).dump());
  Plan plan = fake_plan();
  plan.of(Phase::prefill)[1] = {"duo", 104, {{"file", good}}, "{}"};
  Stage stage = stage_with(plan);
  stage.click("params.chip");
  stage.click("param.file.field");
  stage.type("/nonexistent.json");
  stage.key(kKeyEnter);
  CHECK(stage.plan() == plan);
  CHECK(stage.ui.message_is_error);
  CHECK(stage.ui.message.find("/nonexistent.json") != std::string::npos);
  CHECK(stage.posted().empty());
  stage.click("param.file.field");
  stage.type(good);
  stage.key(kKeyEnter);
  CHECK(stage.plan() == plan);
  CHECK(stage.posted().size() == 1);
}

TEST_CASE("all rows of the policy menu stand inside a window of 1280 x 720") {
  const Plan plan = fake_plan();
  Stage stage(fake_snapshot(Fake::full, plan), fake_ui(plan), 1280, 720);
  stage.click("policy.4");
  for (const Policy& policy : policies()) {
    INFO(policy.id);
    const Rect row = stage.ui.places.at(std::string("band policy.") + policy.id);
    CHECK(row.x >= 0);
    CHECK(row.y >= 0);
    CHECK(row.x + row.w <= 1280);
    CHECK(row.y + row.h <= 720);
  }
}

TEST_CASE("decode bars: a policy gets the prefill budget as its cap, and the bar drags it") {
  Stage stage = stage_with(fake_plan());
  stage.click("phase.decode");
  REQUIRE(stage.ui.band.phase == Phase::decode);
  const std::vector<LayerChoice> prefill = stage.plan().of(Phase::prefill);
  stage.click("policy.1");
  stage.click("band policy.tova");
  CHECK(stage.plan().of(Phase::decode)[1].policy == "tova");
  CHECK(stage.plan().of(Phase::decode)[1].budget == prefill[1].budget);
  CHECK(stage.plan().of(Phase::prefill) == prefill);
  stage.ui.band.keep_total = false;
  stage.draw();
  const int before = *stage.plan().of(Phase::decode)[1].budget;
  stage.point_at("bar.1");
  stage.press();
  stage.drag(0, -20);
  CHECK(stage.ui.pill == Pill::preview);
  stage.release();
  CHECK(*stage.plan().of(Phase::decode)[1].budget > before);
  CHECK(stage.plan().of(Phase::prefill) == prefill);
  CHECK(stage.posted().back().plan == stage.plan());
}

TEST_CASE("a plan that evicts while decoding is not called by its prefill alone") {
  Plan plan = uniform_plan("snapkv", 64, 4, QueryVisibility::agnostic);
  CHECK(plan_label(plan) == "snapkv:64");
  plan.of(Phase::decode)[2] = {"tova", 32, {}, "{}"};
  CHECK(cuts_while_decoding(plan));
  CHECK(plan_label(plan) != "snapkv:64");
}

TEST_CASE("fill by allocator is done at once, or when the signal it asked for has come") {
  Stage stage = stage_with(fake_plan());
  const int total = stage.plan().total(Phase::prefill);
  Frame frame{stage.now, stage.ui, stage.theme, stage.out};
  fill_budgets(frame, "uniform");
  for (int l = 0; l < 6; ++l) CHECK(stage.budget(l) == total / 6);
  stage.out.clear();
  fill_budgets(frame, "cake");
  REQUIRE(stage.out.size() == 1);
  const auto* asked = std::get_if<MeasureSignal>(&stage.out[0]);
  REQUIRE(asked);
  CHECK(asked->source == "attention");
  auto answer = std::make_shared<SignalAnswer>();
  answer->request = asked->request + 1;  // of another question
  answer->source = "attention";
  answer->signal.values = {1, 2, 3, 4, 5, 6};
  answer->signal.variance = {1, 1, 1, 1, 1, 1};
  stage.now.signal = answer;
  stage.draw();
  CHECK(stage.budget(0) == total / 6);
  answer = std::make_shared<SignalAnswer>(*answer);
  answer->request = asked->request;
  stage.now.signal = answer;
  stage.draw();
  CHECK(stage.plan().total(Phase::prefill) == total);
  CHECK(stage.budget(5) > stage.budget(0));
  CHECK(stage.ui.fill.allocator.empty());
  // What is known is not measured again.
  stage.out.clear();
  fill_budgets(frame, "proportional");
  CHECK(stage.posted().size() == 1);
  CHECK(stage.out.size() == 1);
}

}  // namespace polykv
