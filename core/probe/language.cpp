#include "core/probe/language.h"

#include <cctype>
#include <functional>
#include <set>

#include "core/error.h"
#include "core/files.h"

namespace polykv {
namespace {

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }
char upper(char c) { return static_cast<char>(std::toupper(static_cast<unsigned char>(c))); }

// Replaces every "{slot}" by word(slot); "{Slot}" becomes the word with a capital.
std::string replace_slots(const std::string& pattern,
                          const std::function<std::string(const std::string&)>& word) {
  std::string text;
  std::size_t at = 0;
  while (true) {
    const std::size_t open = pattern.find('{', at);
    const std::size_t close = pattern.find('}', open);
    if (open == std::string::npos || close == std::string::npos) return text + pattern.substr(at);
    text += pattern.substr(at, open - at);
    std::string slot = pattern.substr(open + 1, close - open - 1);
    const bool capital = !slot.empty() && std::isupper(static_cast<unsigned char>(slot[0]));
    if (capital) slot[0] = lower(slot[0]);
    std::string put = word(slot);
    if (capital && !put.empty()) put[0] = upper(put[0]);
    text += put;
    at = close + 1;
  }
}

std::vector<std::string> slots_of(const std::string& pattern) {
  std::vector<std::string> slots;
  replace_slots(pattern, [&](const std::string& slot) {
    slots.push_back(slot);
    return std::string();
  });
  return slots;
}

// A list of texts, none of them empty.
std::vector<std::string> text_list(const Json& parent, const std::string& name,
                                   const std::string& key, const std::string& path) {
  const auto list = parent.find(name);
  const char* expectation = "must be a list of texts, none of them empty";
  if (list == parent.end() || !list->is_array() || list->empty())
    fail_input(path, key, expectation);
  std::vector<std::string> texts;
  for (const Json& text : *list) {
    if (!text.is_string() || text.get_ref<const std::string&>().empty())
      fail_input(path, key, expectation);
    texts.push_back(text.get<std::string>());
  }
  return texts;
}

// Every pattern uses exactly the slots wanted.
void require_slots(const std::vector<std::string>& patterns, const std::set<std::string>& wanted,
                   const std::string& key, const std::string& path) {
  for (const std::string& pattern : patterns) {
    const std::vector<std::string> slots = slots_of(pattern);
    if (std::set<std::string>(slots.begin(), slots.end()) == wanted) continue;
    std::string names;
    for (const std::string& slot : wanted) names += (names.empty() ? "{" : " and {") + slot + "}";
    fail_input(path, key, "each must use " + names + " and no other slot");
  }
}

}  // namespace

std::uint64_t Prng::next() {
  std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

int Prng::below(int n) {
  return static_cast<int>(((next() >> 32) * static_cast<std::uint64_t>(n)) >> 32);
}

Language read_language(const std::string& path) {
  const Json file = read_json_file(path);
  if (!file.is_object()) fail_input(path, "", "must be a JSON object");
  Language language;
  language.fillers = text_list(file, "fillers", "fillers", path);
  language.facts = text_list(file, "facts", "facts", path);
  language.questions = text_list(file, "questions", "questions", path);
  const auto answer = file.find("answer");
  if (answer == file.end() || !answer->is_string()) fail_input(path, "answer", "must be a text");
  language.answer = answer->get<std::string>();
  const auto largest = file.find("largest_number");
  if (largest == file.end() || !largest->is_number_integer() || *largest < 1 || *largest > 999)
    fail_input(path, "largest_number", "must be a whole number from 1 to 999");
  language.largest_number = largest->get<int>();

  const auto words = file.find("words");
  if (words == file.end() || !words->is_object())
    fail_input(path, "words", "must be an object of word lists");
  for (const auto& [name, list] : words->items())
    language.words[name] = text_list(*words, name, "words." + name, path);

  const std::vector<std::string> keys = text_list(*words, "key", "words.key", path);
  if (std::set<std::string>(keys.begin(), keys.end()).size() != keys.size() ||
      keys.size() < kMostKeys)
    fail_input(path, "words.key",
               "must be at least " + std::to_string(kMostKeys) + " different words");
  require_slots(language.facts, {"key", "value"}, "facts", path);
  require_slots(language.questions, {"key"}, "questions", path);
  require_slots({language.answer}, {"value"}, "answer", path);
  for (const std::string& filler : language.fillers) {
    for (const std::string& slot : slots_of(filler)) {
      if (slot != "number" && !language.words.contains(slot))
        fail_input(path, "fillers", "\"" + filler + "\" uses {" + slot + "}, which words lacks");
    }
  }
  return language;
}

std::string draw_filler(const Language& language, Prng& prng) {
  const int which = prng.below(static_cast<int>(language.fillers.size()));
  return replace_slots(language.fillers[which], [&](const std::string& slot) {
    if (slot == "number") return std::to_string(1 + prng.below(language.largest_number));
    const std::vector<std::string>& words = language.words.at(slot);
    return words[prng.below(static_cast<int>(words.size()))];
  });
}

std::string put_in(const std::string& pattern, const std::string& key, const std::string& value) {
  return replace_slots(pattern,
                       [&](const std::string& slot) { return slot == "key" ? key : value; });
}

}  // namespace polykv
