// What the words answer: the JSON shapes of the command line, and values known from elsewhere.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <fstream>
#include <numeric>
#include <sstream>

#include "tests/app/program.h"

using namespace polykv;

namespace {

// The one JSON object a word prints with --json.
Json answer(const std::string& arguments) {
  const Ran ran = run_program(arguments + " --json");
  INFO(arguments << "\nstderr: " << ran.err);
  REQUIRE(ran.code == 0);
  return Json::parse(ran.out);  // throws for anything beside one object
}

// Line `index` of the cases that come with the embedded model.
Json embedded_case(int index) {
  std::ifstream in(embedded_model() / "cases.jsonl");
  std::string line;
  for (int i = 0; i <= index; ++i) std::getline(in, line);
  return Json::parse(line);
}

std::vector<int> counting(int first, int last) {
  std::vector<int> values(static_cast<std::size_t>(last - first + 1));
  std::iota(values.begin(), values.end(), first);
  return values;
}

std::string file_of_ids(const ScratchFolder& scratch, int n) {
  return scratch.write("ids.json", Json{{"ids", counting(3, n + 2)}}.dump());
}

void check_estimate(const Json& estimate, int n) {
  CHECK(estimate.at("n") == n);
  CHECK(estimate.at("low") <= estimate.at("value"));
  CHECK(estimate.at("value") <= estimate.at("high"));
}

constexpr int kBytesPerToken = 2 * 6 * 2 * 32 * 4;  // keys + values, layers, kv heads, dim, fp32

}  // namespace

TEST_CASE(
    "tokenize gives ids that decode to the text, with the begin token unless told otherwise") {
  const Json with = answer("tokenize --prompt 'The code of amber is 7319.'");
  CHECK(with.at("ids")[0] == 1);
  CHECK(with.at("decoded") == "<|begin_of_text|>The code of amber is 7319.");
  CHECK(with.at("tokens").size() == with.at("ids").size());
  const Json without = answer("tokenize --no-special --prompt ' 7319'");
  CHECK(without.at("decoded") == " 7319");
  CHECK(without.at("tokens") == Json({"Ġ", "7", "3", "1", "9"}));

  const ScratchFolder scratch;
  const std::string ids = scratch.write("ids.json", without.at("ids").dump());
  CHECK(answer("tokenize --ids " + ids).at("decoded") == " 7319");
}

TEST_CASE("tokenize answers JSON lines line by line") {
  const ScratchFolder scratch;
  const std::string lines = scratch.write("in.jsonl", "{\"text\": \"The code\"}\n{\"ids\": [1]}\n");
  const Ran ran = run_program("tokenize --json --jsonl " + lines);
  REQUIRE(ran.code == 0);
  std::istringstream out(ran.out);
  std::string first, second, rest;
  std::getline(out, first);
  std::getline(out, second);
  CHECK_FALSE(std::getline(out, rest));
  CHECK(Json::parse(first).at("decoded") == "<|begin_of_text|>The code");
  CHECK(Json::parse(second).at("ids") == Json({1}));
}

TEST_CASE("generate answers a needle of the embedded model with its gold answer") {
  const ScratchFolder scratch;
  const Json item = embedded_case(0);
  const std::string gold = item.at("answer");
  const std::string context = scratch.write("context.txt", item.at("context"));
  const std::string question = scratch.write(
      "question.json",
      answer("tokenize --no-special --prompt-file " + scratch.write("q.txt", item.at("question")))
          .at("ids")
          .dump());
  const Json full =
      answer("generate --max-new 12 --prompt-file " + context + " --question-ids " + question);
  INFO(full.dump());
  CHECK(full.at("text").get<std::string>().starts_with(gold));
  CHECK(full.at("ids").size() <= 12);
  CHECK(full.at("prefill_ms") > 0);
  CHECK(full.at("decode_tokens_per_s") > 0);

  const Json cut = answer("generate --max-new 12 --plan random:16 --prompt-file " + context +
                          " --question-ids " + question);
  INFO(cut.dump());
  CHECK_FALSE(cut.at("text").get<std::string>().starts_with(gold));
  CHECK(cut.at("kv_bytes") == 16 * kBytesPerToken);
}

