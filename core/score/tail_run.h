#pragma once
// The part of all cases that comes after the cut, as one batch that can be run again from any
// layer. Knows torch.
#include <vector>

#include "core/score/case_state.h"

namespace polykv {

class TailRun {
 public:
  TailRun(const Model& model, std::vector<CaseState>& cases, QueryVisibility query);

  // Brings the run up to the plan: re-selects layers whose choice changed, then runs from the first
  // layer whose kept tokens changed. A plan that evicts while decoding runs question and answer
  // again token by token. Throws Cancelled between layers; the next call goes on from what is
  // valid.
  void update(const Plan& plan, const CancelFlag* cancel);

  QueryVisibility query() const { return query_; }
  int first_layer_run() const { return first_layer_run_; }
  // (answer tokens of all cases, vocab) fp32 logits of the last completed update.
  const at::Tensor& logits() const { return logits_; }
  const Kept& kept(int layer, int case_index) const { return slots_[layer][case_index].kept; }
  std::int64_t allocated_bytes() const;  // rows the cuts left, all layers and cases

 private:
  struct Slot {       // one layer of one case
    std::string key;  // score key and budget the kept rows belong to; "" = not cut yet
    Kept kept;
    bool merged = false;  // rows hold what a policy folded into them
    LayerRows rows;       // with room for the tail's own keys and values
  };
  bool select_layer(int layer, const LayerChoice& choice, std::uint64_t seed);
  bool select_case(int layer, std::size_t b, const LayerChoice& choice, std::uint64_t seed);
  template <class Work>
  void over_cases(const Work& work) const;
  void run_layer(int layer);
  void read_logits();
  void run_decode(const Plan& plan, const CancelFlag* cancel);
  at::Tensor decode_case(const Plan& plan, std::size_t b, const CancelFlag* cancel) const;

  const Model& model_;
  const Decoder& decoder_;
  std::vector<CaseState>& cases_;
  QueryVisibility query_;
  std::vector<int> offset_, length_;  // per case: first row and rows of its tail in the batch
  RopeAngles angles_;
  std::vector<at::Tensor> inputs_;        // per layer and after the last: (tail rows, hidden)
  std::vector<std::vector<Slot>> slots_;  // [layer][case]
  int valid_ = 0;                         // inputs_[0 .. valid_] belong to the plan in hand
  bool logits_valid_ = false;
  int first_layer_run_ = 0;
  at::Tensor logits_;
};

}  // namespace polykv
