#include "core/plan/plan.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "core/error.h"
#include "core/files.h"
#include "core/plan/plan_fields.h"
#include "core/policies/policy.h"

using namespace polykv;
using Catch::Contains;

namespace {

const PlanTarget kSix = {6, 2, "sha256:abc"};

// A valid plan of six layers; tests break one thing at a time.
Json six_layers() {
  const Json snapkv = {{"policy", "snapkv"}, {"budget", 64}, {"params", {{"window", 8}}}};
  const Json full = {{"policy", "full"}, {"budget", nullptr}};
  return {{"format", "polykv-plan/1"},
          {"name", "mixed-64"},
          {"query", "aware"},
          {"model", {{"layers", 6}, {"kv_heads", 2}, {"fingerprint", "sha256:abc"}}},
          {"prefill", {{"total", 320}, {"layers", {snapkv, snapkv, full, snapkv, snapkv, snapkv}}}},
          {"decode",
           {{"total", nullptr}, {"layers", Json::array({full, full, full, full, full, full})}}}};
}

Json& layer_of(Json& plan, int layer, const char* phase = "prefill") {
  return plan[phase]["layers"][layer];
}

std::string error_of(const Json& plan, const PlanTarget& target = kSix) {
  try {
    parse_plan(plan.dump(), "plan.json", target);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::input);
    return error.what();
  }
  return "no error";
}

// The message after one change of the valid plan.
template <typename Change>
std::string error_after(Change change) {
  Json plan = six_layers();
  change(plan);
  return error_of(plan);
}

}  // namespace

TEST_CASE("the plan of the file format's description is read as it says") {
  const Plan plan = parse_plan(six_layers().dump(), "plan.json", kSix);
  CHECK(plan.name == "mixed-64");
  CHECK(plan.query == QueryVisibility::aware);
  CHECK(plan.seed == 0);
  REQUIRE(plan.layers() == 6);
  CHECK(plan.of(Phase::prefill)[0].policy == "snapkv");
  CHECK(plan.of(Phase::prefill)[0].budget == 64);
  CHECK(plan.of(Phase::prefill)[0].params == Params{{"window", 8.0}});
  CHECK(plan.of(Phase::prefill)[2].policy == "full");
  CHECK_FALSE(plan.of(Phase::prefill)[2].budget);
  CHECK(plan.total(Phase::prefill) == 320);
  CHECK(plan.total(Phase::decode) == 0);
}

TEST_CASE("what may be left out takes its default") {
  Json file = six_layers();
  for (const char* key : {"name", "query", "model", "decode"}) file.erase(key);
  file["prefill"].erase("total");
  layer_of(file, 0).erase("params");
  layer_of(file, 2).erase("budget");
  const Plan plan = parse_plan(file.dump(), "folder/some-plan.json", kSix);
  CHECK(plan.name == "some-plan");
  CHECK(plan.query == QueryVisibility::agnostic);
  CHECK(plan.of(Phase::decode) == std::vector<LayerChoice>(6));
}

TEST_CASE("a plan comes back from its file with unknown keys and the same text") {
  Json file = six_layers();
  file["note"] = {{"who", "Ada"}, {"tries", {1, 2.5, true, nullptr}}};
  file["seed"] = 18446744073709551615u;
  file["model"]["licence"] = "MIT";
  file["prefill"]["reason"] = "found by hand";
  layer_of(file, 1)["why"] = "layer 1 looks back far";
  layer_of(file, 1)["params"] = {{"window", 16}, {"kernel", 7}, {"pool", "max"}};
  layer_of(file, 3) = {{"policy", "h2o"}, {"budget", 64}, {"params", {{"normalise", true}}}};
  layer_of(file, 0, "decode") = {{"policy", "tova"}, {"budget", 100}};
  file["decode"]["total"] = 100;

  const Plan plan = parse_plan(file.dump(), "plan.json", kSix);
  const std::string text = plan_json(plan, kSix);
  CHECK(Json::parse(text) == file);
  const Plan again = parse_plan(text, "plan.json", kSix);
  CHECK(again == plan);
  CHECK(plan_json(again, kSix) == text);

  const auto path = std::filesystem::temp_directory_path() / "polykv-plan-round-trip.json";
  write_plan(path.string(), plan, kSix);
  CHECK(read_plan(path.string(), kSix) == plan);
  std::filesystem::remove(path);
}

