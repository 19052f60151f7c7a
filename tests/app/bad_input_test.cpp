// Bad input files: exit code 3 and one sentence that names file, key and expectation.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>

#include "tests/app/program.h"

using namespace polykv;

namespace {

// One sentence on standard error with all these parts, nothing on standard output, exit code 3.
void check_refused(const std::string& arguments, const std::vector<std::string>& parts) {
  const Ran ran = run_program(arguments);
  INFO(arguments << "\nstderr: " << ran.err << "\nstdout: " << ran.out);
  CHECK(ran.code == 3);
  CHECK(ran.out.empty());
  CHECK(std::count(ran.err.begin(), ran.err.end(), '\n') == 1);
  for (const std::string& part : parts) {
    INFO("part: " << part);
    CHECK(ran.err.find(part) != std::string::npos);
  }
}

void check_model_refused(const fs::path& folder, const std::vector<std::string>& parts) {
  check_refused("generate --prompt 'The code' --max-new 1 --model " + folder.string(), parts);
}

void change_config(const fs::path& folder, const Json& changes) {
  Json config = Json::parse(read_text_file(folder / "config.json"));
  config.update(changes);
  write_file_atomic(folder / "config.json", config.dump());
}

std::string plan_text(int layers, const std::string& policy, int budget, int total) {
  Json plan = {{"format", "polykv-plan/1"}, {"name", "bad"}, {"query", "agnostic"}};
  for (const char* phase : {"prefill", "decode"}) {
    Json list = Json::array();
    for (int l = 0; l < layers; ++l) {
      list.push_back(phase == std::string("prefill")
                         ? Json{{"policy", policy}, {"budget", budget}}
                         : Json{{"policy", "full"}, {"budget", nullptr}});
    }
    plan[phase] = {{"total", nullptr}, {"layers", list}};
  }
  plan["prefill"]["total"] = total;
  return plan.dump();
}

void check_plan_refused(const std::string& text, std::vector<std::string> parts) {
  const ScratchFolder scratch;
  const std::string file = scratch.write("bad.json", text);
  parts.push_back("bad.json");
  check_refused("keep --prompt 'The code of amber is 7319.' --plan " + file, parts);
}

}  // namespace

TEST_CASE("a model folder that is not there is refused by name") {
  check_model_refused("/no/such/folder", {"/no/such/folder", "expected", "folder"});
}

TEST_CASE("a folder without model.safetensors is refused by file name") {
  const ScratchFolder scratch;
  const fs::path folder = copy_model(scratch);
  fs::remove(folder / "model.safetensors");
  check_model_refused(folder, {"model.safetensors", "cannot be opened"});
}

TEST_CASE("a truncated safetensors file is refused before anything is computed") {
  const ScratchFolder scratch;
  const fs::path folder = copy_model(scratch);
  const auto length = GENERATE(0, 5, 100, 2000000);
  fs::resize_file(folder / "model.safetensors", static_cast<std::uintmax_t>(length));
  check_model_refused(folder, {"model.safetensors"});
  const Ran ran = run_program("inspect --json " + folder.string());
  CHECK(ran.code == 3);
  CHECK(Json::parse(ran.out).at("supported") == false);
}

TEST_CASE("weights of another shape than config.json says are refused by tensor name") {
  const ScratchFolder scratch;
  const fs::path folder = copy_model(scratch);
  change_config(folder, {{"num_key_value_heads", 4}});
  check_model_refused(folder,
                      {"model.safetensors", "self_attn.k_proj.weight", "expected shape", "found"});
}

TEST_CASE("an unknown architecture is refused with the architectures that are known") {
  const ScratchFolder scratch;
  const fs::path folder = copy_model(scratch);
  change_config(folder, {{"architectures", {"MambaForCausalLM"}}, {"model_type", "mamba"}});
  const std::vector<std::string> parts = {"config.json", "architectures", "MambaForCausalLM",
                                          "LlamaForCausalLM"};
  check_model_refused(folder, parts);
  check_refused("inspect " + folder.string(), parts);
}

