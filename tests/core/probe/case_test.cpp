#include "core/probe/case.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "core/error.h"
#include "core/files.h"
#include "core/probe/needle.h"

using namespace polykv;
namespace fs = std::filesystem;

namespace {

const std::string kModel = POLYKV_SOURCE "/assets/tiny-needle";

// A folder of its own for each test, removed afterwards.
struct Folder {
  Folder() {
    std::string name = (fs::temp_directory_path() / "polykv-cases-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { fs::remove_all(path); }
  std::string file(const std::string& text) const {
    std::ofstream(path / "cases.jsonl") << text;
    return (path / "cases.jsonl").string();
  }
  fs::path path;
};

std::string error_of(const std::string& path, const Tokenizer& tokenizer) {
  try {
    read_cases(path, tokenizer);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::input);
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("The 200 cases of the embedded model read with the spans and lengths they name") {
  const Tokenizer tokenizer = Tokenizer::read(kModel);
  const std::vector<Case> cases = read_cases(kModel + "/cases.jsonl", tokenizer);
  REQUIRE(cases.size() == 200);
  std::ifstream file(kModel + "/cases.jsonl");
  std::string line;
  for (const Case& each : cases) {
    std::getline(file, line);
    const Json json = Json::parse(line);
    CAPTURE(each.task, each.seed, each.depth);
    CHECK(each.context.size() == json["context_tokens"].get<std::size_t>());
    CHECK(each.context[0] == tokenizer.id_of("<|begin_of_text|>"));
    REQUIRE(each.needles.size() == 1);
    const Span span = each.needles[0];
    const std::string text =
        tokenizer.decode(std::span(each.context).subspan(span.first, span.last - span.first + 1));
    const std::string wanted = json["needle_text"];
    CHECK((text == wanted || text == " " + wanted));
    CHECK(tokenizer.decode(each.context, true) == json["context"].get<std::string>());
    CHECK(tokenizer.decode(each.question) == json["question"].get<std::string>());
    CHECK(tokenizer.decode(each.answer) == json["answer"].get<std::string>());
    CHECK(each.answer.size() == 5);  // the space and four digits
    CHECK(each.task == json["task"]);
    CHECK(each.keys == json["keys"]);
    CHECK(each.depth == json["depth"]);
    CHECK(each.seed == json["seed"]);
  }
}

TEST_CASE("A case that names no depth has the one at which its needle lies") {
  const Tokenizer tokenizer = Tokenizer::read(kModel);
  const Folder folder;
  const std::string parts = R"({"context": [1, 5, 6, 7, 8, 9], "question": [5], "answer": [7])";
  const std::string path = folder.file(parts + R"(, "needles": [[2, 3]]})" + "\n" + parts +
                                       R"(, "needles": [[2, 3]], "depth": 0.25})" + "\n" + parts +
                                       R"(, "needles": [[4, 5], [1, 1]]})" + "\n" + parts + "}\n");
  const std::vector<Case> cases = read_cases(path, tokenizer);
  REQUIRE(cases.size() == 4);
  CHECK(cases[0].depth == 0.5);  // two of the four other tokens stand before it
  CHECK(cases[1].depth == 0.25);
  CHECK(cases[2].depth == 1);
  CHECK(cases[3].depth == 0);
}

TEST_CASE("Written cases read back the same") {
  const Tokenizer tokenizer = Tokenizer::read(kModel);
  const Folder folder;
  std::vector<Case> cases = make_needle_cases(6, {300, 0, 3, 1}, tokenizer);
  cases[2].needles.clear();
  cases[3].seed = 18446744073709551615u;
  cases[4].depth = 1.0 / 3;
  cases[5].context = {5, 300, 7};  // ids that no text encodes to
  cases[5].needles = {{0, 2}};
  cases[5].task = "a \"task\"\nof two lines";
  const std::string path = (folder.path / "written.jsonl").string();
  write_cases(path, cases, tokenizer);
  const std::vector<Case> read = read_cases(path, tokenizer);
  REQUIRE(read.size() == cases.size());
  for (std::size_t i = 0; i < cases.size(); ++i) {
    CHECK(read[i].context == cases[i].context);
    CHECK(read[i].question == cases[i].question);
    CHECK(read[i].answer == cases[i].answer);
    CHECK(read[i].needles == cases[i].needles);
    CHECK(read[i].task == cases[i].task);
    CHECK(read[i].depth == cases[i].depth);
    CHECK(read[i].keys == cases[i].keys);
    CHECK(read[i].seed == cases[i].seed);
  }
  const Json first = Json::parse(read_text_file(path).substr(0, read_text_file(path).find('\n')));
  CHECK_THAT(first["needle_text"].get<std::string>(), Catch::Matchers::Contains(" is "));
}

TEST_CASE("A case that would not read back is not written") {
  const Tokenizer tokenizer = Tokenizer::read(kModel);
  const Folder folder;
  const std::string path = (folder.path / "written.jsonl").string();
  std::vector<Case> cases = make_needle_cases(1, {100, 0, 1, 1}, tokenizer);
  cases[0].needles = {{5, 400}};
  CHECK_THROWS_AS(write_cases(path, cases, tokenizer), Error);
  cases[0].needles.clear();
  cases[0].answer = {tokenizer.size()};
  CHECK_THROWS_AS(write_cases(path, cases, tokenizer), Error);
  CHECK_FALSE(fs::exists(path));
}

TEST_CASE("Text and ids of the same case read the same and unknown keys are passed over") {
  const Tokenizer tokenizer = Tokenizer::read(kModel);
  const Folder folder;
  Json ids{{"context", tokenizer.encode("The code of amber is 7319.", true)},
           {"question", tokenizer.encode("\nQuestion:", false)},
           {"answer", tokenizer.encode(" 7319", false)}};
  const std::string text =
      "\n{\"context\": \"The code of amber is 7319.\", \"question\": \"\\nQuestion:\", "
      "\"answer\": \" 7319\", \"mood\": [1]}\r\n  \n";
  const std::vector<Case> read = read_cases(folder.file(text + ids.dump()), tokenizer);
  REQUIRE(read.size() == 2);
  CHECK(read[0].context == read[1].context);
  CHECK(read[0].question == read[1].question);
  CHECK(read[0].answer == read[1].answer);
  CHECK(read[0].needles.empty());
  CHECK(read[0].task == "single");
  CHECK(read[0].keys == 1);
}

TEST_CASE("A bad case line is refused with its file, line and key") {
  const Tokenizer tokenizer = Tokenizer::read(kModel);
  const Folder folder;
  const Json good{{"context", "The code of amber is 7319."}, {"question", "?"}, {"answer", " 7"}};
  const struct {
    const char* patch;  // merged into a good line; null removes the key
    const char* key;
    const char* expectation;
  } bad[] = {
      {R"({"context": null})", "context", "is missing"},
      {R"({"question": null})", "question", "is missing"},
      {R"({"answer": null})", "answer", "is missing"},
      {R"({"context": ""})", "context", "must not be empty"},
      {R"({"answer": []})", "answer", "must not be empty"},
      {R"({"context": 7})", "context", "a text or a list of token ids"},
      {R"({"context": [1, 2048]})", "context", "from 0 to 2047; number 2 is not"},
      {R"({"context": [-1]})", "context", "number 1 is not"},
      {R"({"context": [18446744073709551615]})", "context", "number 1 is not"},
      {R"({"question": [1.5]})", "question", "number 1 is not"},
      {R"({"question": ["a"]})", "question", "number 1 is not"},
      {R"({"needles": 3})", "needles", "list of [first, last]"},
      {R"({"needles": [3, 4]})", "needles", "pairs"},
      {R"({"needles": [[3]]})", "needles", "number 1 is not"},
      {R"({"needles": [[1, 2], [4, 3]]})", "needles", "number 2 is not"},
      {R"({"needles": [[0, 12]]})", "needles", "12 context tokens; number 1"},
      {R"({"needles": [[-1, 3]]})", "needles", "number 1 is not"},
      {R"({"task": 1})", "task", "a text"},
      {R"({"depth": 1.5})", "depth", "0 to 1"},
      {R"({"depth": "half"})", "depth", "0 to 1"},
      {R"({"keys": 0})", "keys", "at least 1"},
      {R"({"seed": -1})", "seed", "at least 0"},
  };
  for (const auto& each : bad) {
    Json line = good;
    line.merge_patch(Json::parse(each.patch));
    const std::string path = folder.file(good.dump() + "\n" + line.dump() + "\n");
    const std::string error = error_of(path, tokenizer);
    CAPTURE(each.patch);
    CHECK_THAT(error, Catch::Matchers::StartsWith(path + " line 2: " + each.key + ": "));
    CHECK_THAT(error, Catch::Matchers::Contains(each.expectation));
  }
}

TEST_CASE("A case file without a case is refused") {
  const Tokenizer tokenizer = Tokenizer::read(kModel);
  const Folder folder;
  using Catch::Matchers::Contains;
  CHECK_THAT(error_of(folder.file(""), tokenizer), Contains("at least one case"));
  CHECK_THAT(error_of(folder.file("\n\n"), tokenizer), Contains("at least one case"));
  CHECK_THAT(error_of(folder.file("[1]\n"), tokenizer),
             Contains("line 1: must be one JSON object"));
  CHECK_THAT(error_of(folder.file("{\"context\": \n"), tokenizer), Contains("JSON object"));
  CHECK_THAT(error_of((folder.path / "none").string(), tokenizer), Contains("none"));
}
