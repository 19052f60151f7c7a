// The tuner's words, as a person runs them.
#include <catch2/catch.hpp>
#include <set>

#include "tests/app/program.h"

using namespace polykv;

namespace {

const std::string kMixed = std::string("--plan '") + POLYKV_SOURCE + "/plans/mixed-64.json' ";

// Four short cases of the embedded model.
const std::string& case_file() {
  static const ScratchFolder folder;
  static const std::string path = [] {
    const std::string file = folder.file("cases.jsonl");
    const Ran ran = run_program("needle --lengths 200 --depths 0,0.5 --repeats 2 --write-cases " +
                                file + " --json");
    REQUIRE(ran.code == 0);
    return file;
  }();
  return path;
}

std::string calibrate(const std::string& out, const std::string& more = "") {
  return "calibrate --cases " + case_file() + " --policies snapkv,keydiff,streaming_llm " +
         "--budget 24 --out " + out + " " + more;
}

Json ran_json(const std::string& arguments) {
  const Ran ran = run_program(arguments + " --json");
  INFO(arguments << "\n" << ran.err);
  REQUIRE(ran.code == 0);
  return Json::parse(ran.out);
}

void check_refused(const std::string& arguments, int code, const std::string& why) {
  const Ran ran = run_program(arguments);
  INFO(arguments << "\n" << ran.err);
  CHECK(ran.code == code);
  CHECK(ran.out.empty());
  CHECK_THAT(ran.err, Catch::Contains(why));
}

}  // namespace

TEST_CASE("calibrate, route, tune and audit go from cases to a plan") {
  const ScratchFolder folder;
  const std::string cal = folder.file("cal.json"), plan = folder.file("route.json"),
                    tuned = folder.file("tuned.json");
  const Json calibrated = ran_json(calibrate(cal));
  CHECK(calibrated["n"] == 4);
  CHECK(calibrated["cost"]["full_evaluations"] ==
        6 * calibrated["columns"].get<int>() * calibrated["n"].get<int>());
  CHECK(calibrated["cost"]["share"].get<double>() > 0);

  const Json route = ran_json("route --calibration " + cal + " --total 150 --out " + plan);
  CHECK(route["plan"]["prefill"]["total"] == 150);
  REQUIRE(route["reasons"].size() == 6);
  CHECK_THAT(route["reasons"][0]["sentence"].get<std::string>(),
             Catch::StartsWith("Layer 0 goes to ") && Catch::EndsWith("n = 4."));
  CHECK(Json::parse(read_text_file(plan)) == route["plan"]);
  const Json inverse =
      ran_json("route --calibration " + cal + " --total 150 --signal nll --inverse");
  CHECK(inverse["plan"] != route["plan"]);

  const Json found = ran_json("tune --plan " + plan + " --cases " + case_file() +
                              " --evaluations 25 --seed 5 --lock 0 --out " + tuned);
  CHECK(found["evaluations"] == 25);
  CHECK(found["search_cases"] == 2);
  CHECK(found["held_out"]["cases"] == 2);
  CHECK(found["end"]["answer_nll"]["value"] <= found["start"]["answer_nll"]["value"]);
  CHECK(found["plan"]["prefill"]["total"] == 150);
  CHECK(found["plan"]["prefill"]["layers"][0] == route["plan"]["prefill"]["layers"][0]);
  CHECK(Json::parse(read_text_file(tuned)) == found["plan"]);
  std::set<std::string> roles;
  for (const Json& row : found["held_out"]["rows"]) roles.insert(row["role"].get<std::string>());
  CHECK(roles == std::set<std::string>{"full", "control", "best single", "plan"});
  CHECK(found.contains("gap_recovered"));
  CHECK(found["cannot_tell"] == false);

  const Json audit = ran_json("audit " + kMixed + "--cases " + case_file() +
                              " --permutations 5 --calibration " + cal);
  CHECK(audit["of"] == 6);
  CHECK(audit["rank"].get<int>() >= 1);
  CHECK(audit["p"].get<double>() >= 1.0 / 6);
  CHECK(audit["scores"].size() == 6);
  // Full, two controls, best single, the plan, its even budgets, route and inverse route.
  CHECK(audit["beside"].size() == 8);
}

TEST_CASE("parts run by --shard merge to what a single run writes") {
  const ScratchFolder folder;
  const auto merged = [&](const std::string& word, const std::string& name) {
    const std::string whole = folder.file(name), one = folder.file(name + "1"),
                      two = folder.file(name + "2"), joined = folder.file(name + "m");
    REQUIRE(run_program(word + whole).code == 0);
    REQUIRE(run_program(word + one + " --shard 1/2").code == 0);
    REQUIRE(run_program(word + two + " --shard 2/2").code == 0);
    REQUIRE(run_program("merge " + two + " " + one + " --out " + joined).code == 0);
    INFO(word);
    CHECK(read_text_file(joined) == read_text_file(whole));
    CHECK(read_text_file(one) != read_text_file(whole));
    check_refused("merge " + one, 3, "part 2 of 2 is missing");
    check_refused("merge " + one + " " + one, 3, "same part");
  };
  merged(calibrate(""), "cal");
  merged("audit " + kMixed + "--permutations 5 --cases " + case_file() + " --out ", "audit");
  merged("needle --plan snapkv:40 --lengths 150,200 --depths 0,0.5,1 --out ", "needle");
}