TEST_CASE("a config.json that is not JSON or lacks a key is refused by file and key") {
  const ScratchFolder scratch;
  const fs::path folder = copy_model(scratch);
  Json config = Json::parse(read_text_file(folder / "config.json"));
  config.erase("hidden_size");
  write_file_atomic(folder / "config.json", config.dump());
  check_model_refused(folder, {"config.json", "hidden_size"});
  write_file_atomic(folder / "config.json", "{\"hidden_size\": ");
  check_model_refused(folder, {"config.json", "line 1"});
}

TEST_CASE("a NaN among the weights is refused by tensor name") {
  const ScratchFolder scratch;
  const fs::path folder = copy_model(scratch);
  std::string bytes = read_text_file(folder / "model.safetensors");
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), 8);
  const Json tensors = Json::parse(bytes.substr(8, header));
  const Json& norm = tensors.at("model.norm.weight");
  REQUIRE(norm.at("dtype") == "F16");
  const std::uint16_t nan = 0x7e00;
  std::memcpy(bytes.data() + 8 + header + norm.at("data_offsets")[0].get<std::size_t>() + 6, &nan,
              2);
  write_file_atomic(folder / "model.safetensors", bytes);
  check_model_refused(folder, {"model.safetensors", "model.norm.weight", "NaN", "expected finite"});
}

TEST_CASE("a plan with another layer count than the model is refused with both counts") {
  check_plan_refused(plan_text(5, "snapkv", 16, 80), {"5 layers", "6"});
}

TEST_CASE("a plan with a budget of 0 is refused with its layer") {
  check_plan_refused(plan_text(6, "snapkv", 0, 0), {"layer 0", "prefill", "budget", "at least 1"});
}

TEST_CASE("a plan with an unknown policy is refused with the nearest known one") {
  check_plan_refused(plan_text(6, "snapvk", 16, 96), {"layer 0", "snapvk", "snapkv"});
}

TEST_CASE("a plan whose total does not add up is refused with the right sum") {
  check_plan_refused(plan_text(6, "snapkv", 16, 95), {"prefill", "total", "96"});
}

TEST_CASE("a short-form plan with a bad policy or budget is refused in one sentence") {
  const std::string prompt = "keep --prompt 'The code of amber is 7319.' --plan ";
  check_refused(prompt + "snapvk:16", {"snapvk:16", "snapkv"});
  check_refused(prompt + "snapkv:0", {"snapkv:0", "budget", "at least 1"});
  check_refused(prompt + "snapkv:16+pyramud", {"pyramud", "pyramid"});
}

TEST_CASE("a plan whose policy cannot be used in its phase is refused with layer and phase") {
  Json plan = Json::parse(plan_text(6, "tova", 16, 96));
  plan["decode"]["layers"][3] = {{"policy", "snapkv"}, {"budget", 16}};
  plan["decode"].erase("total");
  check_plan_refused(plan.dump(), {"layer 3", "decode", "'snapkv' works in prefill only"});
}

TEST_CASE("a plan whose file of trained numbers is missing or another model's is refused by file") {
  const ScratchFolder scratch;
  const auto with = [&](const std::string& file) {
    Json plan = Json::parse(plan_text(6, "duo", 16, 96));
    for (Json& layer : plan["prefill"]["layers"]) layer["params"] = {{"file", file}};
    return "--plan " + scratch.write("plan.json", plan.dump());
  };
  const std::string other = scratch.write(
      "other.json",
      R"({"full_attention_heads": [[1, 0], [1, 0]], "sink_size": 4, "recent_size": 8})");
  const std::string none = scratch.file("none.json");
  for (const char* word : {"keep --prompt 'The code of amber is 7319.' ", "score --count 1 "}) {
    check_refused(word + with(none), {"none.json", "cannot be read"});
    check_refused(word + with(other),
                  {"other.json", "full_attention_heads", "has 2 layers, this model has 6"});
    check_refused(word + std::string("--plan qfilter:8"), {"file", "is empty", "q_filters"});
  }
}

