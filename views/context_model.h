#pragma once
// What the context bar says, as words. Pure.
#include <string>
#include <vector>

#include "views/frame.h"

namespace polykv {

enum class CheckState { not_run, running, ok, failed };

struct ContextModel {
  std::string model;  // "tiny-needle", or "no model"
  bool embedded = false;
  Phase phase = Phase::prefill;  // of the band; policy and total are those of this phase
  std::string policy, code;      // "snapkv" "SN", or "mixed" when layers differ
  int total = 0;                 // tokens of the layers with a budget
  bool has_total = false;        // false: every layer is full, or there is no plan
  // "tokens = 6 × 64 = 6.75% = 192 KiB", and the shorter "tokens = 6.75% = 192 KiB"
  std::string equation, short_equation;
  std::string pill_word, pill_detail;
  CheckState check = CheckState::not_run;
  std::string check_word, check_short;   // "Engine check OK", "Engine OK"
  std::vector<std::string> check_lines;  // tool tip
};

// "62%, 8 s left", or what is going on: "Opening llama: 1.2 of 3.4 GiB, 8 s left".
std::string work_words(const WorkState& work);
ContextModel condense_context(const Snapshot& now, const Ui& ui);

// The layers whose policy a choice for all of them changes.
std::vector<int> unlocked_layers(const Plan& plan, const EditRules& rules);

}  // namespace polykv