TEST_CASE("a calibration goes on where it was stopped, and refuses what is not its own") {
  const ScratchFolder folder;
  const std::string cal = folder.file("cal.json");
  REQUIRE(run_program(calibrate(cal)).code == 0);
  const std::string whole = read_text_file(cal);
  Json part = Json::parse(whole);
  part["cases"].erase(1);
  part["n"] = 3;
  folder.write("cal.json", part.dump());
  const Json again = ran_json(calibrate(cal));
  CHECK(again["resumed"] == 3);
  CHECK(again["cost"]["cases"] == 1);
  CHECK(read_text_file(cal) == whole);
  check_refused(calibrate(cal, "--query aware"), 3, "its query is agnostic, expected aware");
  CHECK(read_text_file(cal) == whole);
  CHECK(run_program(calibrate(cal, "--query aware --restart")).code == 0);
  Json other = part;
  other["model"]["fingerprint"] = "sha256:0";
  check_refused("tune --evaluations 3 --plan snapkv:24 --calibration " +
                    folder.write("other.json", other.dump()),
                3, "another model");
}

TEST_CASE("Ctrl+C ends a calibration and a search with what is done") {
  const ScratchFolder folder;
  const std::string cal = folder.file("cal.json"), tuned = folder.file("tuned.json");
  const auto interrupted = [&](const std::string& arguments, const std::string& seconds) {
    const std::string command = "OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE timeout -s INT " +
                                seconds + " '" + POLYKV_BINARY + "' " + arguments + " >" +
                                folder.file("out") + " 2>" + folder.file("err");
    const int status = std::system(command.c_str());
    return WEXITSTATUS(status);
  };
  interrupted("calibrate --count 400 --out " + cal, "6");
  CHECK_THAT(read_text_file(folder.file("err")), Catch::Contains("the same command goes on"));
  CHECK(Json::parse(read_text_file(cal))["n"].get<int>() < 400);
  interrupted("tune --plan snapkv:24 --seconds 3000 --cases " + case_file() + " --out " + tuned,
              "6");
  CHECK_THAT(read_text_file(folder.file("out")), Catch::Contains("best so far"));
  CHECK(Json::parse(read_text_file(tuned))["prefill"]["total"] == 144);
}

TEST_CASE("allocate and route share by a calibration's numbers") {
  const ScratchFolder folder;
  const std::string cal = folder.file("cal.json");
  REQUIRE(run_program(calibrate(cal)).code == 0);
  for (const char* by : {"entropy", "worst_nll"}) {
    const std::string share =
        " --allocator proportional --total 300 --floor 16 --share-by " + std::string(by);
    const Json budgets = ran_json("allocate --calibration " + cal + share)["budgets"];
    const Json plan = ran_json("route --calibration " + cal + share)["plan"];
    int sum = 0;
    for (int l = 0; l < 6; ++l) {
      CHECK(plan["prefill"]["layers"][l]["budget"] == budgets[l]);
      sum += budgets[l].get<int>();
    }
    CHECK(sum == 300);
  }
  check_refused("allocate --allocator proportional --total 300 --share-by entropy", 2,
                "--share-by goes with --calibration");
  check_refused(
      "allocate --allocator proportional --total 300 --calibration " + cal + " --share-by entrop",
      2, "did you mean 'entropy'");
}

TEST_CASE("the tuner's words refuse what makes no sense, in one sentence") {
  const ScratchFolder folder;
  const std::string bad = folder.write("bad.json", "{\"format\": \"polykv-plan/1\"}");
  check_refused("calibrate", 2, "--out is missing");
  check_refused(calibrate(folder.file("c"), "--policies snapvk"), 2, "did you mean 'snapkv'");
  check_refused(calibrate(folder.file("c"), "--shard 3/2"), 2, "--shard");
  check_refused(calibrate("/nonexistent/c.json", "--policies random"), 1, "/nonexistent/c.json");
  check_refused("route --calibration " + bad + " --total 9", 3, "polykv-calibration/1");
  check_refused("route --total 9", 2, "--calibration is missing");
  check_refused("tune --plan snapkv:24", 2, "--evaluations or --seconds is missing");
  check_refused("tune --plan full --evaluations 3", 3, "nothing that may change");
  check_refused("tune --plan snapkv:24 --evaluations 3 --objective nil", 2, "'nll'");
  check_refused("tune --plan snapkv:24 --evaluations 3 --total 2", 2, "--total");
  check_refused("audit --plan snapkv:24", 3, "one policy");
  check_refused("audit " + kMixed + "--permutations 0", 2, "--permutations");
  check_refused("merge", 2, "FILE... is missing");
  check_refused("merge " + bad, 3, "does not come in parts");
}
