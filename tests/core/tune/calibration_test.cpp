#include "core/tune/calibration.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "core/error.h"
#include "core/files.h"
#include "tests/core/tune/made_calibration.h"
#include "tests/support/json_damage.h"

using namespace polykv;

TEST_CASE("a calibration's file gives back every number") {
  const Calibration made = made_calibration();
  const std::string text = calibration_json(made);
  const Calibration read = parse_calibration(text, "cal.json");
  CHECK(read.cases == made.cases);
  CHECK(read.columns == made.columns);
  CHECK(calibration_difference(read, made).empty());
  CHECK(calibration_json(read) == text);
  const Json json = Json::parse(text);
  CHECK(json["format"] == "polykv-calibration/1");
  // The summary is the mean of the cases with its standard error: 0.5, 0.6, 0.7 for layer 0.
  const Json& row = json["table"][0];
  CHECK(row["policy"] == "snapkv");
  CHECK(row["n"] == 3);
  CHECK(row["cosine"]["mean"].get<double>() == Approx(0.6));
  CHECK(row["cosine"]["standard_error"].get<double>() == Approx(0.1 / std::sqrt(3.0)));
}

TEST_CASE("a calibration of another model, head list, case set or setting says what differs") {
  const Calibration have = made_calibration();
  const auto said = [&](auto change) {
    Calibration like = have;
    change(like);
    return calibration_difference(have, like);
  };
  using C = Calibration&;
  CHECK_THAT(said([](C c) { c.model_fingerprint = "sha256:other"; }),
             Catch::Contains("another model") && Catch::Contains("sha256:other"));
  CHECK_THAT(said([](C c) { c.heads_fingerprint = "sha256:h"; }), Catch::Contains("head list"));
  CHECK_THAT(said([](C c) { c.cases_fingerprint = "x"; }), Catch::Contains("another case set"));
  CHECK_THAT(said([](C c) { c.settings.budget = 1; }), Catch::Contains("budget is 32, expected 1"));
  CHECK_THAT(said([](C c) { c.settings.query = QueryVisibility::aware; }),
             Catch::Contains("expected aware"));
  CHECK_THAT(said([](C c) { c.settings.seed = 9; }), Catch::Contains("seed is 0"));
  CHECK_THAT(said([](C c) { c.columns.pop_back(); }), Catch::Contains("other policies"));
  CHECK(said([](C c) { c.cases.clear(); }).empty());
}

TEST_CASE("a calibration file of the wrong shape is refused with its key") {
  const Json good = Json::parse(calibration_json(made_calibration()));
  const auto refused = [&](auto change, const std::string& key) {
    Json bad = good;
    change(bad);
    INFO(key);
    REQUIRE_THROWS_WITH(parse_calibration(bad.dump(), "cal.json"),
                        Catch::Contains("cal.json") && Catch::Contains(key));
  };
  refused([](Json& j) { j["format"] = "polykv-plan/1"; }, "format");
  refused([](Json& j) { j.erase("model"); }, "model");
  refused([](Json& j) { j["model"]["layers"] = 0; }, "model.layers");
  refused([](Json& j) { j["settings"]["policies"] = {"nosuch"}; }, "settings.policies");
  refused([](Json& j) { j["settings"]["query"] = "blind"; }, "settings.query");
  refused([](Json& j) { j["settings"]["seed"] = -1; }, "settings.seed");
  refused([](Json& j) { j["shard"] = {{"index", 3}, {"of", 2}}; }, "shard");
  refused([](Json& j) { j["cases"] = 3; }, "cases");
  refused([](Json& j) { j["cases"][1]["case"] = 0; }, "ascending");
  refused([](Json& j) { j["cases"][1]["case"] = 99; }, "cases[1].case");
  refused([](Json& j) { j["cases"][0]["cells"]["cosine"].erase(0); }, "cases[0].cells.cosine");
  refused([](Json& j) { j["cases"][0]["cells"]["cosine"][0] = "x"; }, "cases[0].cells.cosine");
  refused([](Json& j) { j["cases"][0]["signals"].erase("entropy"); }, "entropy");
  REQUIRE_THROWS_WITH(parse_calibration("{\"format\":", "cal.json"), Catch::Contains("cal.json"));
}

TEST_CASE("no damage of one value of a calibration file does more than an input error") {
  const Json good = Json::parse(calibration_json(made_calibration()));
  const int refused = refused_damages(good, [](const Json& bad) {
    const Calibration read = parse_calibration(bad.dump(), "cal.json");
    if (!read.cases.empty()) calibration_json(read);
    merge_calibrations({read}, {"cal.json"});
  });
  CHECK(refused > 500);
}

TEST_CASE("parts that do not make a whole are refused by file") {
  Calibration one = made_calibration(), two = made_calibration();
  one.shard = {1, 2};
  two.shard = {2, 2};
  one.cases = {made_calibration().cases[0], made_calibration().cases[2]};
  two.cases = {made_calibration().cases[1]};
  CHECK(merge_calibrations({two, one}, {"b", "a"}).cases == made_calibration().cases);
  CHECK_THROWS_WITH(merge_calibrations({one, one}, {"a", "b"}),
                    Catch::Contains("b") && Catch::Contains("same part"));
  CHECK_THROWS_WITH(merge_calibrations({one}, {"a"}), Catch::Contains("part 2 of 2 is missing"));
  Calibration short_one = one;
  short_one.cases.pop_back();
  CHECK_THROWS_WITH(merge_calibrations({short_one, two}, {"a", "b"}),
                    Catch::Contains("a") && Catch::Contains("1 cases of its part"));
  Calibration other = two;
  other.cases_fingerprint = "other";
  CHECK_THROWS_WITH(merge_calibrations({one, other}, {"a", "b"}),
                    Catch::Contains("does not belong to a"));
}

TEST_CASE("what allocators share by is a signal, or the extreme NLL increase of a layer") {
  const Calibration c = made_calibration();
  CHECK(calibration_signal(c, "entropy").values == std::vector<double>{2, 1});
  // Prefill columns only: the means are 0.3 and -0.1 in layer 0, 0.2 and 0.4 in layer 1.
  const std::vector<double> worst = calibration_signal(c, "worst_nll").values;
  CHECK(worst[0] == Approx(0.3));
  CHECK(worst[1] == Approx(0.4));
  const std::vector<double> least = calibration_signal(c, "least_nll").values;
  CHECK(least[0] == 0);  // never below 0
  CHECK(least[1] == Approx(0.2));
  CHECK_THROWS_WITH(calibration_signal(c, "entropi"), Catch::Contains("nearest is 'entropy'"));
  Calibration none = c;
  none.cases.clear();
  CHECK_THROWS_WITH(calibration_signal(none, "entropy"), Catch::Contains("no case"));
}
