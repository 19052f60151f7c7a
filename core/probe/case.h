#pragma once
// A case: context, question and gold answer as token ids, with the needles' places. JSON lines.
#include <cstdint>
#include <string>
#include <vector>

#include "core/model/tokenizer.h"

namespace polykv {

struct Span {
  int first = 0, last = 0;  // inclusive token positions in the context
  bool operator==(const Span&) const = default;
};

struct Case {
  std::vector<int> context, question,
      answer;                 // context starts with BOS where the tokenizer adds one
  std::vector<Span> needles;  // the fact asked for comes first
  std::string task = "single";
  double depth = 0;  // wanted place of the asked fact: 0 = first, 1 = last
  int keys = 1;
  std::uint64_t seed = 0;
};

// Where the asked fact really lies: the share of the context's other tokens that stand before it.
// needles must not be empty.
double realised_depth(const Case& each);

// Reads JSON lines of cli.md; context, question and answer are text or id arrays; without
// "depth" it is the realised one. Throws an input Error naming file, line and key: empty parts, ids
// outside the vocabulary, spans outside the context.
std::vector<Case> read_cases(const std::string& path, const Tokenizer& tokenizer);
// "sha256:..." of the token ids of all parts, in order.
std::string case_set_fingerprint(const std::vector<Case>& cases);
// With text and token ids' round trip checked; written atomically.
void write_cases(const std::string& path, const std::vector<Case>& cases,
                 const Tokenizer& tokenizer);

}  // namespace polykv
