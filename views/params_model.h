#pragma once
// Parameters of the selected layer's policy as rows with sliders, made from ParamSpec. Pure.
#include <optional>
#include <string>
#include <vector>

#include "core/policies/policy.h"
#include "views/frame.h"

namespace polykv {

struct ParamRow {
  ParamSpec spec;
  ParamValue value;  // of the selected layer
  bool is_default = true;
  bool differs = false;            // another layer that the edit reaches has another value
  std::string text, range;         // "32", "1 to 1,024, default 32"
  std::vector<std::string> words;  // of a choice
};

struct ParamsModel {
  int layer = -1;  // -1: no plan
  std::string policy;
  std::vector<int> layers;     // that an edit reaches
  int alike = 0;               // layers with this policy in this phase, the selected one included
  std::vector<ParamRow> rows;  // empty: the policy has none
  bool all_default = true;
  std::string summary;  // "window 32, kernel 5"; what is not default comes first
};

ParamsModel condense_params(const Ui& ui);

// Where a number stands on its slider, and back (integers whole, numbers with three digits). Ranges
// over more than two decades are logarithmic.
double slider_share(const ParamSpec& spec, double value);
double slider_value(const ParamSpec& spec, double share);

// "0.5", "1,024", "on", a word; and back, none when it does not fit the specification.
std::string param_text(const ParamSpec& spec, const ParamValue& value);
std::optional<ParamValue> parse_param(const ParamSpec& spec, const std::string& text);

}  // namespace polykv