TEST_CASE("a fingerprint is kept when the target has none") {
  const PlanTarget unchecked = {6, 2, ""};
  const Plan plan = parse_plan(six_layers().dump(), "plan.json", unchecked);
  CHECK(Json::parse(plan_json(plan, unchecked))["model"]["fingerprint"] == "sha256:abc");
}

TEST_CASE("a written plan has one line per layer and its keys in the documented order") {
  const Plan plan = uniform_plan("snapkv", 64, 2, QueryVisibility::agnostic);
  CHECK(plan_json(plan, {2, 1, ""}) == R"({
  "format": "polykv-plan/1",
  "name": "snapkv:64",
  "query": "agnostic",
  "seed": 0,
  "model": {"layers": 2, "kv_heads": 1},
  "prefill": {
    "total": 128,
    "layers": [
      {"policy": "snapkv", "budget": 64},
      {"policy": "snapkv", "budget": 64}
    ]
  },
  "decode": {
    "total": null,
    "layers": [
      {"policy": "full", "budget": null},
      {"policy": "full", "budget": null}
    ]
  }
}
)");
}

TEST_CASE("an unknown policy is named with its layer and phase, and the nearest id") {
  CHECK(error_after([](Json& p) { layer_of(p, 3)["policy"] = "snapkb"; }) ==
        "plan.json: layer 3 prefill: policy 'snapkb' is unknown, nearest is 'snapkv'");
  CHECK_THAT(error_after([](Json& p) { layer_of(p, 3)["policy"] = "zebra"; }),
             Contains("layer 3 prefill") && Contains("'zebra'") && Contains("streaming_llm"));
  CHECK_THAT(error_after([](Json& p) { layer_of(p, 3)["policy"] = 5; }),
             Contains("layer 3 prefill: policy"));
  CHECK_THAT(error_after([](Json& p) { layer_of(p, 3).erase("policy"); }),
             Contains("layer 3 prefill: policy"));
}

TEST_CASE("a prefill policy in the decode phase is refused") {
  CHECK(error_after([](Json& p) {
          layer_of(p, 4, "decode") = {{"policy", "snapkv"}, {"budget", 64}};
        }) == "plan.json: layer 4 decode: policy 'snapkv' works in prefill only");
}

TEST_CASE("a policy is refused in exactly the phases it does not work in") {
  for (const Policy& policy : policies()) {
    INFO(policy.id);
    CHECK(policy_fault(policy.id, Phase::prefill).empty() == bool(policy.phases & kPrefill));
    CHECK(policy_fault(policy.id, Phase::decode).empty() == bool(policy.phases & kDecode));
  }
}

TEST_CASE("a budget that is no integer of at least 1 is refused with its layer") {
  CHECK(error_after([](Json& p) { layer_of(p, 5)["budget"] = 0; }) ==
        "plan.json: layer 5 prefill: budget is 0; it must keep at least 1");
  for (const char* bad :
       {"-1", "-9223372036854775808", "64.0", "63.5", "1e300", "\"64\"", "true", "null", "[64]",
        "{}", "10000001", "18446744073709551615", "99999999999999999999999"}) {
    INFO(bad);
    CHECK_THAT(error_after([&](Json& p) { layer_of(p, 5)["budget"] = Json::parse(bad); }),
               Contains("plan.json: layer 5 prefill: budget"));
  }
  CHECK_THAT(error_after([](Json& p) { layer_of(p, 5).erase("budget"); }),
             Contains("layer 5 prefill: budget is missing"));
  CHECK_THAT(error_after([](Json& p) { layer_of(p, 2)["budget"] = 64; }),
             Contains("layer 2 prefill: budget of 'full' must be null"));
}

TEST_CASE("a total that does not add up is refused with the sum") {
  for (const char* bad : {"319", "321", "0", "-320", "320.0", "\"320\"", "[]"}) {
    INFO(bad);
    CHECK_THAT(error_after([&](Json& p) { p["prefill"]["total"] = Json::parse(bad); }),
               Contains("plan.json: prefill.total") && Contains("320") && Contains(bad));
  }
  CHECK_THAT(error_after([](Json& p) { p["decode"]["total"] = 6; }), Contains("decode.total"));
}

