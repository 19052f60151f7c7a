#include "core/model/tokenizer_pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <cctype>
#include <cstdint>

#include "core/error.h"
#include "core/model/unicode.h"

namespace polykv::tok {
namespace {

// \s and \w as Oniguruma has them; PCRE2's \s also takes U+180E and its \w leaves out marks.
constexpr const char* kSpace = "\\p{Z}\\x{09}-\\x{0D}\\x{85}";
constexpr const char* kWord =
    "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}"
    "\\x{24B6}-\\x{24E9}\\x{1F130}-\\x{1F149}\\x{1F150}-\\x{1F169}\\x{1F170}-\\x{1F189}";
// Outside of a class \w also takes the raised digits and the fractions of Latin-1.
constexpr const char* kWordAlone = "\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}";

// [:name:] as Oniguruma has it; the others are refused.
constexpr struct {
  const char *name, *set;
} kPosix[] = {{"[:alpha:]", "\\p{Alphabetic}"},
              {"[:alnum:]", "\\p{Alphabetic}\\p{Nd}"},
              {"[:upper:]", "\\p{Uppercase}"},
              {"[:lower:]", "\\p{Lowercase}"},
              {"[:punct:]", "\\p{P}\\p{S}"},
              {"[:digit:]", "\\p{Nd}"},
              {"[:space:]", kSpace},
              {"[:word:]", kWord},
              {"[:cntrl:]", "\\p{Cc}"},
              {"[:xdigit:]", "0-9A-Fa-f"},
              {"[:blank:]", "\\p{Zs}\\x{09}"}};

// A counted repeat ("{1,3}") followed by "+": possessive for PCRE2, a repeat of it for Oniguruma.
bool is_count_then_plus(std::string_view text, std::size_t at) {
  std::size_t end = at + 1;
  while (end < text.size() &&
         (std::isdigit(static_cast<unsigned char>(text[end])) != 0 || text[end] == ',')) {
    ++end;
  }
  return end > at + 1 && end + 1 < text.size() && text[end] == '}' && text[end + 1] == '+';
}

// Rewrites what the two engines read differently; `refuse` is called for what cannot be rewritten.
template <typename Refuse>
std::string to_pcre2(std::string_view text, const Refuse& refuse) {
  std::string out;
  bool in_class = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const std::string_view rest = text.substr(i + 1);
    if (c == '\\' && !rest.empty()) {
      const char escaped = rest[0];
      const bool space = escaped == 's' || escaped == 'S', word = escaped == 'w' || escaped == 'W';
      const bool negated = escaped == 'S' || escaped == 'W';
      if (std::string_view("hHbBGKX").find(escaped) != std::string_view::npos ||
          (in_class && escaped == 'W')) {
        refuse(std::string("\\") + escaped);
      }
      if ((space || word) && !(in_class && negated)) {
        std::string set = space ? kSpace : kWord;
        if (word && !in_class) set += kWordAlone;
        out += in_class ? set : (negated ? "[^" : "[") + set + "]";
      } else {
        out += {c, escaped};  // \S inside a class stays: it differs for U+180E alone
      }
      ++i;
      continue;
    }
    if (in_class) {
      if (c == '&' && rest.starts_with('&')) refuse("&& in a class");
      if (c == '[') {
        const auto end = text.find(":]", i);
        if (!rest.starts_with(':') || end == std::string_view::npos) refuse("a class in a class");
        const std::string_view name = text.substr(i, end + 2 - i);
        const auto* known = std::find_if(std::begin(kPosix), std::end(kPosix),
                                         [&](const auto& one) { return name == one.name; });
        if (known == std::end(kPosix)) refuse(std::string(name));
        out += known->set;
        i = end + 1;
        continue;
      }
      in_class = c != ']';
    } else if (c == '[') {
      in_class = true;
    } else if (c == '{' && is_count_then_plus(text, i)) {
      refuse("{..}+");
    }
    out += c;
  }
  return out;
}

}  // namespace