TEST_CASE("keep of streaming_llm names the first four and the last tokens of every kv head") {
  const ScratchFolder scratch;
  const Json kept = answer("keep --plan streaming_llm:16 --ids " + file_of_ids(scratch, 100));
  std::vector<int> expected = counting(0, 3);
  for (const int p : counting(88, 99)) expected.push_back(p);
  REQUIRE(kept.at("layers").size() == 6);
  for (const Json& layer : kept.at("layers")) {
    CHECK(layer.at("policy") == "streaming_llm");
    CHECK(layer.at("budget") == 16);
    CHECK(layer.at("positions") == Json({expected, expected}));
  }
  CHECK(kept.at("kv_bytes") == 16 * kBytesPerToken);
}

TEST_CASE(
    "the --query option decides whether the cut sees the question, also over what a plan file "
    "says") {
  const ScratchFolder scratch;
  Json layers = Json::array();
  for (int l = 0; l < 6; ++l) layers.push_back({{"policy", "streaming_llm"}, {"budget", 16}});
  const Json decode(std::vector<Json>(6, {{"policy", "full"}, {"budget", nullptr}}));
  const Json plan = {{"format", "polykv-plan/1"},
                     {"query", "agnostic"},
                     {"prefill", {{"total", 96}, {"layers", layers}}},
                     {"decode", {{"total", nullptr}, {"layers", decode}}}};
  const std::string file = scratch.write("plan.json", plan.dump());
  const std::string question = scratch.write("question.json", "[9, 10, 11]");
  const std::string prompt =
      "keep --ids " + file_of_ids(scratch, 50) + " --question-ids " + question + " --plan ";
  for (const std::string& named : {file, std::string("streaming_llm:16")}) {
    CHECK(answer(prompt + named).at("tokens") == 50);
    CHECK(answer(prompt + named).at("query") == "agnostic");
    const Json aware = answer(prompt + named + " --query aware");
    CHECK(aware.at("tokens") == 53);
    CHECK(aware.at("query") == "aware");
    CHECK(aware.at("layers")[0].at("positions")[0].back() == 52);
  }
}

TEST_CASE("keep writes scores whose protected tokens are infinite and whose best tokens are kept") {
  const ScratchFolder scratch;
  const std::string file = scratch.file("scores.safetensors");
  const Json kept =
      answer("keep --plan snapkv:24 --ids " + file_of_ids(scratch, 80) + " --scores " + file);
  const std::string bytes = read_text_file(file);
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), 8);
  const Json tensors = Json::parse(bytes.substr(8, header));
  for (int l = 0; l < 6; ++l) {
    const Json& tensor = tensors.at("score." + std::to_string(l));
    REQUIRE(tensor.at("shape") == Json({2, 80}));
    std::vector<float> scores(160);
    std::memcpy(scores.data(),
                bytes.data() + 8 + header + tensor.at("data_offsets")[0].get<std::size_t>(),
                scores.size() * sizeof(float));
    for (int head = 0; head < 2; ++head) {
      const std::vector<int> positions = kept.at("layers")[l].at("positions")[head];
      float least_kept = INFINITY, best_lost = -INFINITY;
      for (int t = 0; t < 80; ++t) {
        const bool is_kept = std::find(positions.begin(), positions.end(), t) != positions.end();
        const float score = scores[static_cast<std::size_t>(head * 80 + t)];
        (is_kept ? least_kept : best_lost) =
            is_kept ? std::min(least_kept, score) : std::max(best_lost, score);
      }
      CHECK(positions.size() == 24);
      CHECK(std::isinf(scores[static_cast<std::size_t>(head * 80 + 79)]));
      CHECK(least_kept >= best_lost);
    }
  }
}