TEST_CASE("a plan for another model is refused and says what it was made for") {
  CHECK(error_of(six_layers(), {8, 2, ""}) ==
        "plan.json: The plan has 6 layers, this model has 8. Nothing was loaded.");
  CHECK(error_of(six_layers(), {6, 4, ""}) ==
        "plan.json: The plan has 2 kv heads, this model has 4. Nothing was loaded.");
  CHECK_THAT(error_of(six_layers(), {6, 2, "sha256:def"}),
             Contains("sha256:abc") && Contains("sha256:def") && Contains("fingerprint"));
  Json without_model = six_layers();
  without_model.erase("model");
  CHECK_THAT(error_of(without_model, {8, 2, ""}), Contains("The plan has 6 layers"));
  CHECK_THAT(error_after([](Json& p) { p["prefill"]["layers"].erase(5); }),
             Contains("The plan has 5 layers, this model has 6"));
  CHECK_THAT(error_after([](Json& p) { p["decode"]["layers"].erase(5); }),
             Contains("The plan has 5 layers, this model has 6"));
}

TEST_CASE("layer counts inside a file must agree even when no model says how many") {
  Json short_decode = six_layers();
  short_decode["decode"]["layers"].erase(5);
  CHECK_THAT(error_of(short_decode, {}), Contains("decode.layers") && Contains("found 5"));
  Json wrong_model = six_layers();
  wrong_model["model"]["layers"] = 7;
  CHECK_THAT(error_of(wrong_model, {}), Contains("model.layers") && Contains("7"));
}

TEST_CASE("parameters are checked against the policy's own") {
  const auto error_with = [](const Json& params) {
    return error_after([&](Json& p) { layer_of(p, 1)["params"] = params; });
  };
  CHECK_THAT(error_with({{"windw", 8}}),
             Contains("plan.json: layer 1 prefill") && Contains("nearest is 'window'"));
  CHECK_THAT(error_with({{"window", "8"}}), Contains("'window'") && Contains("integer"));
  CHECK_THAT(error_with({{"window", 8.5}}), Contains("'window'") && Contains("8.5"));
  CHECK_THAT(error_with({{"window", -1}}), Contains("'window'") && Contains("-1"));
  CHECK_THAT(error_with({{"window", nullptr}}), Contains("'window'"));
  CHECK_THAT(error_with({{"pool", "median"}}), Contains("'pool'") && Contains("avg, max"));
  CHECK_THAT(error_with(Json::array({1})), Contains("layer 1 prefill: params"));
}

TEST_CASE("a policy with an inner policy takes that one's parameters, and no others") {
  const auto error_with = [](const Json& params) {
    return error_after([&](Json& p) {
      layer_of(p, 1)["policy"] = "adakv";
      layer_of(p, 1)["params"] = params;
    });
  };
  CHECK(error_with({{"alpha", 0.5}}) == "no error");
  CHECK(error_with({{"inner", "snapkv"}, {"window", 16}, {"pool", "max"}}) == "no error");
  CHECK(error_with({{"inner", "cake"}, {"gamma", 1}}) == "no error");
  CHECK_THAT(error_with({{"inner", "cake"}, {"kernel", 5}}),
             Contains("layer 1 prefill") && Contains("'kernel' is unknown"));
  CHECK_THAT(error_with({{"inner", "knorm"}}),
             Contains("'inner'") && Contains("expected_attention"));
  CHECK_THAT(error_with({{"inner", 3}}), Contains("'inner'"));
  CHECK_THAT(error_with({{"window", 0}}), Contains("'window'"));
}

TEST_CASE("every policy takes `every` while decoding, and none at the prompt") {
  const auto error_with = [](const char* phase, const Json& every) {
    return error_after([&](Json& p) {
      p["decode"]["layers"][1] = {{"policy", "h2o"}, {"budget", 64}};
      layer_of(p, 1, phase)["params"] = {{"every", every}};
    });
  };
  CHECK(error_with("decode", 1) == "no error");
  CHECK(error_with("decode", 100) == "no error");
  CHECK_THAT(error_with("decode", 0), Contains("layer 1 decode") && Contains("'every'"));
  CHECK_THAT(error_with("decode", 1.5), Contains("'every'"));
  CHECK_THAT(error_with("prefill", 1), Contains("'every' is unknown"));
  CHECK(cut_interval({.policy = "h2o", .budget = 64, .params = {}}) == 1);
  CHECK(cut_interval({.policy = "h2o", .budget = 64, .params = {{"every", 8.0}}}) == 8);
}

TEST_CASE("a file parameter is a text") {
  const auto error_with = [](const Json& file) {
    return error_after([&](Json& p) {
      layer_of(p, 1)["policy"] = "qfilter";
      layer_of(p, 1)["params"] = {{"file", file}};
    });
  };
  CHECK(error_with("filters.json") == "no error");
  CHECK_THAT(error_with(7), Contains("'file' must be a text"));
}

