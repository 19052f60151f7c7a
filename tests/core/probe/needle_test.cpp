#include "core/probe/needle.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>

#include "core/error.h"
#include "core/files.h"

using namespace polykv;

namespace {

const std::string kModel = POLYKV_SOURCE "/assets/tiny-needle";

std::string text_of(const Tokenizer& tokenizer, const std::vector<int>& ids) {
  return tokenizer.decode(ids, /*skip_special=*/true);
}

std::string span_text(const Tokenizer& tokenizer, const Case& made, Span span) {
  const std::string text = tokenizer.decode(
      std::span(made.context).subspan(span.first, span.last - span.first + 1), true);
  return text.substr(text.find_first_not_of(' '));
}

// The key the question asks for, from its last words "The code of KEY is".
std::string asked_key(const Tokenizer& tokenizer, const Case& made) {
  const std::string question = text_of(tokenizer, made.question);
  std::smatch match;
  REQUIRE(std::regex_search(question, match, std::regex("Answer: The code of (\\w+) is$")));
  return match[1];
}

// Every fact of a text, in order: key and value. Written here from the language's description.
std::vector<std::pair<std::string, std::string>> facts_in(const std::string& text) {
  const std::regex fact("code (?:of|for) (\\w+) is (\\d{4})\\.");
  std::vector<std::pair<std::string, std::string>> facts;
  for (std::sregex_iterator it(text.begin(), text.end(), fact), end; it != end; ++it)
    facts.emplace_back((*it)[1], (*it)[2]);
  return facts;
}

std::string error_of(const NeedleSettings& settings, const Tokenizer& tokenizer) {
  try {
    make_needle_case(settings, tokenizer);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::input);
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("A needle case is as long as asked within 24 tokens and never longer") {
  const Tokenizer tokenizer = Tokenizer::read(kModel);
  for (const int tokens : {64, 101, 128, 256, 433, 950, 1024, 2000}) {
    for (const int keys : {1, 4}) {
      for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        for (const double depth : {0.0, 0.3, 1.0}) {
          const Case made = make_needle_case({tokens, depth, keys, seed}, tokenizer);
          CAPTURE(tokens, keys, seed, depth, made.context.size());
          CHECK(static_cast<int>(made.context.size()) <= tokens);
          CHECK(static_cast<int>(made.context.size()) > tokens - 24);
        }
      }
    }
  }
}

TEST_CASE("Every span of a needle case reads as its fact, and the asked fact stands there once") {
  const Tokenizer tokenizer = Tokenizer::read(kModel);
  const std::regex whole_fact("(The|Note that the|Remember: the) code (of|for) \\w+ is \\d{4}\\.");
  for (const int keys : {1, 2, 4, 16, 32}) {
    // Two of 32 values drawn blindly are equal in one case of twenty.
    for (const Case& made :
         make_needle_cases(keys == 32 ? 100 : 10, {500, 0, keys, 40}, tokenizer)) {
      CAPTURE(keys, made.seed);
      REQUIRE(static_cast<int>(made.needles.size()) == keys);
      for (const Span& span : made.needles)
        CHECK(std::regex_match(span_text(tokenizer, made, span), whole_fact));

      const std::string key = asked_key(tokenizer, made);
      const std::string answer = text_of(tokenizer, made.answer);
      REQUIRE(std::regex_match(answer, std::regex(" \\d{4}")));
      const std::string value = answer.substr(1);
      const auto asked = facts_in(span_text(tokenizer, made, made.needles[0]));
      REQUIRE(asked.size() == 1);
      CHECK(asked[0] == std::pair(key, value));

      const auto all = facts_in(text_of(tokenizer, made.context));
      CHECK(static_cast<int>(all.size()) == keys);
      std::set<std::string> all_keys, all_values;
      for (const auto& [one_key, one_value] : all) {
        all_keys.insert(one_key);
        all_values.insert(one_value);
      }
      CHECK(static_cast<int>(all_keys.size()) == keys);
      CHECK(static_cast<int>(all_values.size()) == keys);
      CHECK(made.task == (keys == 1 ? "single" : "multikey"));
    }
  }
}

TEST_CASE("The asked fact lies at the wanted depth, first at 0 and last at 1") {
  const Tokenizer tokenizer = Tokenizer::read(kModel);
  for (const double depth : {0.0, 0.1, 0.25, 0.5, 0.66, 0.75, 1.0}) {
    for (const int keys : {1, 8}) {
      for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        const Case made = make_needle_case({450, depth, keys, seed}, tokenizer);
        const Span asked = made.needles[0];
        const int fact = asked.last - asked.first + 1;
        const int others = static_cast<int>(made.context.size()) - 1 - fact;  // 1 = BOS
        CAPTURE(depth, keys, seed, asked.first, others);
        CHECK(std::abs(double(asked.first - 1) / others - depth) <= 0.05);
        if (depth == 0) CHECK(asked.first == 1);
        if (depth == 1) CHECK(asked.last == static_cast<int>(made.context.size()) - 1);
      }
    }
  }
}

