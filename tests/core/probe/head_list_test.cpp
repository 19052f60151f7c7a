#include "core/probe/head_list.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "core/error.h"
#include "core/files.h"
#include "core/model/model.h"
#include "tests/support/goldens.h"
#include "tests/support/scratch.h"

using namespace polykv;

namespace {

const HeadTarget kTarget{2, 3, "sha256:abc"};

HeadList small_list() {
  HeadList list;
  list.query_heads = 3;
  list.fingerprint = kTarget.fingerprint;
  list.settings = R"({"scorer":"exact"})";
  list.n = 25;
  list.rejected = 2;
  HeadLayer layer;
  layer.srh = {{.5, .125, 25}, {1. / 3, .01, 25}, {.5, .02, 25}};
  layer.trh = {{0, 0, 25}, {.1, .05, 25}, {0, 0, 25}};
  layer.ranked = {0, 2, 1};
  list.layers.push_back(layer);
  layer.srh = layer.trh = {{0, 0, 25}, {0, 0, 25}, {0, 0, 25}};
  layer.ranked = {0, 1, 2};
  list.layers.push_back(layer);
  return list;
}

// The sentence that refuses a text for kTarget; "" when it is read.
std::string refusal(const std::string& text, const HeadTarget& target = kTarget) {
  try {
    parse_heads(text, "list.json", target);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::input);
    CHECK_THAT(error.what(), Catch::StartsWith("list.json"));
    return error.what();
  }
  return "";
}

void check_refused(const std::string& text, const std::vector<std::string>& parts) {
  const std::string sentence = refusal(text);
  CAPTURE(text, sentence);
  CHECK_FALSE(sentence.empty());
  for (const std::string& part : parts) CHECK_THAT(sentence, Catch::Contains(part));
}

// The small list with one value replaced or, for null, removed.
std::string changed(const std::string& pointer, const Json& value) {
  const Json change = {
      {"op", value.is_null() ? "remove" : "replace"}, {"path", pointer}, {"value", value}};
  return Json::parse(heads_json(small_list())).patch(Json::array({change})).dump();
}

}  // namespace

TEST_CASE("A head list survives its file with every number") {
  const ScratchFolder scratch;
  const HeadList list = small_list();
  write_heads(scratch.file("heads.json"), list);
  const HeadList read = read_heads(scratch.file("heads.json"), kTarget);
  CHECK(read.form == "paper");
  CHECK(read.fingerprint == list.fingerprint);
  CHECK(read.settings == list.settings);
  CHECK(read.n == 25);
  CHECK(read.rejected == 2);
  CHECK(read.query_heads == 3);
  REQUIRE(read.layers.size() == 2);
  for (int l = 0; l < 2; ++l) {
    CHECK(read.ranked(l) == list.layers[l].ranked);
    CHECK(read.scores(l) == list.layers[l].srh);
    CHECK(read.layers[l].trh == list.layers[l].trh);
  }
  CHECK(std::distance(std::filesystem::directory_iterator(scratch.path), {}) == 1);
}

TEST_CASE("Few samples and a layer without any score are marked") {
  HeadList list = small_list();
  CHECK_FALSE(list.few_samples());
  CHECK(list.meaningful(0));
  CHECK_FALSE(list.meaningful(1));
  CHECK(Json::parse(heads_json(list))["layers"][1]["meaningful"] == false);
  list.n = 20;
  CHECK(Json::parse(heads_json(list))["few_samples"] == false);
  list.n = 19;
  CHECK(list.few_samples());
  CHECK(Json::parse(heads_json(list))["few_samples"] == true);
}

TEST_CASE("A ranking per layer is read, also a short one") {
  const HeadList list = parse_heads(R"({"0": [2, 0], "1": [1]})", "list.json", kTarget);
  CHECK(list.form == "ranking");
  CHECK(list.ranked(0) == std::vector<int>{2, 0});
  CHECK(list.ranked(1) == std::vector<int>{1});
  CHECK(list.scores(0).empty());
  CHECK(list.meaningful(0));
  CHECK_FALSE(list.few_samples());
  CHECK(list.query_heads == 3);
}

TEST_CASE("Scores per layer and head are read, averaged and ranked") {
  const HeadList list = parse_heads(
      R"({"0-0": [1, 3], "0-1": [2, 2], "0-2": [9], "1-0": [0], "1-1": [0, 0.5], "1-2": [0]})",
      "list.json", kTarget);
  CHECK(list.form == "scores");
  CHECK(list.ranked(0) == std::vector<int>{2, 0, 1});
  CHECK(list.ranked(1) == std::vector<int>{1, 0, 2});
  CHECK(list.scores(0)[0] == HeadScore{2, 1, 2});
  CHECK(list.scores(1)[1] == HeadScore{.25, .25, 2});
}

TEST_CASE("A list of another model is refused with the reason") {
  check_refused(changed("/model/fingerprint", "sha256:other"),
                {"model.fingerprint", "sha256:other", "sha256:abc"});
  const std::string own = heads_json(small_list());
  CHECK_THAT(refusal(own, {3, 3, ""}), Catch::Contains("2 layers, this model has 3"));
  CHECK_THAT(refusal(own, {2, 8, ""}), Catch::Contains("3 query heads a layer, this model has 8"));
  CHECK(refusal(own, {}).empty());
  check_refused(R"({"0": [0], "1": [0], "2": [0]})", {"2", "no layer 2"});
  check_refused(R"({"0": [0], "1": [3]})", {"1", "from 0 to 2", "found 3"});
  check_refused(R"({"0-0": [1], "2-0": [1]})", {"2-0", "no layer 2"});
  check_refused(R"({"0-0": [1], "0-3": [1]})", {"0-3", "from 0 to 2"});
}

