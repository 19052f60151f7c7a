#pragma once
// Retrieval heads of a model: ranking and scores per layer, and the file "polykv-heads/1".
#include <string>
#include <vector>

#include "core/probe/head_score.h"

namespace polykv {

// Fewer accepted runs than this and a list is marked "few samples".
inline constexpr int kFewSamples = 20;

// Which of the two SRH scores ranks (compresskv.md, section 1).
enum class HeadForm { paper, multiplicity };
const char* to_string(HeadForm form);

struct HeadLayer {
  std::vector<int> ranked;          // query heads, best first
  std::vector<HeadScore> srh, trh;  // per query head; empty where the file gives none
};

struct HeadList {
  // What `srh` and the ranking go by: "paper" or "multiplicity" as `heads` writes it; "scores" and
  // "ranking" for the two other forms of file.
  std::string form = to_string(HeadForm::paper);
  int query_heads = 0;
  std::string fingerprint;      // of the model; empty when the file does not say
  std::string settings = "{}";  // a JSON object: how the scores were measured
  int n = 0, rejected = 0;      // accepted and rejected runs; 0 when the file does not say
  std::vector<HeadLayer> layers;

  // Query heads of a layer, best first: all of them, or fewer in a file that only ranks.
  const std::vector<int>& ranked(int layer) const { return layers.at(layer).ranked; }
  // The scores behind the ranking, per query head; empty in a file that only ranks.
  const std::vector<HeadScore>& scores(int layer) const { return layers.at(layer).srh; }
  // False where every score of the layer is 0: then the order says nothing.
  bool meaningful(int layer) const;
  bool few_samples() const { return n < kFewSamples && scored(); }
  bool scored() const { return form == "paper" || form == "multiplicity"; }
};

// What a list must fit; 0 or empty = not checked.
struct HeadTarget {
  int layers = 0, query_heads = 0;
  std::string fingerprint;
};

// Reads "polykv-heads/1", {"LAYER": [head, ...]} rankings or {"LAYER-HEAD": [score, ...]} lists
// (one score per run). Throws an input Error naming file, key and expectation: another model, a
// missing layer or head, a head twice or out of range, what is not a number.
HeadList parse_heads(const std::string& text, const std::string& origin, const HeadTarget& target);
HeadList read_heads(const std::string& path, const HeadTarget& target);

// "polykv-heads/1" text of a list with scores, one layer a line.
std::string heads_json(const HeadList& list);
void write_heads(const std::string& path, const HeadList& list);  // atomic

}  // namespace polykv