TEST_CASE("logits writes every position, or the last ones, and the taps asked for") {
  const ScratchFolder scratch;
  const std::string ids = file_of_ids(scratch, 20), file = scratch.file("out.safetensors");
  const auto header = [&] {
    const std::string bytes = read_text_file(file);
    std::uint64_t length = 0;
    std::memcpy(&length, bytes.data(), 8);
    return Json::parse(bytes.substr(8, length));
  };
  answer("logits --hidden --kv --ids " + ids + " --out " + file);
  CHECK(header().at("logits").at("shape") == Json({20, 2048}));
  CHECK(header().at("hidden.5").at("shape") == Json({20, 128}));
  CHECK(header().at("key.0").at("shape") == Json({2, 20, 32}));
  CHECK(header().at("value.5").at("shape") == Json({2, 20, 32}));
  answer("logits --last 1 --ids " + ids + " --out " + file);
  CHECK(header().at("logits").at("shape") == Json({1, 2048}));
  CHECK_FALSE(header().contains("hidden.0"));
}

TEST_CASE("score crosses policies, budgets and both visibilities and writes them as a table") {
  const ScratchFolder scratch;
  const std::string table = scratch.file("table.md");
  const Json scored = answer(
      "score --policies snapkv,tova --budgets 16,32 --query both --count 2"
      " --table " +
      table);
  std::vector<std::string> plans;
  int aware = 0;
  for (const Json& row : scored.at("rows")) {
    plans.push_back(row.at("plan"));
    aware += row.at("query") == "aware";
  }
  const std::vector<std::string> each = {"snapkv:16", "tova:16", "snapkv:32", "tova:32"};
  std::vector<std::string> expected = {"full"};
  for (int query = 0; query < 2; ++query) {
    expected.insert(expected.end(), each.begin(), each.end());
  }
  CHECK(plans == expected);
  CHECK(aware == 4);
  CHECK(scored.at("cases") == 2);
  const std::string text = read_text_file(table);
  CHECK(std::count(text.begin(), text.end(), '\n') == 2 + 2 + 9);  // heading, head, rows
  CHECK(text.find("| tova:32 | aware |") != std::string::npos);
  const Ran typo = run_program("score --policies snapkb --count 1");
  CHECK(typo.code == 2);
  CHECK(typo.err.find("snapkv") != std::string::npos);
}

TEST_CASE(
    "score shares the budgets of --policies by an allocator whose signal it measures itself") {
  const Json scored =
      answer("score --policies compresskv+error,knorm+pyramid --budgets 64 --count 1");
  REQUIRE(scored.at("rows").size() == 3);
  CHECK(scored.at("rows")[0].at("budgets") == Json(std::vector<Json>(6)));
  const Json& error = scored.at("rows")[1];
  CHECK(error.at("plan") == "compresskv:64+error");
  CHECK(scored.at("rows")[2].at("plan") == "knorm:64+pyramid");
  // Seeds 1 + 1 and on: the scored case is not among the measured ones.
  const Json apart = answer(
      "allocate --allocator error --total 384 --signal output_error --cut compresskv:32 --seed 2"
      " --query agnostic");
  CHECK(error.at("budgets") == apart.at("budgets"));
  CHECK(error.at("budgets") != Json(std::vector<int>(6, 64)));
}

TEST_CASE("score puts the full cache first and gives every score with interval and n") {
  const ScratchFolder scratch;
  const std::string cases = scratch.file("cases.jsonl");
  const Json grid =
      answer("needle --lengths 200 --depths 0.25,0.75 --repeats 2 --write-cases " + cases);
  CHECK(grid.at("rows").size() == 2);
  const Json scored =
      answer("score --controls --plan snapkv:32 --plan tova:16 --query aware --cases " + cases);
  CHECK(scored.at("cases") == 4);
  CHECK(scored.at("query") == "aware");
  const Json& rows = scored.at("rows");
  REQUIRE(rows.size() == 7);  // full, two plans, two controls for each
  CHECK(rows[0].at("plan") == "full");
  CHECK(rows[0].at("recall").at("value") == 1.0);
  CHECK(std::abs(rows[0].at("kl_to_full").at("value").get<double>()) < 1e-6);
  CHECK(rows[1].at("plan") == "snapkv:32");
  for (const Json& row : rows) {
    for (const char* id : {"recall", "answer_nll", "kl_to_full", "kept_mass"}) {
      INFO(row.at("plan") << " " << id);
      check_estimate(row.at(id), 4);
    }
    CHECK(row.at("top1_agreement").at("n") >= 4);
    CHECK(row.at("rescore_ms") >= 0);
  }
  // The controls hold as many bytes as the plan they stand beside.
  CHECK(rows[3].at("control") == true);
  CHECK(rows[3].at("kv_bytes") == rows[1].at("kv_bytes"));
  CHECK(rows[5].at("kv_bytes") == rows[2].at("kv_bytes"));
  CHECK(rows[1].at("kv_bytes") < rows[0].at("kv_bytes"));
}

