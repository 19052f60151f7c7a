#include "core/probe/needle.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <set>
#include <string>

#include "core/assets.h"
#include "core/error.h"
#include "core/probe/language.h"

namespace polykv {
namespace {

constexpr int kMostTokens = 1 << 20;

struct Fact {
  std::string key, value, text;
};

// The asked fact first: different keys, different values of four digits.
std::vector<Fact> draw_facts(int count, const Language& language, Prng& prng) {
  std::vector<std::string> keys = language.keys();
  std::set<std::string> values;
  std::vector<Fact> facts;
  for (int i = 0; i < count; ++i) {
    Fact fact;
    std::swap(keys[i], keys[i + prng.below(static_cast<int>(keys.size()) - i)]);
    fact.key = keys[i];
    do {
      fact.value.clear();
      for (int digit = 0; digit < 4; ++digit) fact.value += static_cast<char>('0' + prng.below(10));
    } while (!values.insert(fact.value).second);
    const std::string& form = language.facts[prng.below(static_cast<int>(language.facts.size()))];
    fact.text = put_in(form, fact.key, fact.value);
    facts.push_back(fact);
  }
  return facts;
}

// What the tokenizer's template puts before a text: BOS, or nothing.
std::vector<int> opening_ids(const Tokenizer& tokenizer) {
  const std::vector<int> all = tokenizer.encode("The", true);
  const std::vector<int> bare = tokenizer.encode("The", false);
  return {all.begin(), std::search(all.begin(), all.end(), bare.begin(), bare.end())};
}

struct Sentence {
  std::string text;
  int fact = -1;   // index of the fact it states, -1 for filler
  int tokens = 0;  // with its leading space
};

// One list of sentences: distractors at random gaps of the filler, the asked fact (index 0) where
// the tokens before it come nearest to depth x all others. Several facts may share a gap.
std::vector<Sentence> arrange(const std::vector<Sentence>& filler, std::vector<Sentence> facts,
                              const std::vector<double>& gaps, double depth) {
  std::vector<Sentence> order = filler;
  // From the last gap to the first, so that the places of the gaps before stay what they are.
  std::vector<int> by_gap(facts.size() - 1);
  std::iota(by_gap.begin(), by_gap.end(), 1);
  std::stable_sort(by_gap.begin(), by_gap.end(), [&](int a, int b) { return gaps[a] > gaps[b]; });
  for (int fact : by_gap)
    order.insert(order.begin() + static_cast<int>(gaps[fact] * (filler.size() + 1)), facts[fact]);

  int total = 0;
  for (const Sentence& sentence : order) total += sentence.tokens;
  std::size_t place = 0;
  int before = 0;
  double nearest = depth * total;
  for (std::size_t i = 0; i < order.size(); ++i) {
    before += order[i].tokens;
    const double distance = std::abs(before - depth * total);
    if (distance >= nearest) continue;
    nearest = distance;
    place = i + 1;
  }
  order.insert(order.begin() + place, facts[0]);
  return order;
}

// Encodes the sentences one by one: the first without, the others with a leading space.
void encode_context(const std::vector<Sentence>& order, std::size_t facts,
                    const std::vector<int>& opening, const Tokenizer& tokenizer, Case& made) {
  made.context = opening;
  made.needles.assign(facts, Span{});
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::vector<int> ids =
        tokenizer.encode((i == 0 ? "" : " ") + order[i].text, /*add_special=*/false);
    const int first = static_cast<int>(made.context.size());
    made.context.insert(made.context.end(), ids.begin(), ids.end());
    if (order[i].fact >= 0)
      made.needles[order[i].fact] = {first, static_cast<int>(made.context.size()) - 1};
  }
}

Case make_case(const NeedleSettings& settings, const Tokenizer& tokenizer,
               const Language& language) {
  if (!(settings.depth >= 0 && settings.depth <= 1))
    fail_input("", "depth", "must be a number from 0 to 1");
  if (settings.keys < 1 || settings.keys > kMostKeys)
    fail_input("", "keys", "must be a whole number from 1 to " + std::to_string(kMostKeys));

  if (settings.context_tokens > kMostTokens)
    fail_input("", "context tokens", "must be at most " + std::to_string(kMostTokens));

  Prng prng(settings.seed);
  const std::vector<Fact> facts = draw_facts(settings.keys, language, prng);
  const std::string& question =
      language.questions[prng.below(static_cast<int>(language.questions.size()))];
  std::vector<double> gaps;  // in [0, 1) of the filler, so that they hold for any amount of it
  for (int i = 0; i < settings.keys; ++i) gaps.push_back(prng.below(1 << 20) / double(1 << 20));

  const auto sentence = [&](const std::string& text, int fact) {
    const std::size_t tokens = tokenizer.encode(" " + text, false).size();
    return Sentence{text, fact, static_cast<int>(tokens)};
  };
  const std::vector<int> opening = opening_ids(tokenizer);
  std::vector<Sentence> fact_sentences;
  int length = static_cast<int>(opening.size());
  for (int i = 0; i < settings.keys; ++i) {
    fact_sentences.push_back(sentence(facts[i].text, i));
    length += fact_sentences.back().tokens;
  }
  const int needed = length;

  std::vector<Sentence> filler;
  while (length <= settings.context_tokens) {
    filler.push_back(sentence(draw_filler(language, prng), -1));
    length += filler.back().tokens;
  }

  Case made;
  made.task = settings.keys == 1 ? "single" : "multikey";
  made.depth = settings.depth;
  made.keys = settings.keys;
  made.seed = settings.seed;
  made.question = tokenizer.encode(put_in(question, facts[0].key, ""), false);
  made.answer = tokenizer.encode(put_in(language.answer, "", facts[0].value), false);
  // The last filler is too much, and the first sentence, without its leading space, may take more
  // tokens than counted: drop filler until the ids fit.
  do {
    if (filler.empty())
      fail_input("", "context tokens",
                 std::to_string(settings.context_tokens) + " cannot hold the " +
                     std::to_string(settings.keys) + " facts of seed " +
                     std::to_string(settings.seed) + ", which take about " +
                     std::to_string(needed));
    filler.pop_back();
    encode_context(arrange(filler, fact_sentences, gaps, settings.depth), facts.size(), opening,
                   tokenizer, made);
  } while (static_cast<int>(made.context.size()) > settings.context_tokens);
  return made;
}

}  // namespace

Case make_needle_case(const NeedleSettings& settings, const Tokenizer& tokenizer) {
  return make_case(settings, tokenizer, read_language(asset_path("needle-language.json")));
}

std::vector<Case> make_needle_cases(int n, const NeedleSettings& like, const Tokenizer& tokenizer) {
  const Language language = read_language(asset_path("needle-language.json"));
  std::vector<Case> cases;
  for (int i = 0; i < n; ++i) {
    NeedleSettings settings = like;
    settings.depth = 0.25 * (i % 5);
    settings.seed = like.seed + static_cast<std::uint64_t>(i);
    cases.push_back(make_case(settings, tokenizer, language));
  }
  return cases;
}

}  // namespace polykv