TEST_CASE("a budget below the protected tokens works, and a note on standard error says so") {
  const std::string words = "keep --prompt 'The code of amber is 7319. The sea is wide.' --json ";
  const Ran low = run_program(words + "--plan snapkv:4"),
            enough = run_program(words + "--plan snapkv:8");
  CHECK(low.code == 0);
  CHECK(low.err.starts_with("note: layer 0"));
  CHECK(low.err.find("budget 4") != std::string::npos);
  CHECK(low.err.find("and 5 more") != std::string::npos);
  CHECK(Json::parse(low.out).at("layers")[5].at("positions")[0].size() == 4);
  CHECK(enough.err.empty());
}

TEST_CASE("an empty prompt is refused") {
  const ScratchFolder scratch;
  check_refused("generate --prompt ''", {"--prompt", "expected", "empty"});
  const std::string none = scratch.write("none.json", "[]");
  check_refused("generate --ids " + none, {"none.json", "at least one token"});
  const std::string blank = scratch.write("blank.txt", "");
  check_refused("generate --prompt-file " + blank, {"blank.txt", "expected text"});
}

TEST_CASE("a prompt longer than the model's positions is refused with both lengths") {
  const ScratchFolder scratch;
  const Json ids(std::vector<int>(2049, 5));
  const std::string file = scratch.write("long.json", ids.dump());
  for (const char* word : {"generate", "keep --plan full", "logits --out /dev/null"}) {
    check_refused(std::string(word) + " --ids " + file, {"long.json", "2048", "2049"});
  }
}

TEST_CASE("token ids that are no ids of the model are refused by their place") {
  const ScratchFolder scratch;
  check_refused("generate --ids " + scratch.write("a.json", "[1, 2048]"),
                {"a.json", "ids[1]", "2047"});
  check_refused("generate --ids " + scratch.write("b.json", "[1, -3]"), {"b.json", "ids[1]", "-3"});
  check_refused("generate --ids " + scratch.write("c.json", "{\"ids\": [\"x\"]}"),
                {"c.json", "ids[0]", "token id"});
  check_refused("generate --ids " + scratch.write("d.json", "{\"tokens\": []}"), {"d.json", "ids"});
  check_refused("generate --ids " + scratch.file("none.json"), {"none.json", "cannot be read"});
}

TEST_CASE("a head list of another model or with a bad head is refused by file and key") {
  const ScratchFolder scratch;
  const std::string words[] = {"keep --plan full --prompt a", "generate --prompt a",
                               "score --plan full", "needle"};
  const std::string small = scratch.write("small.json", R"({"0": [0], "1": [8]})");
  for (const std::string& word : words) {
    check_refused(word + " --heads " + small, {"small.json", "1", "from 0 to 7"});
  }
  Json list = Json::parse(read_text_file(embedded_model() / "heads.json"));
  list["model"]["fingerprint"] = "sha256:other";
  check_refused(words[0] + " --heads " + scratch.write("other.json", list.dump()),
                {"other.json", "model.fingerprint", "sha256:other"});
}

TEST_CASE("heads refuses cases without needles and writes no list") {
  const ScratchFolder scratch;
  const std::string cases =
      scratch.write("cases.jsonl", "{\"context\": [1, 5], \"question\": [6], \"answer\": [7]}\n");
  check_refused("heads --cases " + cases + " --out " + scratch.file("heads.json"),
                {"cases.jsonl case 1", "needles"});
  CHECK_FALSE(fs::exists(scratch.file("heads.json")));
}

TEST_CASE("a signal that cannot be shared by is refused by file and layer") {
  const ScratchFolder scratch;
  const auto refused = [&](const std::string& text, std::vector<std::string> parts,
                           const std::string& how = "error --total 256") {
    check_refused("allocate --allocator " + how + " --signal " + scratch.write("s.json", text),
                  parts);
  };
  refused("[1, 2", {"s.json"});
  refused("[1, \"two\"]", {"s.json", "[1]", "number"});
  refused("[1, 2, -3]", {"layer 2", "at least 0"});
  refused("[1, 2]", {"cake", "'variance'"}, "cake --total 256");
  refused("[1, 2, 3]", {"80", "floor cannot be met"}, "error --total 80");
  refused("[1, 2, 3]", {"90", "at most 20"}, "proportional --cap 20 --total 90");
}

