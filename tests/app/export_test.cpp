// `export`: the file, the refusals and the answer as JSON.
#include <catch2/catch.hpp>

#include "tests/app/program.h"

using namespace polykv;
using Catch::Contains;

namespace {

Ran run_export(const std::string& plan, const std::string& out, const std::string& more = "") {
  return run_program("export --plan " + plan + " --to kvpress --out '" + out + "' " + more);
}

}  // namespace

TEST_CASE("export writes a Python file with a press per layer and says so as JSON") {
  const ScratchFolder scratch;
  const Ran ran = run_export("snapkv:40+pyramid", scratch.file("plan.py"), "--json");
  INFO(ran.err);
  REQUIRE(ran.code == 0);
  const Json answer = Json::parse(ran.out);
  CHECK(answer["out"] == scratch.file("plan.py"));
  CHECK(answer["refused"].empty());
  CHECK(answer["eager"] == false);
  REQUIRE(answer["layers"].size() == 6);
  const std::string text = read_text_file(scratch.file("plan.py"));
  int total = 0;
  for (const Json& layer : answer["layers"]) {
    CHECK(layer["policy"] == "snapkv");
    total += layer["budget"].get<int>();
    CHECK_THAT(text, Contains(layer["press"].get<std::string>() + ",  # "));
  }
  CHECK(total == 6 * 40);
}

TEST_CASE("export takes the head list that --heads names, else the one beside the model") {
  const ScratchFolder scratch;
  write_file_atomic(scratch.file("heads.json"),
                    R"({"0": [2], "1": [1], "2": [0], "3": [3], "4": [2], "5": [1]})");
  REQUIRE(run_export("compresskv:40", scratch.file("named.py"),
                     "--heads '" + scratch.file("heads.json") + "'")
              .code == 0);
  CHECK_THAT(read_text_file(scratch.file("named.py")),
             Contains("heads=(2,)), recent=8),  # 0") && Contains("heads=(3,)), recent=8),  # 3"));
  CHECK(run_export("compresskv:40", scratch.file("beside.py")).code == 0);
  const fs::path bare = copy_model(scratch);
  const Ran none =
      run_export("compresskv:40", scratch.file("none.py"), "--model '" + bare.string() + "'");
  CHECK(none.code == 1);
  CHECK_THAT(none.err, Contains("policy 'compresskv' (layers 0-5): the retrieval heads"));
}

TEST_CASE("export refuses by name with exit code 1 and leaves the file as it was") {
  const ScratchFolder scratch;
  write_file_atomic(scratch.file("plan.py"), "kept\n");
  const Ran ran = run_export("d2o:40", scratch.file("plan.py"), "--json");
  CHECK(ran.code == 1);
  CHECK_THAT(ran.err, Contains("policy 'd2o' (layers 0-5): kvpress merges evicted tokens"));
  const Json answer = Json::parse(ran.out);
  CHECK(answer["out"].is_null());
  REQUIRE(answer["refused"].size() == 1);
  CHECK(answer["refused"][0]["layers"].size() == 6);
  CHECK(read_text_file(scratch.file("plan.py")) == "kept\n");
}

TEST_CASE("export names the path that cannot be written and the plan that cannot be read") {
  const ScratchFolder scratch;
  const Ran path = run_export("knorm:40", scratch.file("no/such/folder/plan.py"));
  CHECK(path.code == 1);
  CHECK_THAT(path.err, Contains("no/such/folder/plan.py"));
  const Ran plan = run_export("missing.json", scratch.file("plan.py"));
  CHECK(plan.code == 3);
  CHECK_THAT(plan.err, Contains("missing.json"));
}
