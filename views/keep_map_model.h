#pragma once
// What one layer keeps of the looked-at case, as it is drawn: from the instant proxy while an edit
// waits for its exact score, else from the last exact score. Pure; no ImGui.
#include <span>
#include <string>
#include <vector>

#include "core/policies/policy.h"
#include "views/frame.h"
#include "views/heatmap_model.h"

namespace polykv {

// Borrows the positions from the snapshot or the ui: valid for one frame.
struct LayerCut {
  int layer = 0, tokens = 0;  // tokens = whole sequence of the case
  int cut = 0;                // tokens the cut looked at; later ones were added, all kept
  bool everything = true;     // no token was evicted
  bool preview = false;
  std::vector<std::span<const int>> heads;  // kept positions per kv head, ascending; empty = all
  LayerChoice choice;
  Protected guard;        // positions [0, sink) and [cut - recent, cut) are kept by rule
  double kept_mass = -1;  // < 0 = not known

  bool kept(int kv_head, int token) const;
  int kept_count(int kv_head) const;  // of the tokens the cut looked at
  bool heads_differ() const;
  bool is_sink(int token) const { return token < guard.sink; }
  bool is_recent(int token) const { return token >= cut - guard.recent && token < cut; }
};

// The case the exact parts of the snapshot belong to; null before there is one.
const CaseText* looked_case(const Snapshot& now);
// True when the proxy's cut is newer than the exact one and is about the same case.
bool shows_preview(const Snapshot& now, const Ui& ui);
LayerCut layer_cut(const Snapshot& now, const Ui& ui, int layer);
int kv_head_of(int head, const ModelShape& shape);

// Runs [first, last) of kept tokens inside [from, to), ascending, neighbours joined.
std::vector<TokenRange> kept_runs(const LayerCut& cut, int kv_head, int from, int to);
std::vector<TokenRange> evicted_runs(const LayerCut& cut, int kv_head, int from, int to);

// Place of a token in the layer's order of keeping: protected tokens first, then by score, ties to
// the lower position; 1 = first. `scores` (rows, tokens) of the policy. 0 = no score.
int keep_rank(const LayerCut& cut, const LayerScores& scores, int kv_head, int token);

// Kept or evicted, and by which rule, in words.
struct Verdict {
  bool kept = true;
  std::string rule;
};
Verdict verdict(const LayerCut& cut, const LayerScores* scores, int kv_head, int token);
// The scores the layer's cut was made from; null when the snapshot has none for this choice.
const LayerScores* scores_of(const Snapshot& now, const LayerCut& cut, QueryVisibility query);

// A token's text on one line: line breaks and other control characters become visible.
std::string visible_text(const std::string& token);

}  // namespace polykv