// Steps of real tokenizers make a text a few times longer. A chain of steps that each multiply it
// would end the memory.
std::size_t most_bytes(std::size_t text_bytes) { return 64 * text_bytes + (1u << 20); }

void fail_growth() {
  fail_input("text", "", "the steps of tokenizer.json make it grow more than 64 times");
}

Pattern Pattern::literal(std::string text) {
  Pattern pattern;
  pattern.literal_ = std::move(text);
  return pattern;
}

Pattern Pattern::regex(std::string_view expression, const std::string& file,
                       const std::string& key) {
  const std::string rewritten = to_pcre2(expression, [&](const std::string& what) {
    fail_input(file, key, "the regular expression uses " + what + ", which is not supported");
  });
  int error = 0;
  PCRE2_SIZE offset = 0;
  // MULTILINE: ^ and $ match at line breaks in Oniguruma's default syntax.
  pcre2_code* code = pcre2_compile(
      reinterpret_cast<PCRE2_SPTR>(rewritten.data()), rewritten.size(),
      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr);
  if (code == nullptr) {
    PCRE2_UCHAR message[256] = {};
    pcre2_get_error_message(error, message, sizeof message);
    fail_input(file, key,
               "expected a regular expression that compiles, found \"" + std::string(expression) +
                   "\" (" + reinterpret_cast<const char*>(message) + ")");
  }
  Pattern pattern;
  pattern.code_ = std::shared_ptr<const pcre2_real_code_8>(
      code, [](const pcre2_real_code_8* old) { pcre2_code_free(const_cast<pcre2_code*>(old)); });
  // Without a compiler for this machine PCRE2 interprets: slower, the same matches.
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
  return pattern;
}

std::vector<Match> Pattern::find(std::string_view text) const {
  std::vector<Match> matches;
  if (!code_) {
    if (literal_.empty()) return matches;
    for (auto at = text.find(literal_); at != std::string_view::npos;
         at = text.find(literal_, at + literal_.size())) {
      matches.push_back({at, at + literal_.size()});
    }
    return matches;
  }
  // The match data is this call's own, so that threads can share the pattern.
  const std::unique_ptr<pcre2_match_data, void (*)(pcre2_match_data*)> data(
      pcre2_match_data_create(1, nullptr), pcre2_match_data_free);
  const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  std::size_t from = 0, last_end = std::string_view::npos;
  while (from <= text.size()) {
    const auto match = [&](std::uint32_t options) {
      return pcre2_match(code_.get(), subject, text.size(), from, options, data.get(), nullptr);
    };
    int found = match(PCRE2_NO_UTF_CHECK);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT) found = match(PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT);
    if (found == PCRE2_ERROR_NOMATCH) break;
    if (found < 0) {
      PCRE2_UCHAR message[256] = {};
      pcre2_get_error_message(found, message, sizeof message);
      fail_input("text", "byte " + std::to_string(from),
                 std::string("the tokenizer's regular expression gave up (") +
                     reinterpret_cast<const char*>(message) + ")");
    }
    const PCRE2_SIZE* span = pcre2_get_ovector_pointer(data.get());
    if (span[0] == span[1] && span[1] == last_end) {
      // An empty match right behind the last one would repeat for ever.
      from += from < text.size() ? unicode::step(text, from).bytes : 1;
      continue;
    }
    matches.push_back({span[0], span[1]});
    from = last_end = span[1];
  }
  return matches;
}

std::string Pattern::replace(std::string_view text, std::string_view content) const {
  const std::size_t most = most_bytes(text.size());
  std::string out;
  std::size_t from = 0;
  for (const Match& match : find(text)) {
    out.append(text, from, match.begin - from);
    out.append(content);
    if (out.size() > most) fail_growth();
    from = match.end;
  }
  out.append(text, from);
  return out;
}

}  // namespace polykv::tok
