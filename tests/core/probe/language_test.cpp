#include "core/probe/language.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <string>

#include "core/assets.h"
#include "core/error.h"
#include "core/files.h"

using namespace polykv;
namespace fs = std::filesystem;

namespace {

const std::string kLanguage = POLYKV_SOURCE "/assets/needle-language.json";

struct Folder {
  Folder() {
    std::string name = (fs::temp_directory_path() / "polykv-language-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { fs::remove_all(path); }
  fs::path path;
};

// The filler templates as regular expressions, apart from the generator's own way with them.
struct Grammar {
  explicit Grammar(const Language& read) : language(read) {
    for (const std::string& filler : language.fillers) {
      std::vector<std::string> of_filler;
      const std::regex slot("\\{(\\w+)\\}");
      for (std::sregex_iterator it(filler.begin(), filler.end(), slot), end; it != end; ++it)
        of_filler.push_back((*it)[1]);
      const std::string dots = std::regex_replace(filler, std::regex("\\."), "\\.");
      patterns.emplace_back(std::regex_replace(dots, slot, "(\\w+)"));
      slots.push_back(of_filler);
    }
  }
  // The template that a sentence follows with words of its lists, -1 for none.
  int template_of(const std::string& sentence) const {
    std::smatch match;
    for (std::size_t i = 0; i < patterns.size(); ++i) {
      if (!std::regex_match(sentence, match, patterns[i])) continue;
      bool known = true;
      for (std::size_t k = 0; k < slots[i].size(); ++k) known &= fits(slots[i][k], match[k + 1]);
      if (known) return static_cast<int>(i);
    }
    return -1;
  }
  bool fits(std::string slot, std::string word) const {
    if (slot == "number") return std::regex_match(word, std::regex("[1-9]\\d?"));
    for (std::string* text : {&slot, &word})
      if (slot != "name" && slot != "city" && slot != "day") (*text)[0] |= 32;  // lower case
    const std::vector<std::string>& words = language.words.at(slot);
    return std::find(words.begin(), words.end(), word) != words.end();
  }
  const Language& language;
  std::vector<std::regex> patterns;
  std::vector<std::vector<std::string>> slots;
};

std::string error_of(const std::string& path) {
  try {
    read_language(path);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::input);
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("The language covers every sentence of the 200 cases, with the same shares") {
  const Language language = read_language(kLanguage);
  CHECK(language.keys().size() == 89);
  const Grammar grammar(language);
  std::map<int, int> seen, drawn;
  int sentences = 0;
  std::ifstream file(POLYKV_SOURCE "/assets/tiny-needle/cases.jsonl");
  const std::regex fact("(The|Note that the|Remember: the) code (of|for) \\w+ is \\d{4}\\.");
  for (std::string line; std::getline(file, line);) {
    const std::string context = Json::parse(line)["context"];
    for (std::size_t at = 0; at < context.size();) {
      const std::size_t end = std::min(context.find(". ", at) + 1, context.size());
      const std::string sentence = context.substr(at, end == 0 ? context.npos : end - at);
      at += sentence.size() + 1;
      if (std::regex_match(sentence, fact)) continue;
      CAPTURE(sentence);
      const int which = grammar.template_of(sentence);
      CHECK(which >= 0);
      ++seen[which];
      ++sentences;
    }
  }
  CHECK(sentences == 11818);  // counted apart from this program
  Prng prng(3);
  for (int i = 0; i < sentences; ++i) ++drawn[grammar.template_of(draw_filler(language, prng))];
  REQUIRE(drawn.size() == language.fillers.size());
  REQUIRE(seen.size() == language.fillers.size());
  // About 622 each, deviation 24: both stay within four deviations of even shares.
  for (const auto& [which, count] : seen) CHECK(std::abs(count - sentences / 19) < 100);
  for (const auto& [which, count] : drawn) CHECK(std::abs(count - sentences / 19) < 100);
}

TEST_CASE("Drawn sentences leave no slot open and use every word") {
  const Language language = read_language(kLanguage);
  Prng prng(9);
  std::string all;
  for (int i = 0; i < 6000; ++i) {
    const std::string sentence = draw_filler(language, prng);
    CHECK(sentence.find_first_of("{}") == std::string::npos);
    CHECK((sentence[0] >= 'A' && sentence[0] <= 'Z'));
    CHECK_FALSE(std::regex_search(sentence, std::regex("\\d{3}")));
    all += " " + sentence;
  }
  for (const auto& [list, words] : language.words)
    for (const std::string& word : words) CHECK(all.find(" " + word) != std::string::npos);
  CHECK(all.find(" 99 ") != std::string::npos);
  CHECK(all.find(" 1 ") != std::string::npos);
  CHECK(all.find(" 0 ") == std::string::npos);
}

TEST_CASE("The generator gives splitmix64's published numbers") {
  Prng prng(1234567);
  for (const std::uint64_t number :
       {6457827717110365317u, 3203168211198807973u, 9817491932198370423u, 4593380528125082431u,
        16408922859458223821u})
    CHECK(prng.next() == number);
}

TEST_CASE("A language file that lacks something is refused with its name and key") {
  const Folder folder;
  const std::string path = (folder.path / "language.json").string();
  using Catch::Matchers::Contains;
  const struct {
    const char* patch;
    const char* key;
    const char* expectation;
  } bad[] = {
      {R"({"fillers": null})", "fillers", "list of texts"},
      {R"({"fillers": []})", "fillers", "list of texts"},
      {R"({"facts": [""]})", "facts", "none of them empty"},
      {R"({"facts": ["The code of {key}."]})", "facts", "{key} and {value}"},
      {R"({"questions": ["Which?"]})", "questions", "{key}"},
      {R"({"answer": null})", "answer", "a text"},
      {R"({"answer": " {key}"})", "answer", "{value}"},
      {R"({"largest_number": 1000})", "largest_number", "1 to 999"},
      {R"({"words": null})", "words", "object"},
      {R"({"words": {"city": [3]}})", "words.city", "list of texts"},
      {R"({"words": {"key": ["amber", "topaz"]}})", "words.key", "at least 32"},
      {R"({"words": {"city": null}})", "fillers", "{city}"},
  };
  for (const auto& each : bad) {
    Json json = read_json_file(kLanguage);
    json.merge_patch(Json::parse(each.patch));
    std::ofstream(path) << json.dump();
    CAPTURE(each.patch);
    const std::string error = error_of(path);
    CHECK_THAT(error, Catch::Matchers::StartsWith(path + ": " + each.key + ": "));
    CHECK_THAT(error, Contains(each.expectation));
  }
  std::ofstream(path) << "{ not json";
  CHECK_THAT(error_of(path), Contains(path));
  CHECK_THAT(error_of((folder.path / "none.json").string()), Contains("none.json"));
}

TEST_CASE("An asset is found in POLYKV_ASSETS alone when that is set") {
  const Folder folder;
  std::ofstream(folder.path / "thing.txt") << "x";
  REQUIRE(setenv("POLYKV_ASSETS", folder.path.c_str(), 1) == 0);
  const std::string found = asset_path("thing.txt");
  std::string error;
  try {
    asset_path("needle-language.json");
  } catch (const Error& thrown) {
    error = thrown.what();
  }
  unsetenv("POLYKV_ASSETS");
  CHECK(found == (folder.path / "thing.txt").string());
  CHECK_THAT(error, Catch::Matchers::Contains("needle-language.json: ") &&
                        Catch::Matchers::Contains(folder.path.string()));
}

TEST_CASE("Without POLYKV_ASSETS the language is found and a wrong name is not") {
  unsetenv("POLYKV_ASSETS");
  CHECK(read_text_file(asset_path("needle-language.json")) == read_text_file(kLanguage));
  CHECK_THROWS_AS(asset_path("no-such-asset"), Error);
}