TEST_CASE("The same settings make the same case and each setting changes it") {
  const Tokenizer tokenizer = Tokenizer::read(kModel);
  const NeedleSettings settings{500, 0.5, 4, 7};
  const Case one = make_needle_case(settings, tokenizer);
  const Case again = make_needle_case(settings, tokenizer);
  CHECK(one.context == again.context);
  CHECK(one.question == again.question);
  CHECK(one.answer == again.answer);
  CHECK(one.needles == again.needles);
  for (const NeedleSettings other :
       {NeedleSettings{500, 0.5, 4, 8}, NeedleSettings{500, 0.0, 4, 7},
        NeedleSettings{500, 0.5, 5, 7}, NeedleSettings{400, 0.5, 4, 7}})
    CHECK(make_needle_case(other, tokenizer).context != one.context);

  std::set<std::vector<int>> contexts;
  for (std::uint64_t seed = 1; seed <= 50; ++seed)
    contexts.insert(make_needle_case({500, 0.5, 4, seed}, tokenizer).context);
  CHECK(contexts.size() == 50);
}

TEST_CASE("A set of needle cases walks through the depths and counts the seeds up") {
  const Tokenizer tokenizer = Tokenizer::read(kModel);
  const std::vector<Case> cases = make_needle_cases(7, {200, 0.9, 2, 11}, tokenizer);
  REQUIRE(cases.size() == 7);
  const double depths[] = {0, 0.25, 0.5, 0.75, 1, 0, 0.25};
  for (int i = 0; i < 7; ++i) {
    CHECK(cases[i].depth == depths[i]);
    CHECK(cases[i].seed == 11u + i);
    CHECK(cases[i].keys == 2);
    const NeedleSettings alone{200, depths[i], 2, 11u + i};
    CHECK(cases[i].context == make_needle_case(alone, tokenizer).context);
  }
}

TEST_CASE("Joined sentence ids equal the ids of the whole text") {
  const Tokenizer tokenizer = Tokenizer::read(kModel);
  for (const Case& made : make_needle_cases(20, {700, 0, 4, 100}, tokenizer)) {
    const std::string text = text_of(tokenizer, made.context);
    CHECK((text[0] >= 'A' && text[0] <= 'Z'));
    CHECK(tokenizer.encode(text, /*add_special=*/true) == made.context);
    CHECK(made.context[0] == tokenizer.id_of("<|begin_of_text|>"));
    const std::string rest = text_of(tokenizer, made.question) + text_of(tokenizer, made.answer);
    std::vector<int> ids = made.question;
    ids.insert(ids.end(), made.answer.begin(), made.answer.end());
    CHECK(tokenizer.encode(rest, false) == ids);
  }
}

TEST_CASE("All 89 keys and all four fact and question wordings come up") {
  const Tokenizer tokenizer = Tokenizer::read(kModel);
  std::set<std::string> keys;
  std::map<std::string, int> leads, questions;
  for (const Case& made : make_needle_cases(1200, {30, 0, 1, 1}, tokenizer)) {
    const std::string key = asked_key(tokenizer, made);
    keys.insert(key);
    std::string lead = span_text(tokenizer, made, made.needles[0]);
    ++leads[lead.substr(0, lead.find(" " + key))];
    const std::string question = text_of(tokenizer, made.question);
    ++questions[std::regex_replace(question, std::regex(key), "KEY")];
  }
  CHECK(keys.size() == 89);
  CHECK(leads.size() == 4);
  CHECK(questions.size() == 4);
  for (const auto& [lead, count] : leads) CHECK(count > 240);  // 300 expected, deviation 15
  for (const auto& [question, count] : questions) CHECK(count > 240);
}