TEST_CASE("a case file with a bad line is refused by line and key") {
  const ScratchFolder scratch;
  const std::string file =
      scratch.write("cases.jsonl",
                    "{\"context\": [1, 5], \"question\": [6], \"answer\": [7]}\n"
                    "{\"context\": [1, 5], \"question\": [6], \"answer\": []}\n");
  check_refused("score --cases " + file, {"cases.jsonl", "line 2", "answer", "empty"});
}

TEST_CASE("text that is not UTF-8 is refused with its option or file and the offset of the byte") {
  const ScratchFolder scratch;
  const std::string file = scratch.write("prompt.txt", "a\xC3(");
  for (const std::string word : {"generate", "tokenize", "keep --plan full"}) {
    check_refused(word + " --prompt \"$(printf 'a\\377')\"", {"--prompt: byte 1: ", "0xFF"});
    check_refused(word + " --prompt-file " + file, {"prompt.txt: byte 1: ", "0xC3"});
  }
  check_refused("generate --prompt x --question \"$(printf '\\377')\"", {"--question: byte 0: "});
  check_refused("tokenize --jsonl " + scratch.write("lines.jsonl", "{\"text\": \"\xFF\"}\n"),
                {"lines.jsonl: line 1", "UTF-8"});
}

TEST_CASE("a key that stands twice is refused with its file") {
  const ScratchFolder scratch;
  const fs::path folder = copy_model(scratch);
  std::string config = read_text_file(folder / "config.json");
  config.insert(config.rfind('}'), ", \"hidden_size\": 64");
  std::ofstream(folder / "config.json") << config;
  check_model_refused(folder, {"config.json: hidden_size: stands twice"});
  check_refused("inspect " + folder.string(), {"config.json: hidden_size: stands twice"});
}

TEST_CASE(
    "a folder that links to itself or lacks its tokenizer is refused before weights are read") {
  const ScratchFolder scratch;
  fs::create_symlink("loop", scratch.file("loop"));
  check_model_refused(scratch.file("loop"), {"loop: expected a Hugging Face model folder"});
  check_refused("inspect " + scratch.file("loop"), {"loop: expected a Hugging Face model folder"});
  const fs::path folder = copy_model(scratch);
  fs::remove(folder / "tokenizer.json");
  check_refused("inspect " + folder.string(), {"tokenizer.json: cannot be read"});
}

TEST_CASE(
    "a chat prompt is the template's text with special tokens once, or refused with a reason") {
  const ScratchFolder scratch;
  const fs::path folder = copy_model(scratch);
  const std::string prompt = "tokenize --json --prompt hello --model " + folder.string();
  check_refused(prompt + " --template chat", {"chat_template: is missing"});
  const auto write = [&](const std::string& text) {
    std::ofstream(folder / "chat_template.jinja") << text;
  };
  write("{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}");
  const auto decoded = [&](const std::string& options) {
    return Json::parse(run_program(prompt + options).out).at("decoded").get<std::string>();
  };
  const std::string bos = "<|begin_of_text|>";
  CHECK(decoded("") == bos + "hello");
  CHECK(decoded(" --template plain") == bos + "hello");
  CHECK(decoded(" --template chat") == bos + "user: hello\n");
  CHECK(decoded(" --template chat --system 'Be kind.'") == bos + "system: Be kind.\nuser: hello\n");
  const Ran card = run_program("inspect --json " + folder.string());
  CHECK(Json::parse(card.out).at("chat_template").at("runs") == true);
  for (const char* word : {"generate --max-new 1", "keep --plan full", "logits --out /dev/null"}) {
    CHECK(run_program(word + std::string(" --prompt hello --template chat --model ") +
                      folder.string())
              .code == 0);
  }
  CHECK(run_program(prompt + " --system x").code == 2);
  CHECK(run_program("generate --prompt x --question y --template chat").code == 2);
  write("{% macro x() %}{% endmacro %}");
  check_refused(prompt + " --template chat", {"chat_template.jinja: line 1: {% macro %}"});
  const Json refused = Json::parse(run_program("inspect --json " + folder.string()).out);
  CHECK(refused.at("supported") == true);
  CHECK(refused.at("chat_template").at("runs") == false);
  write("{{ raise_exception('no system here') }}");
  check_refused(prompt + " --template chat", {"no system here"});
}
