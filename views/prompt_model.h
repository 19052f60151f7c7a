#pragma once
// What the prompt panel says, condensed from the snapshot: words with their fate, and the answers.
#include <functional>
#include <string>
#include <vector>

#include "views/frame.h"

namespace polykv {

// Which tokens one layer keeps of the selected case: the preview cut while the plan in hand has no
// exact result, else the exact one. Tokens at or after the cut are always kept.
struct KeptTokens {
  bool known = false, preview = false, everything = false;
  int cut_tokens = 0;                         // tokens the cut looked at
  std::vector<std::vector<char>> by_head;     // (kv_heads, cut_tokens), 1 = kept
  bool kept(int position) const;              // by any kv head; true when not known
  int kept_by(int head, int position) const;  // position < cut_tokens
  int budget() const;                         // tokens kept per kv head (the largest of the heads)
};
KeptTokens kept_tokens(const Snapshot& now, const Ui& ui, int layer);

enum class WordState { unknown, kept, evicted };
enum class Mark { none, right, wrong };

struct PromptToken {
  int position = 0;
  std::string text;                     // without white space round it; may be empty
  bool space = false, newline = false;  // what stands before the text
  bool needle = false;                  // part of the fact asked for
  WordState state = WordState::unknown;
};

struct PromptModel {
  std::string empty;                // sentence of the empty state; the rest is unset then
  std::vector<std::string> stamps;  // the same said ever shorter; the first that fits is drawn
  std::vector<PromptToken> tokens;  // of the context
  std::string question, gold, answer, full_answer;
  Mark answer_mark = Mark::none, full_mark = Mark::none;
  std::string pending;  // "being rescored" or "stale" while the answer is not the plan's
  std::string span;     // "9 of 11 tokens in L3"
  bool span_whole = true;
};
PromptModel condense_prompt(const Snapshot& now, const Ui& ui);

// Sentence of the hover card: position, kept or evicted, and by which kv heads.
std::vector<std::string> describe_token(const Snapshot& now, const Ui& ui, int position);

// A token's place in the flow: line number, and x and width in pixels.
struct PromptPiece {
  int token = 0, line = 0;
  float x = 0, width = 0;
};
struct PromptFlow {
  std::vector<PromptPiece> pieces;  // in reading order
  int lines = 0;
  int needle_first = -1, needle_last = -1;  // lines the needle covers; -1 = no needle
};
using Measure = std::function<float(const std::string& text, bool strong)>;
// Breaks lines between words; a word wider than the line starts a line and breaks between tokens.
PromptFlow flow_prompt(const std::vector<PromptToken>& tokens, float width, const Measure& measure);

// First visible line so that the needle is in sight: about a third of the view stands above it.
int line_showing_needle(const PromptFlow& flow, int visible_lines);

}  // namespace polykv
