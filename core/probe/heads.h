#pragma once
// Which heads retrieve: SRH and TRH scores over a set of needle cases (compresskv.md, section 1).
#include <string>
#include <vector>

#include "core/model/model.h"
#include "core/probe/case.h"
#include "core/probe/head_list.h"

namespace polykv {

// When a greedy answer is right: its first tokens are the gold ones, or its text contains the gold
// text.
enum class AnswerScorer { exact, contains };
const char* to_string(AnswerScorer scorer);

struct HeadSettings {
  HeadForm form = HeadForm::paper;
  AnswerScorer scorer = AnswerScorer::exact;
  int max_tokens = 50;           // of an answer
  std::string source = "cases";  // where the cases come from, for messages and the list's settings
};

// Runs every case with the full cache. The answer ends as soon as it is right, at an end token,
// kAnswerSlack tokens behind the gold length, or at max_tokens; only right ones count. Span A of a
// case is its first needle, the fact asked for. A layer with a sliding window gives 0 to what its
// queries do not see. Throws an input Error for a case without needle or whose needle does not lie
// at its depth, and Error(failed) when no answer was right.
inline constexpr int kAnswerSlack = 8;
HeadList find_heads(const Model& model, const std::vector<Case>& cases,
                    const HeadSettings& settings, const Progress& progress = {},
                    const CancelFlag* cancel = nullptr);

}  // namespace polykv