TEST_CASE("Needle settings that cannot be met are refused in one sentence") {
  const Tokenizer tokenizer = Tokenizer::read(kModel);
  using Catch::Matchers::Contains;
  CHECK_THAT(error_of({20, 0.5, 4, 1}, tokenizer), Contains("20 cannot hold the 4 facts"));
  CHECK_THAT(error_of({0, 0.5, 1, 1}, tokenizer), Contains("context tokens"));
  CHECK_THAT(error_of({-5, 0.5, 1, 1}, tokenizer), Contains("context tokens"));
  CHECK_THAT(error_of({2000000000, 0.5, 1, 1}, tokenizer), Contains("context tokens"));
  CHECK_THAT(error_of({500, -0.1, 4, 1}, tokenizer), Contains("depth"));
  CHECK_THAT(error_of({500, 1.1, 4, 1}, tokenizer), Contains("depth"));
  CHECK_THAT(error_of({500, std::nan(""), 4, 1}, tokenizer), Contains("depth"));
  CHECK_THAT(error_of({500, 0.5, 0, 1}, tokenizer), Contains("keys"));
  CHECK_THAT(error_of({500, 0.5, 33, 1}, tokenizer), Contains("keys"));
}

TEST_CASE("A first word that takes more tokens without its leading space keeps the length") {
  // The embedded model's tokenizer without the merges that build words starting with a capital:
  // "Maria" falls apart, " Maria" stays whole where it is built from " M".
  Json json = read_json_file(kModel + "/tokenizer.json");
  Json merges = Json::array();
  for (const Json& merge : json["model"]["merges"]) {
    const std::string left =
        merge.is_array() ? merge[0].get<std::string>() : merge.get<std::string>();
    if (left[0] < 'A' || left[0] > 'Z') merges.push_back(merge);
  }
  json["model"]["merges"] = merges;
  std::string folder = (std::filesystem::temp_directory_path() / "polykv-needle-XXXXXX").string();
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  std::ofstream(folder + "/tokenizer.json") << json.dump();
  const Tokenizer tokenizer = Tokenizer::read(folder);
  std::filesystem::remove_all(folder);
  REQUIRE(tokenizer.encode("Maria", false).size() >
          tokenizer.encode(" Maria", false).size());  // else this test says nothing

  for (int tokens = 100; tokens < 140; ++tokens) {
    const Case made = make_needle_case({tokens, 1, 1, 5}, tokenizer);
    CAPTURE(tokens);
    CHECK(static_cast<int>(made.context.size()) <= tokens);
    CHECK(static_cast<int>(made.context.size()) > tokens - 40);  // words are longer here
    CHECK(tokenizer.encode(text_of(tokenizer, made.context), true) == made.context);
  }
}

TEST_CASE("Facts alone fill a context that is just long enough for them") {
  const Tokenizer tokenizer = Tokenizer::read(kModel);
  int shortest = 0;
  for (int tokens = 8; tokens < 60; ++tokens) {
    const NeedleSettings settings{tokens, 0.5, 3, 5};
    const std::string error = error_of(settings, tokenizer);
    CAPTURE(tokens, error);
    if (!error.empty()) {
      CHECK(shortest == 0);  // once the facts fit they fit every longer context
      CHECK_THAT(error, Catch::Matchers::Contains("cannot hold the 3 facts"));
      continue;
    }
    if (shortest == 0) shortest = tokens;
    const Case made = make_needle_case(settings, tokenizer);
    CHECK(static_cast<int>(made.context.size()) <= tokens);
    if (tokens == shortest) CHECK(static_cast<int>(made.context.size()) == tokens);
    CHECK(facts_in(text_of(tokenizer, made.context)).size() == 3);
  }
  CHECK(shortest >= 1 + 3 * 11);  // BOS and facts of 11 or 13 tokens
  CHECK(shortest <= 1 + 3 * 13);
}