TEST_CASE("A broken head list is refused in one sentence with its key") {
  check_refused("[1, 2]", {"object"});
  check_refused("{}", {"object"});
  check_refused("{\"0\": [NaN]}", {"line 1", "not JSON"});
  check_refused(R"({"head": [1]})", {"head", "polykv-heads/1", "LAYER-HEAD"});
  check_refused(R"({"format": "polykv-heads/2"})", {"format", "polykv-heads/1"});
  check_refused(R"({"-1": [0]})", {"-1", "LAYER"});
  check_refused(R"({"99999999999": [0]})", {"99999999999", "LAYER"});

  check_refused(R"({"0": [1, 0, 1], "1": [0]})", {"0", "once", "1 twice"});
  check_refused(R"({"0": [0], "00": [1], "1": [0]})", {"0", "every layer once"});
  check_refused(R"({"0": [0]})", {"1", "is missing"});
  check_refused(R"({"0": [], "1": [0]})", {"0", "list of query heads"});
  check_refused(R"({"0": [0], "1": 0})", {"1", "list of query heads"});
  check_refused(R"({"0": [0], "1": [1.5]})", {"1", "found 1.5"});
  check_refused(R"({"0": [0], "1": [5000000000]})", {"1", "found 5000000000"});
  check_refused(R"({"0": [0], "1-0": [0]})", {"1-0", "layer number"});

  check_refused(R"({"0-0": [1], "0-1": [1]})", {"0-2", "is missing"});
  check_refused(R"({"0-0": [1], "0-00": [1]})", {"every head once"});
  check_refused(R"({"0-0": []})", {"0-0", "one per run"});
  check_refused(R"({"0-0": [null]})", {"0-0", "at least 0", "null"});
  check_refused(R"({"0-0": [-1]})", {"0-0", "at least 0"});
  check_refused(R"({"0-0": [1], "1": [0]})", {"1", "LAYER-HEAD"});

  REQUIRE(refusal(changed("/few_samples", true)).empty());  // else the changes below say nothing
  for (const char* key : {"model", "n", "rejected", "layers"}) {
    check_refused(changed(std::string("/") + key, nullptr), {key, "is missing"});
  }
  check_refused(changed("/model/fingerprint", nullptr), {"model.fingerprint", "is missing"});
  check_refused(changed("/form", "best"), {"form", "paper or multiplicity", "best"});
  check_refused(changed("/n", -1), {"n", "at least 0"});
  check_refused(changed("/settings", 3), {"settings", "object"});
  check_refused(changed("/layers/1", nullptr), {"layers", "list of 2"});
  check_refused(changed("/layers/1", 7), {"layers[1]", "object"});
  check_refused(changed("/layers/0/srh/2", nullptr), {"layers[0].srh", "list of 3"});
  check_refused(changed("/layers/0/trh", nullptr), {"layers[0].trh", "list of 3"});
  check_refused(changed("/layers/0/srh/2/mean", "x"), {"layers[0].srh[2].mean", "number"});
  check_refused(changed("/layers/0/srh/2/spread", nullptr), {"layers[0].srh[2].spread", "missing"});
  check_refused(changed("/layers/0/ranked", Json({0, 0, 1})), {"layers[0].ranked", "0 twice"});
  check_refused(changed("/layers/0/ranked", Json({0, 1, 3})), {"layers[0].ranked", "found 3"});
  check_refused(changed("/layers/0/ranked", Json({0, 1, 2})), {"layers[0].ranked", "falling srh"});
  check_refused(changed("/layers/0/ranked", Json({0, 2})), {"layers[0].ranked", "all heads"});
  check_refused(changed("/layers/0/ranked", nullptr), {"layers[0].ranked", "list of query heads"});
}

TEST_CASE("A model opens with the list beside its weights, and without one that does not fit") {
  namespace fs = std::filesystem;
  const ScratchFolder scratch;
  const fs::path folder = scratch.file("model");
  fs::copy(golden("models/llama_gqa"), folder);
  const auto bare = Model::open(folder);
  CHECK_FALSE(bare->heads());
  CHECK_THAT(bare->heads_fault(), Catch::Contains("heads.json") && Catch::Contains("`heads`"));

  HeadList list;
  list.query_heads = bare->shape().query_heads;
  list.fingerprint = bare->fingerprint();
  HeadLayer layer;
  layer.srh.assign(list.query_heads, {.5, 0, 1});
  layer.trh = layer.srh;
  layer.srh.back().mean = 2;
  layer.ranked = rank_heads(layer.srh);
  list.layers.assign(bare->shape().layers, layer);
  write_heads(folder / "heads.json", list);
  const auto with = Model::open(folder);
  REQUIRE(with->heads());
  CHECK(with->heads_fault().empty());
  CHECK(with->heads()->ranked(2).front() == list.query_heads - 1);

  list.fingerprint = "sha256:other";
  write_heads(folder / "heads.json", list);
  const auto misfit = Model::open(folder);
  CHECK_FALSE(misfit->heads());
  CHECK_THAT(misfit->heads_fault(), Catch::Contains("sha256:other"));

  const auto given = misfit->with_heads(list);
  REQUIRE(given->heads());
  CHECK(&given->decoder() == &misfit->decoder());
  CHECK_FALSE(misfit->heads());
}

TEST_CASE("The embedded model comes with a list of its own heads from enough cases") {
  const auto model = Model::open(std::string(POLYKV_SOURCE) + "/assets/tiny-needle");
  CHECK(model->heads_fault() == "");
  REQUIRE(model->heads());
  CHECK(model->heads()->fingerprint == model->fingerprint());
  CHECK(model->heads()->n >= 100);
  for (int l = 0; l < model->shape().layers; ++l) CHECK(model->heads()->meaningful(l));
}
