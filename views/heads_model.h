#pragma once
// What the heads panel shows, as plain numbers and words. Pure.
#include <string>
#include <vector>

#include "views/frame.h"

namespace polykv {

struct HeadCell {
  double value = 0, spread = 0;  // mean score and its standard error; NaN: the list only ranks
  int n = 0;                     // accepted runs
  bool over = false;             // passes the threshold
  bool votes = false;            // among the layer's best: compresskv asks it
  int rank = -1;                 // in its layer, 0 = best; -1 = the list does not say
};

struct HeadRow {
  std::vector<HeadCell> cells;  // per query head
};

struct MaskLine {
  std::string name, recall, nll;  // "12 heads masked", "0.94 [0.72, 0.99]", "0.31"
  Estimate estimate;              // of recall
};

struct HeadsModel {
  bool there = false;      // a list is known
  std::string missing;     // else: one sentence
  std::string action;      // "Find heads", or empty when it cannot be done now
  bool measuring = false;  // heads or masks, with `work` as words and `share` done
  std::string work;
  double share = 0;
  std::string stamp;    // "SRH, paper form, mean over 197 answers"
  std::string warning;  // few samples; empty = none
  int kv_group = 1;     // query heads per kv head
  double top = 0;       // largest mean; 0: every score is 0
  double threshold = 0;
  int over = 0;  // heads that pass it
  int votes = 0, most_votes = 0;
  bool votes_in_plan = false;     // some layer of the plan votes: the handle edits it
  std::string count;              // "12 heads, top 4 vote"
  std::vector<HeadRow> rows;      // per layer
  std::vector<HeadPlace> chosen;  // the heads over the threshold: what masking masks
  std::string mask_fault;         // why they cannot be masked; empty = they can
  std::vector<MaskLine> mask;     // none, chosen, random; empty until measured
  std::string mask_note;          // n, draws, on which cases; or that it is of other heads
};

HeadsModel condense_heads(const Snapshot& now, const Ui& ui);

// Layers of the prefill plan whose heads vote (compresskv), and the plan with another number of
// voters in all of them.
std::vector<int> voting_layers(const Plan& plan);
Plan with_votes(const Plan& plan, int votes);

// ".58", "1.2", "—": three characters at most below ten.
std::string head_text(double value);

}  // namespace polykv
