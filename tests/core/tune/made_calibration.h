#pragma once
// A small calibration with numbers chosen by hand.
#include "core/tune/calibration.h"

namespace polykv {

// Two layers, three cases; prefill columns snapkv and keydiff, decode column h2o. Cosines of layer
// 0: snapkv .5, .6, .7, keydiff .9; of layer 1: snapkv .8, keydiff .8. NLL increases: see the
// tests.
inline Calibration made_calibration() {
  Calibration c;
  c.model = "made";
  c.model_fingerprint = "sha256:model";
  c.cases_fingerprint = "sha256:cases";
  c.layers = 2;
  c.kv_heads = 1;
  c.case_count = 3;
  c.settings.budget = 32;
  c.settings.policies = {"snapkv", "keydiff", "h2o"};
  c.settings.signal_cut.policy = "snapkv";
  c.settings.signal_cut.budget = 32;
  c.signal_ids = {"entropy"};
  c.columns = columns_of_settings(c.settings);
  const auto columns = c.columns.size();
  for (int i = 0; i < 3; ++i) {
    CaseCalibration one;
    one.index = i;
    one.signals = {{2, 1}};
    one.cells.resize(2 * columns);
    for (int l = 0; l < 2; ++l) {
      for (std::size_t column = 0; column < columns; ++column) {
        CellScores& cell = one.cells[l * columns + column];
        const bool prefill = c.columns[column].phase == Phase::prefill;
        const std::string& policy = c.columns[column].policy;
        if (policy == "h2o" || !prefill) {  // in the middle of everything
          cell.cosine = prefill ? 0.1 : 0.5;
          cell.nll_increase = prefill ? 0.25 : 0.5;
          if (prefill && l == 0) cell.nll_increase = 0.1;
          continue;
        }
        const bool snapkv = policy == "snapkv";
        cell.cosine = l == 1 ? 0.8 : snapkv ? 0.5 + 0.1 * i : 0.9;
        cell.nll_increase = l == 0 ? (snapkv ? 0.3 : -0.1) : (snapkv ? 0.2 : 0.4);
        cell.nll_increase += 0.01 * (i - 1);
      }
    }
    c.cases.push_back(one);
  }
  return c;
}

}  // namespace polykv