TEST_CASE("wrong types and words name the key") {
  const auto expect = [](const char* part, auto change) {
    INFO(part);
    CHECK_THAT(error_after(change), Contains("plan.json: ") && Contains(part));
  };
  expect("format", [](Json& p) { p["format"] = "polykv-plan/2"; });
  expect("format", [](Json& p) { p.erase("format"); });
  expect("format", [](Json& p) { p["format"] = 1; });
  expect("name", [](Json& p) { p["name"] = 3; });
  expect("query: must be agnostic or aware", [](Json& p) { p["query"] = "both"; });
  expect("query", [](Json& p) { p["query"] = true; });
  expect("seed", [](Json& p) { p["seed"] = -1; });
  expect("seed", [](Json& p) { p["seed"] = "7"; });
  expect("model", [](Json& p) { p["model"] = 6; });
  expect("model.layers", [](Json& p) { p["model"]["layers"] = "6"; });
  expect("model.kv_heads", [](Json& p) { p["model"]["kv_heads"] = 0; });
  expect("fingerprint", [](Json& p) { p["model"]["fingerprint"] = 1; });
  expect("prefill", [](Json& p) { p.erase("prefill"); });
  expect("prefill", [](Json& p) { p["prefill"] = Json::array(); });
  expect("prefill.layers", [](Json& p) { p["prefill"].erase("layers"); });
  expect("prefill.layers", [](Json& p) { p["prefill"]["layers"] = Json::object(); });
  expect("prefill.layers", [](Json& p) { p["prefill"]["layers"] = Json::array(); });
  expect("layer 4 prefill", [](Json& p) { layer_of(p, 4) = "full"; });
  expect("decode", [](Json& p) { p["decode"] = nullptr; });
  expect("object", [](Json& p) { p = Json::array(); });
  CHECK_THROWS_WITH(parse_plan("{", "plan.json", kSix), Contains("plan.json: line 1"));
  CHECK_THROWS_WITH(read_plan("/no/such/plan.json", kSix), Contains("/no/such/plan.json"));
}

TEST_CASE("every cut of a plan file's text is an input error, never a plan") {
  const std::string text = plan_json(parse_plan(six_layers().dump(), "plan.json", kSix), kSix);
  for (std::size_t length = 0; length + 2 < text.size(); ++length) {
    REQUIRE_THROWS_AS(parse_plan(text.substr(0, length), "plan.json", kSix), Error);
  }
}

TEST_CASE("the fingerprint sees every choice but neither name nor unknown keys") {
  const Plan plan = parse_plan(six_layers().dump(), "plan.json", kSix);
  const std::string print = plan_fingerprint(plan);
  CHECK(print.size() == 12);
  CHECK(print.find_first_not_of("0123456789abcdef") == std::string::npos);

  Plan same = plan;
  same.name = "another name";
  same.extra = R"({"note": 1})";
  CHECK(plan_fingerprint(same) == print);

  std::vector<Plan> others(6, plan);
  others[0].query = QueryVisibility::agnostic;
  others[1].seed = 1;
  others[2].of(Phase::prefill)[0].budget = 63;
  others[3].of(Phase::prefill)[0].policy = "h2o";
  others[4].of(Phase::prefill)[0].params["window"] = 9.0;
  std::swap(others[5].phases[0], others[5].phases[1]);
  for (std::size_t i = 0; i < others.size(); ++i) {
    INFO("change " << i);
    CHECK(plan_fingerprint(others[i]) != print);
  }
}

TEST_CASE("the example plans fit the embedded model and show what their names say") {
  int found = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(POLYKV_SOURCE) + "/plans")) {
    if (entry.path().extension() != ".json") continue;
    ++found;
    INFO(entry.path());
    const Plan plan = read_plan(entry.path().string(), {6, 2, "sha256:any"});
    CHECK(plan.name == entry.path().stem());
    const PlanTarget target = {6, 2, ""};
    CHECK(plan_json(plan, target) == read_text_file(entry.path().string()));
    // "-64" is the mean budget of the six layers.
    const int mean = std::stoi(plan.name.substr(plan.name.rfind('-') + 1));
    CHECK(plan.total(Phase::prefill) == 6 * mean);
  }
  CHECK(found >= 3);
}