TEST_CASE("needle gives a row per plan, task, length and depth with n repeats") {
  const Json grid = answer(
      "needle --plan random:16 --lengths 150,250 --depths 0,0.5,1 --repeats 2 "
      "--task single,multikey");
  const Json& rows = grid.at("rows");
  REQUIRE(rows.size() == 2 * 2 * 2 * 3);
  double full = 0, cut = 0;
  for (const Json& row : rows) {
    CHECK(row.at("n") == 2);
    (row.at("plan") == "full" ? full : cut) += row.at("recall").get<double>() / 12;
  }
  CHECK(full > 0.9);
  CHECK(cut < full);
}

TEST_CASE("heads writes the list it prints, and what masking costs on other cases") {
  const ScratchFolder scratch;
  const std::string file = scratch.file("heads.json");
  Json list =
      answer("heads --count 5 --lengths 100,160 --mask-top 3 --mask-count 4 --mask-draws 2 " +
             ("--out " + file));
  const Json mask = list.at("mask");
  list.erase("mask");
  CHECK(list == Json::parse(read_text_file(file)));
  CHECK(list.at("format") == "polykv-heads/1");
  CHECK(list.at("form") == "paper");
  CHECK(list.at("n").get<int>() + list.at("rejected").get<int>() == 5);
  CHECK(list.at("few_samples") == true);
  CHECK(list.at("settings").at("scorer") == "exact");
  CHECK(list.at("model").at("query_heads") == 8);
  REQUIRE(list.at("layers").size() == 6);
  for (const Json& layer : list.at("layers")) {
    CHECK(layer.at("ranked").size() == 8);
    CHECK(layer.at("srh").size() == 8);
    CHECK(layer.at("trh").size() == 8);
  }
  CHECK(mask.at("top") == 3);
  CHECK(mask.at("cases") == 4);
  CHECK(mask.at("held_out") == true);
  std::vector<std::string> names;
  for (const Json& row : mask.at("rows")) {
    names.push_back(row.at("mask"));
    check_estimate(row.at("recall"), names.size() < 4 ? 4 : 2);
    check_estimate(row.at("answer_nll"), names.size() < 4 ? 4 : 2);
  }
  CHECK(names ==
        std::vector<std::string>{"none", "SRH top 3", "TRH top 3", "random, mean of draws"});
  CHECK(mask.at("rows")[1].at("heads").size() == 3);
  CHECK(mask.at("draws").size() == 2);

  // The list opens with the model that it was made for.
  CHECK(run_program("keep --plan snapkv:8 --prompt 'The code of amber is 7319.' --heads " + file)
            .code == 0);
}

TEST_CASE("heads says aloud that few answers were right") {
  const ScratchFolder scratch;
  const Ran ran = run_program("heads --count 2 --lengths 100 --out " + scratch.file("heads.json"));
  CHECK(ran.code == 0);
  CHECK(ran.err.find("few samples: 2 right answers") != std::string::npos);
  CHECK(ran.out.find("SRH, paper form") != std::string::npos);
}

