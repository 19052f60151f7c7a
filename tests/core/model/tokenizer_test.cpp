#include "core/model/tokenizer.h"

#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>

#include "core/error.h"
#include "core/files.h"

namespace polykv {
namespace {

namespace fs = std::filesystem;

const std::string kGoldens = std::string(POLYKV_SOURCE) + "/tests/goldens/tokenizer/";
const std::string kTinyNeedle = std::string(POLYKV_SOURCE) + "/assets/tiny-needle";

std::vector<Json> read_lines(const std::string& path) {
  std::istringstream in(read_text_file(path));
  std::vector<Json> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(Json::parse(line));
  return lines;
}

// A folder with a tokenizer.json of our own, gone at the end of the test.
class Folder {
 public:
  explicit Folder(const std::string& content) {
    std::string name = (fs::temp_directory_path() / "tokenizer-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
    std::ofstream(path_ / "tokenizer.json", std::ios::binary) << content;
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

Json golden(const std::string& name) {
  return Json::parse(read_text_file(kGoldens + name + "/tokenizer.json"));
}

Tokenizer patched(Json base, const Json& patch) {
  base.merge_patch(patch);
  return Tokenizer::read(Folder(base.dump()).path());
}

// One line of the reference library's results: a text, or ids alone.
void check_line(const Tokenizer& tokenizer, const Json& line) {
  const auto ids = line.at("ids").get<std::vector<int>>();
  INFO(line.dump(-1, ' ', true));
  if (line.contains("text")) {
    const auto text = line.at("text").get<std::string>();
    CHECK(tokenizer.encode(text, true) == ids);
    CHECK(tokenizer.encode(text, false) == line.at("ids_plain").get<std::vector<int>>());
  }
  CHECK(tokenizer.decode(ids) == line.at("decoded").get<std::string>());
  CHECK(tokenizer.decode(ids, true) == line.at("decoded_skip_special").get<std::string>());
}

std::string message_of(const std::string& content) {
  const Folder folder(content);
  try {
    Tokenizer::read(folder.path());
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::input);
    CHECK_THAT(error.what(), Catch::Contains(folder.path() + "/tokenizer.json"));
    return error.what();
  }
  return "no error";
}

std::string message_after(const Json& patch) {
  Json json = golden("llama_mha_yarn");
  json.merge_patch(patch);
  return message_of(json.dump());
}

}  // namespace

TEST_CASE("every golden text has the reference library's ids and decodes to its text") {
  const std::string name =
      GENERATE("llama_gqa", "llama_mha_yarn", "mistral_gqa", "qwen2_tied", "qwen3_qknorm");
  const Tokenizer tokenizer = Tokenizer::read(kGoldens + name);
  const auto lines = read_lines(kGoldens + name + "/text.jsonl");
  REQUIRE(lines.size() > 200);
  for (const Json& line : lines) check_line(tokenizer, line);
}

TEST_CASE("broken UTF-8 and ids without a token decode as in the reference library") {
  const std::string name =
      GENERATE("llama_gqa", "llama_mha_yarn", "mistral_gqa", "qwen2_tied", "qwen3_qknorm");
  const Tokenizer tokenizer = Tokenizer::read(kGoldens + name);
  const auto lines = read_lines(kGoldens + name + "/decode.jsonl");
  REQUIRE(lines.size() > 100);
  for (const Json& line : lines) check_line(tokenizer, line);
}

TEST_CASE("steps and options beyond the golden models give the reference library's results") {
  const auto variants = read_lines(kGoldens + "variants.jsonl");
  REQUIRE(variants.size() > 70);
  for (const Json& variant : variants) {
    INFO(variant.at("name"));
    const Tokenizer tokenizer = patched(golden(variant.at("base")), variant.at("patch"));
    for (const Json& line : variant.at("cases")) check_line(tokenizer, line);
  }
}

TEST_CASE("every bundled case has its token count and its needle at the stated positions") {
  const Tokenizer tokenizer = Tokenizer::read(kTinyNeedle);
  const auto cases = read_lines(kTinyNeedle + "/cases.jsonl");
  REQUIRE(cases.size() == 200);
  for (const Json& one : cases) {
    const auto ids = tokenizer.encode(one.at("context").get<std::string>(), true);
    INFO("seed " << one.at("seed"));
    CHECK(ids.size() == one.at("context_tokens").get<std::size_t>());
    CHECK(tokenizer.decode(ids, true) == one.at("context").get<std::string>());
    const auto needle = one.at("needles").at(0).get<std::vector<std::ptrdiff_t>>();
    REQUIRE(needle[1] < static_cast<std::ptrdiff_t>(ids.size()));
    const std::vector<int> inside(ids.begin() + needle[0], ids.begin() + needle[1] + 1);
    // The first word's token may hold the space before it.
    const std::string text = tokenizer.decode(inside);
    const std::string wanted = one.at("needle_text");
    CHECK((text == wanted || text == " " + wanted));
  }
}

TEST_CASE("a token displays as the text it stands for, with controls and lone bytes escaped") {
  const Tokenizer bytes = Tokenizer::read(kTinyNeedle);
  const auto display = [](const Tokenizer& tokenizer, const char* token) {
    REQUIRE(tokenizer.id_of(token) >= 0);
    return tokenizer.display(tokenizer.id_of(token));
  };
  CHECK(display(bytes, "Ġcode") == " code");
  CHECK(display(bytes, "Ġ") == " ");
  CHECK(display(bytes, "Ċ") == "\\n");
  CHECK(display(bytes, "ĉ") == "\\t");
  CHECK(display(bytes, "Ā") == "\\x00");
  CHECK(display(bytes, "â") == "<0xE2>");
  CHECK(display(bytes, "<|begin_of_text|>") == "<|begin_of_text|>");
  CHECK(bytes.display(bytes.size()) == "");
  CHECK(bytes.display(-1) == "");

  const Tokenizer pieces = Tokenizer::read(kGoldens + "llama_mha_yarn");
  CHECK(display(pieces, "▁the") == " the");
  CHECK(display(pieces, "<0x0A>") == "\\n");
  CHECK(display(pieces, "<0x41>") == "A");
  CHECK(display(pieces, "<0xE2>") == "<0xE2>");
  CHECK(display(pieces, "<s>") == "<s>");
}

TEST_CASE("token and id_of answer from the file's own vocabulary and added tokens") {
  const std::string name = GENERATE("llama_gqa", "mistral_gqa", "qwen3_qknorm");
  const Tokenizer tokenizer = Tokenizer::read(kGoldens + name);
  const Json json = golden(name);
  int largest = 0;
  for (const auto& [token, id] : json.at("model").at("vocab").items()) {
    CHECK(tokenizer.token(id) == token);
    CHECK(tokenizer.id_of(token) == id);
    largest = std::max(largest, id.get<int>());
  }
  for (const Json& added : json.at("added_tokens")) {
    CHECK(tokenizer.id_of(added.at("content").get<std::string>()) == added.at("id"));
    CHECK(tokenizer.is_special(added.at("id")) == added.at("special").get<bool>());
    largest = std::max(largest, added.at("id").get<int>());
  }
  CHECK(tokenizer.size() == largest + 1);
  CHECK(tokenizer.token(largest + 1).empty());
  CHECK(tokenizer.token(-1).empty());
  CHECK(tokenizer.id_of("no such token") == -1);
  CHECK_FALSE(tokenizer.is_special(-1));
}

TEST_CASE("two threads encoding with one tokenizer get the ids that one thread gets") {
  const Tokenizer tokenizer = Tokenizer::read(kGoldens + "qwen3_qknorm");
  const auto lines = read_lines(kGoldens + "qwen3_qknorm/text.jsonl");
  const auto wrong = [&] {
    int count = 0;
    for (const Json& line : lines) {
      const auto ids = tokenizer.encode(line.at("text").get<std::string>(), true);
      if (ids != line.at("ids").get<std::vector<int>>()) ++count;
      if (tokenizer.decode(ids) != line.at("decoded").get<std::string>()) ++count;
    }
    return count;
  };
  auto other = std::async(std::launch::async, wrong);
  CHECK(wrong() == 0);
  CHECK(other.get() == 0);
}

TEST_CASE("encoding takes time near linear in the text even for one unbroken piece") {
  const std::string name = GENERATE("llama_gqa", "llama_mha_yarn", "mistral_gqa");
  const std::string unit = GENERATE("he", " ", "\n ", "the code ");
  const Tokenizer tokenizer = Tokenizer::read(kGoldens + name);
  std::string text = "x";
  while (text.size() < 200'000) text += unit;
  const auto start = std::chrono::steady_clock::now();
  const auto ids = tokenizer.encode(text, false);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  INFO(name << " \"" << unit << "\"");
  CHECK(tokenizer.decode(ids) == text);
  CHECK(took.count() < 5.0);  // about 0.1 s; a quadratic merge needs minutes
}

TEST_CASE("a tokenizer file that is missing or broken off is an input error naming it") {
  CHECK_THROWS_WITH(Tokenizer::read("/nonexistent"),
                    Catch::Contains("/nonexistent/tokenizer.json"));
  const std::string whole = golden("llama_gqa").dump();
  for (const std::size_t length : {0, 1, 100, 5000}) {
    CHECK_THAT(message_of(whole.substr(0, length)), Catch::Contains("not JSON"));
  }
  CHECK_THAT(message_of("[1]"), Catch::Contains("expected a JSON object"));
  CHECK_THAT(message_of("{}"), Catch::Contains("model: is missing"));
}

TEST_CASE("what a tokenizer file asks for beyond the supported is refused by key and kind") {
  using Catch::Contains;
  const auto type = [](const char* name) { return Json{{"type", name}}; };
  CHECK_THAT(message_after({{"model", type("Unigram")}}),
             Contains("model.type") && Contains("supported is \"BPE\""));
  CHECK_THAT(message_after({{"normalizer", type("BertNormalizer")}}),
             Contains("normalizer.type") && Contains("NFC"));
  CHECK_THAT(message_after({{"pre_tokenizer", type("Whitespace")}}),
             Contains("pre_tokenizer.type") && Contains("Metaspace"));
  CHECK_THAT(message_after({{"post_processor", type("BertProcessing")}}),
             Contains("post_processor.type") && Contains("TemplateProcessing"));
  CHECK_THAT(message_after({{"decoder", type("WordPiece")}}),
             Contains("decoder.type") && Contains("ByteFallback"));
  CHECK_THAT(message_after({{"model", {{"dropout", 0.1}}}}), Contains("model.dropout"));
  CHECK_THAT(message_after({{"model", {{"end_of_word_suffix", "</w>"}}}}),
             Contains("model.end_of_word_suffix"));
}

TEST_CASE("merges that name unknown tokens or are no pair are refused by their index") {
  using Catch::Contains;
  const auto with = [](const Json& merge) {
    return message_after({{"model", {{"merges", {"h e", merge}}}}});
  };
  CHECK_THAT(with("zz qq"), Contains("model.merges[1]") && Contains("\"zz\""));
  CHECK_THAT(with({"h", "qq"}), Contains("model.merges[1]") && Contains("\"qq\""));
  CHECK_THAT(with("q z"), Contains("model.merges[1]") && Contains("\"qz\""));  // no such token
  CHECK_THAT(with("a b c"), Contains("model.merges[1]"));
  CHECK_THAT(with(7), Contains("model.merges[1]") && Contains("found 7"));
}

TEST_CASE("ids that are negative, shared or out of step are refused") {
  using Catch::Contains;
  const auto vocab = [](const Json& id) {
    return message_after({{"model", {{"vocab", {{"a", id}}}}}});
  };
  CHECK_THAT(vocab(-1), Contains("model.vocab[\"a\"]") && Contains("found -1"));
  CHECK_THAT(vocab(1.5), Contains("model.vocab[\"a\"]"));
  CHECK_THAT(vocab(4'000'000'000u), Contains("model.vocab[\"a\"]"));
  CHECK_THAT(vocab(golden("llama_mha_yarn").at("model").at("vocab").at("b")),
             Contains("is also \"a\""));
  const auto added = [](int id, const char* content) {
    return message_after({{"added_tokens", {{{"id", id}, {"content", content}}}}});
  };
  CHECK_THAT(added(-4, "<x>"), Contains("added_tokens[0].id") && Contains("found -4"));
  CHECK_THAT(added(7, "<x>"), Contains("added_tokens[0].id") && Contains("is also"));
  CHECK_THAT(added(460, "<x>"), Contains("expected 450"));
  CHECK_THAT(added(460, "<s>"), Contains("expected 1 "));
  CHECK(added(450, "<x>") == "no error");
}

TEST_CASE("a regular expression that does not compile or means something else is refused") {
  using Catch::Contains;
  const auto with = [](const char* regex) {
    return message_after(
        {{"pre_tokenizer",
          {{"type", "Split"}, {"behavior", "Isolated"}, {"pattern", {{"Regex", regex}}}}}});
  };
  CHECK_THAT(with("a(b"), Contains("pre_tokenizer.pattern.Regex") && Contains("a(b"));
  CHECK_THAT(with("[a&&b]"), Contains("&&"));
  CHECK_THAT(with("\\p{N}{1,3}+"), Contains("{..}+"));
  for (const char* name : {"\\h", "\\b", "\\X", "[:graph:]", "[:^digit:]"}) {
    const std::string regex = name[0] == '[' ? "[" + std::string(name) + "]" : name;
    CHECK_THAT(with(regex.c_str()), Contains(name));
  }
  CHECK(with("\\p{L}+|[[:digit:]]{1,3}") == "no error");
}

TEST_CASE("text that is not UTF-8 is an input error with the offset of the bad byte") {
  const Tokenizer tokenizer = Tokenizer::read(kGoldens + "llama_gqa");
  const std::pair<const char*, const char*> cases[] = {
      {"ab\xFF", "byte 2"},          {"\xC3(", "byte 0"},        {"é\xE2\x82", "byte 2"},
      {"x\xC0\x80", "byte 1"},       {"\xED\xA0\x80", "byte 0"}, {"\xF4\x90\x80\x80", "byte 0"},
      {"\xF0\x8F\xBF\xBF", "byte 0"}};
  for (const auto& [text, where] : cases) {
    CHECK_THROWS_WITH(tokenizer.encode(text, true), Catch::Contains(where));
  }
  CHECK_NOTHROW(tokenizer.encode("\xF4\x8F\xBF\xBF\xED\x9F\xBF", true));
  CHECK_NOTHROW(tokenizer.encode(std::string_view("a\0b", 3), true));
}

}  // namespace polykv
