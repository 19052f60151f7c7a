#pragma once
// What the bottom band shows, as plain numbers. Pure: no drawing, no ImGui.
#include <optional>
#include <string>
#include <vector>

#include "views/frame.h"

namespace polykv {

struct BandLayer {
  std::string policy, code;  // "snapkv", "SN"
  bool full = false;         // no budget: everything is kept
  bool locked = false, selected = false;
  int budget = 0;            // tokens per kv head
  int old_budget = -1;       // before the running drag; -1 = unchanged or no drag
  int protected_tokens = 0;  // of this budget, kept whatever their score
  int floor = 1;             // the hand does not drag below this
  std::string floor_reason;  // "snapkv always keeps its last 8 tokens"
  double share = 0;          // of the tokens the cut looks at
  double bytes = 0;          // of this layer, all kv heads
  double kept_mass = 0;      // NaN = not known
  bool kept_mass_is_exact = false;
};

struct BandModel {
  bool editable = false;  // false: no plan
  bool dragging = false;
  int cap = 0;        // phase_tokens; 0 = no case yet
  int scale_top = 0;  // tokens at the top of the bars
  int total = 0;
  std::string stamp, note;  // note: one line in place of the bars' hint, may be empty
  std::vector<BandLayer> layers;
};

BandModel condense_band(const Snapshot& now, const Ui& ui);

// Tokens the cut looks at under this plan: the longest context of the cases, with the question when
// it is visible; without cases the model's positions; 0 without a model.
int cut_tokens(const Snapshot& now, const Plan& plan);
// The most tokens a layer can hold in a phase: those of the cut; while decoding those and what is
// fed after it.
int phase_tokens(const Snapshot& now, const Plan& plan, Phase phase);
EditRules band_rules(const Snapshot& now, const Ui& ui);

// Top of the scale for the largest budget: 32, 64, 128, ... with some room, never above cap.
int scale_top_for(int largest, int cap);

// "96", "10%", "48 KiB" to tokens; a bare number is in `unit` (0 tok, 1 %, 2 KiB). None when it is
// not a number or below one token.
std::optional<int> parse_budget(const std::string& text, int unit, int cap, double bytes_per_token);

// The large and the two small lines of a layer's value in the order of `unit`.
std::vector<std::string> value_lines(const BandLayer& layer, int unit);

}  // namespace polykv