TEST_CASE("policies lists what a plan can name, with parameters and phases") {
  const Json tables = answer("policies");
  std::vector<std::string> ids, allocator_ids;
  for (const Json& policy : tables.at("policies")) {
    ids.push_back(policy.at("id"));
    CHECK_FALSE(policy.at("summary").get<std::string>().empty());
    CHECK_FALSE(policy.at("phases").empty());
    for (const Json& param : policy.at("params")) {
      CHECK(param.contains("name"));
      CHECK(param.contains("start"));
    }
  }
  for (const Json& allocator : tables.at("allocators")) allocator_ids.push_back(allocator.at("id"));
  CHECK(ids.size() == 25);
  for (const char* id : {"full", "random", "streaming_llm", "snapkv", "adakv", "cam", "duo"}) {
    CHECK(std::count(ids.begin(), ids.end(), id) == 1);
  }
  const auto policy = [&](const std::string& id) {
    for (const Json& row : tables.at("policies")) {
      if (row.at("id") == id) return row;
    }
    return Json();
  };
  CHECK(policy("compresskv").at("needs") == Json({"keys", "window", "head_list"}));
  CHECK(policy("compresskv").at("reads_queries") == true);
  CHECK(policy("keydiff").at("reads_queries") == false);
  CHECK(policy("criticalkv").at("needs") ==
        Json({"values", "output_projection", "what_inner_needs"}));
  CHECK(policy("headkv").at("sharing") == "ragged");
  CHECK(policy("cake").at("phases") == Json({"prefill", "decode"}));
  CHECK(policy("lagkv").at("paper") == "arXiv 2504.04704");
  for (const char* id : {"uniform", "pyramid", "proportional", "cake", "error", "zigzag",
                         "hull_greedy", "global_topk"}) {
    CHECK(std::count(allocator_ids.begin(), allocator_ids.end(), id) == 1);
  }
  for (const Json& allocator : tables.at("allocators")) {
    if (allocator.at("id") == "cake") CHECK(allocator.at("needs") == Json({"values", "variance"}));
    if (allocator.at("id") == "uniform") CHECK(allocator.at("needs").empty());
  }
  CHECK(tables.at("signals").size() >= 10);
}

TEST_CASE("allocate gives budgets that add up to the total") {
  const ScratchFolder scratch;
  const std::string file = scratch.write("signal.json", "[0.4, 0.3, 0.2, 0.1]");
  // 10 each, 60 in parts 4 : 3 : 2 : 1.
  CHECK(answer("allocate --allocator proportional --eps 0 --total 100 --floor 10 --signal " + file)
            .at("budgets") == Json({34, 28, 22, 16}));
  // CompressKV with its floor of 32: 32 + 52.8, 39.6, 26.4, 13.2; one left for the first.
  const Json error = answer("allocate --allocator error --total 260 --signal " + file);
  CHECK(error.at("budgets") == Json({85, 72, 58, 45}));
  CHECK(error.at("total") == 260);
  CHECK(answer("allocate --allocator error --total 80 --floor 8 --cap 24 --signal " + file)
            .at("budgets") == Json({24, 23, 19, 14}));
  CHECK(answer("allocate --allocator pyramid --total 384 --layers 6").at("budgets") ==
        Json({117, 96, 75, 53, 32, 11}));
  const std::string rich = scratch.write(
      "rich.json", R"({"values": [1, 4], "variance": [1, 1], "scores": [[9, 8, 1], [7, 6, 5]]})");
  CHECK(answer("allocate --allocator cake --total 50 --signal " + rich).at("budgets") ==
        Json({10, 40}));
  CHECK(answer("allocate --allocator global_topk --total 4 --signal " + rich).at("budgets") ==
        Json({2, 2}));
}

