// Threads, dtype and the engine's bench, through the program.
#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/app/program.h"

using namespace polykv;

namespace {

Json answer(const std::string& arguments) {
  const Ran ran = run_program(arguments + " --json");
  INFO(arguments << "\nstderr: " << ran.err);
  REQUIRE(ran.code == 0);
  return Json::parse(ran.out);
}

// Ids of a prompt long enough for more than one thread and, at 1100 tokens, more than one chunk.
std::string prompt_file(const ScratchFolder& scratch, int tokens) {
  Json ids = Json::array();
  for (int i = 0; i < tokens; ++i) ids.push_back(3 + i * 7919 % 2000);
  return scratch.write("ids.json", ids.dump());
}

}  // namespace

TEST_CASE("the number of threads does not change the greedy tokens") {
  const ScratchFolder scratch;
  for (const std::string plan : {"full", "snapkv:64"}) {
    const std::string words = "generate --ids " + prompt_file(scratch, 1100) + " --plan " + plan +
                              " --no-stop-at-eos --max-new 24 --threads ";
    const Json one = answer(words + "1").at("ids");
    CHECK(one.size() == 24);
    for (const char* threads : {"2", "3", "8"}) {
      INFO(plan << " with " << threads << " threads");
      CHECK(answer(words + threads).at("ids") == one);
    }
  }
}

TEST_CASE("weights kept as stored give the tokens of fp32, and both spellings of a dtype do") {
  const ScratchFolder scratch;
  const std::string words =
      "generate --ids " + prompt_file(scratch, 200) + " --no-stop-at-eos --max-new 16";
  const Json wide = answer(words);
  for (const char* dtype : {"fp32", "float32", "fp16", "float16"}) {  // the file holds fp16
    INFO(dtype);
    const Json given = answer(words + " --dtype " + dtype);
    CHECK(given.at("ids") == wide.at("ids"));
    CHECK(given.at("kv_bytes") == wide.at("kv_bytes"));
  }
}

TEST_CASE("inspect counts matrices in the dtype, and keys and values in fp32") {
  const std::string words = "inspect '" + embedded_model().string() + "' --tokens 1000 --dtype ";
  const Json wide = answer(words + "fp32"), narrow = answer(words + "bf16");
  const int norms = 13 * 128;  // two a layer of 6, one at the end
  const int matrices = wide.at("parameters").get<int>() - norms;
  CHECK(wide.at("weight_bytes") == 4 * (matrices + norms));
  CHECK(narrow.at("weight_bytes") == 2 * matrices + 4 * norms);
  CHECK(narrow.at("kv_bytes") == 6 * 2 * 2 * 32 * 1000 * 4);
  CHECK(wide.at("kv_bytes") == narrow.at("kv_bytes"));
}

TEST_CASE("bench engine runs both sides over the same weights") {
  for (const char* dtype : {"fp32", "bf16"}) {
    const Json bench = answer(std::string("bench engine --only embedded --context 200 --new 8 ") +
                              "--repeats 2 --threads 1 --dtype " + dtype);
    REQUIRE(bench.at("rows").size() == 1);
    const Json& row = bench.at("rows")[0];
    INFO(row.dump());
    CHECK(row.at("context") == 200);
    CHECK(row.at("dtype") == dtype);
    // In fp32 both sides differ by rounding of the last place only.
    if (std::string(dtype) == "fp32") CHECK(row.at("same_tokens") == 8);
    for (const char* key : {"prefill_ratio", "decode_ratio", "load_ratio"}) {
      CHECK(row.at(key) > 0);
    }
    CHECK(row.at("prefill_ratio").get<double>() ==
          Approx(row.at("prefill_tokens_per_s").get<double>() /
                 row.at("plain_prefill_tokens_per_s").get<double>()));
  }
}

TEST_CASE("bench policies times the three parts of every policy's cut beside the attention") {
  const Json rows = answer("bench policies --lengths 300 --repeats 1").at("rows");
  std::vector<std::string> measured;
  for (const Json& row : rows) {
    INFO(row.dump());
    measured.push_back(row.at("policy"));
    CHECK(row.at("budget") == 37);
    CHECK(row.at("skipped") == "");
    CHECK(row.at("score_ms") > 0);
    CHECK(row.at("compact_ms") > 0);
    CHECK(row.at("total_ms").get<double>() ==
          Approx(row.at("score_ms").get<double>() + row.at("select_ms").get<double>() +
                 row.at("compact_ms").get<double>()));
    CHECK(row.at("share").get<double>() ==
          Approx(row.at("total_ms").get<double>() / row.at("attention_ms").get<double>()));
  }
  // All that cut a prompt and read no file.
  std::vector<std::string> expected;
  const Json known = answer("policies").at("policies");
  for (const Json& policy : known) {
    const Json &phases = policy.at("phases"), &params = policy.at("params");
    const bool reads_file = std::any_of(
        params.begin(), params.end(), [](const Json& param) { return param.at("name") == "file"; });
    const bool prefill = std::count(phases.begin(), phases.end(), "prefill") > 0;
    if (policy.at("id") != "full" && prefill && !reads_file) expected.push_back(policy.at("id"));
  }
  CHECK(measured == expected);
}

TEST_CASE("bench policies says which policy it skips, and why") {
  const Json rows =
      answer("bench policies --lengths 256 --repeats 1 --only h2o --limit 0").at("rows");
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].at("skipped").get<std::string>().find("--limit is 0 s") != std::string::npos);
  CHECK(rows[0].at("total_ms").is_null());
  CHECK(rows[0].at("attention_ms") > 0);
}

TEST_CASE("bench kernels gives speed and ratio of every kernel that LibTorch can do too") {
  const Json rows = answer("bench kernels --repeats 1").at("rows");
  std::vector<std::string> kernels;
  for (const Json& row : rows) {
    INFO(row.dump());
    kernels.push_back(row.at("kernel"));
    CHECK(row.at("ours_ms") > 0);
    CHECK(row.at("ratio").get<double>() ==
          Approx(row.at("torch_ms").get<double>() / row.at("ours_ms").get<double>()));
  }
  CHECK(kernels == std::vector<std::string>{"attention", "importance", "select", "compact",
                                            "matvec", "matvec", "matvec"});
}