TEST_CASE("allocate measures a signal it is given by name, and writes it to be read again") {
  const ScratchFolder scratch;
  const std::string set =
      scratch.write("cases.jsonl", embedded_case(0).dump() + "\n" + embedded_case(1).dump());
  const std::string file = scratch.file("signal.json");
  const Json measured = answer(
      "allocate --allocator error --floor 8 --total 384 --signal "
      "output_error --cases " +
      set + " --write-signal " + file);
  CHECK(measured.at("signal").at("n") == 2);
  double sum = 0;
  for (const Json& value : measured.at("signal").at("values")) sum += value.get<double>();
  CHECK(sum == Approx(1));
  CHECK(answer("allocate --allocator error --floor 8 --total 384 --signal " + file).at("budgets") ==
        measured.at("budgets"));
  // A plan on the command line shares by the same file.
  const Json kept = answer("keep --prompt-file " + scratch.write("t.txt", std::string(2000, 'a')) +
                           " --plan knorm:64+error --signal " + file);
  int total = 0;
  for (const Json& layer : kept.at("layers")) total += layer.at("budget").get<int>();
  CHECK(total == 384);
}

TEST_CASE("inspect counts the embedded model's parameters and bytes") {
  const Json card = answer("inspect --tokens 1000 " + embedded_model().string());
  CHECK(card.at("supported") == true);
  CHECK(card.at("architecture") == "LlamaForCausalLM");
  // Embedding, and per layer q, k, v, o, three of the feed-forward, two norms; the last norm.
  CHECK(card.at("parameters") ==
        2048 * 128 + 6 * (128 * 256 * 2 + 128 * 64 * 2 + 3 * 128 * 384 + 2 * 128) + 128);
  CHECK(card.at("weight_file_bytes") == fs::file_size(embedded_model() / "model.safetensors"));
  CHECK(card.at("kv_bytes") == 1000 * kBytesPerToken);
}

TEST_CASE("inspect adds up the shards of a checkpoint") {
  const fs::path folder = fs::path(POLYKV_SOURCE) / "tests/goldens/models/mistral_gqa";
  const Json card = answer("inspect " + folder.string());
  const Json config = read_json_file(folder / "config.json");
  const int hidden = config.at("hidden_size"), inner = config.at("intermediate_size"),
            layers = config.at("num_hidden_layers"), vocab = config.at("vocab_size"),
            queries = config.at("num_attention_heads").get<int>() * 32,
            keys = config.at("num_key_value_heads").get<int>() * 32;
  CHECK(card.at("parameters") ==
        2 * vocab * hidden + hidden +
            layers * (2 * hidden * queries + 2 * hidden * keys + 3 * hidden * inner + 2 * hidden));
  std::uintmax_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".safetensors") bytes += entry.file_size();
  }
  CHECK(card.at("weight_file_bytes") == bytes);
}

TEST_CASE("check finds all lights on for the embedded model") {
  const Json lights = answer("check");
  CHECK(lights.at("ok") == true);
  CHECK(lights.at("lights").size() >= 5);
  for (const Json& light : lights.at("lights")) {
    INFO(light.dump());
    CHECK(light.at("ok") == true);
  }
}

TEST_CASE("bench live times edits and runs from scratch") {
  const Json bench = answer("bench live --context 128 --edits 5 --cases 1,2");
  REQUIRE(bench.at("rows").size() == 2);
  CHECK(bench.at("rows")[1].at("cases") == 2);
  for (const Json& row : bench.at("rows")) {
    CHECK(row.at("context") == 128);
    CHECK(row.at("edits") == 5);
    CHECK(row.at("median_ms") > 0);
    CHECK(row.at("median_ms") <= row.at("p95_ms"));
    CHECK(row.at("p95_ms") <= row.at("max_ms"));
    CHECK(row.at("full_run_ms") > 0);
  }
}

TEST_CASE("without --json a table stands on standard output and nothing on standard error") {
  const Ran ran = run_program("policies");
  CHECK(ran.code == 0);
  CHECK(ran.err.empty());
  CHECK(ran.out.find("streaming_llm") != std::string::npos);
  for (const char* head : {"phases", "reads the question", "needs", "paper", "every=1"}) {
    CHECK(ran.out.find(head) != std::string::npos);
  }
}

TEST_CASE("a build without CUDA says so when asked for it") {
  const Ran ran = run_program("check --device cuda");
  CHECK(ran.code == 1);
  CHECK(ran.err.find("CPU only") != std::string::npos);
}
