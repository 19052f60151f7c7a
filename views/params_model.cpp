#include "views/params_model.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "core/error.h"
#include "views/widgets.h"

namespace polykv {
namespace {

bool is_number(const ParamSpec& spec) {
  return spec.kind == ParamKind::integer || spec.kind == ParamKind::number;
}

// Zero has no logarithm: the scale is that of value - low + step.
double log_offset(const ParamSpec& spec) {
  return spec.low > 0 ? 0 : (spec.kind == ParamKind::integer ? 1 : (spec.high - spec.low) / 1000);
}

bool is_logarithmic(const ParamSpec& spec) {
  const double low = spec.low + log_offset(spec);
  return spec.low >= 0 && spec.high / low > 100 && (spec.low > 0 || spec.high > 100);
}

std::string number_text(double value, bool whole) {
  if (whole) return format_count(std::llround(value));
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

ParamValue value_in(const Params& params, const ParamSpec& spec) {
  const auto found = params.find(spec.name);
  return found == params.end() ? spec.start : found->second;
}

ParamRow row_of(const ParamSpec& spec, const Params& params) {
  ParamRow row;
  row.spec = spec;
  row.value = value_in(params, spec);
  row.is_default = row.value == spec.start;
  row.text = param_text(spec, row.value);
  if (is_number(spec))
    row.range = param_text(spec, spec.low) + " to " + param_text(spec, spec.high) + ", ";
  const std::string start = param_text(spec, spec.start);
  row.range += "default " + (start.empty() ? "none" : start);
  std::istringstream words(spec.choices);
  for (std::string word; std::getline(words, word, '|');) row.words.push_back(word);
  return row;
}

}  // namespace

double slider_share(const ParamSpec& spec, double value) {
  if (spec.high <= spec.low) return 0;
  value = std::clamp(value, spec.low, spec.high);
  if (!is_logarithmic(spec)) return (value - spec.low) / (spec.high - spec.low);
  const double offset = log_offset(spec), low = spec.low + offset;
  return std::log((value + offset) / low) / std::log((spec.high + offset) / low);
}

double slider_value(const ParamSpec& spec, double share) {
  share = std::clamp(share, 0.0, 1.0);
  double value = spec.low + share * (spec.high - spec.low);
  if (is_logarithmic(spec)) {
    const double offset = log_offset(spec), low = spec.low + offset;
    value = low * std::pow((spec.high + offset) / low, share) - offset;
  }
  if (spec.kind == ParamKind::integer) {
    value = std::round(value);
  } else if (value != 0) {
    const double step = std::pow(10.0, std::floor(std::log10(std::fabs(value))) - 2);
    value = std::round(value / step) * step;
    char text[32];  // without the tail of binary fractions
    std::snprintf(text, sizeof text, "%.6g", value);
    value = std::strtod(text, nullptr);
  }
  return std::clamp(value, spec.low, spec.high);
}

std::string param_text(const ParamSpec& spec, const ParamValue& value) {
  if (const double* number = std::get_if<double>(&value))
    return number_text(*number, spec.kind == ParamKind::integer);
  if (const bool* flag = std::get_if<bool>(&value)) return *flag ? "on" : "off";
  return std::get<std::string>(value);
}

std::optional<ParamValue> parse_param(const ParamSpec& spec, const std::string& text) {
  ParamValue value = text;
  if (spec.kind == ParamKind::flag) value = text == "on";
  if (is_number(spec)) {
    std::string digits = text;
    const std::string minus = format_signed(-1, 0).substr(0, 3);  // U+2212, as numbers are shown
    if (digits.starts_with(minus)) digits.replace(0, minus.size(), "-");
    std::erase_if(digits, [](char c) { return c == ',' || c == ' '; });
    char* end = nullptr;
    value = std::strtod(digits.c_str(), &end);
    if (digits.empty() || *end != '\0') return std::nullopt;
  }
  try {
    check_params({{spec.name, value}}, {&spec, 1}, "");
  } catch (const Error&) {
    return std::nullopt;
  }
  return value;
}

ParamsModel condense_params(const Ui& ui) {
  ParamsModel model;
  const auto& choices = ui.history.current().of(ui.band.phase);
  const int layer = ui.selected.layer;
  if (layer < 0 || layer >= static_cast<int>(choices.size())) return model;
  const LayerChoice& choice = choices[static_cast<std::size_t>(layer)];
  const Policy* policy = find_policy(choice.policy);
  if (!policy) return model;
  model.layer = layer;
  model.policy = choice.policy;
  for (int l = 0; l < static_cast<int>(choices.size()); ++l) {
    if (choices[static_cast<std::size_t>(l)].policy != choice.policy) continue;
    ++model.alike;
    if (ui.params.all_layers || l == layer) model.layers.push_back(l);
  }
  for (const ParamSpec& spec : param_specs(*policy, choice.params, ui.band.phase)) {
    ParamRow row = row_of(spec, choice.params);
    for (const int l : model.layers)
      row.differs |= value_in(choices[static_cast<std::size_t>(l)].params, spec) != row.value;
    model.all_default &= row.is_default && !row.differs;
    model.rows.push_back(std::move(row));
  }
  for (const bool wanted : {false, true})
    for (const ParamRow& row : model.rows)
      if (row.is_default == wanted && !row.text.empty())
        model.summary +=
            (model.summary.empty() ? "" : ", ") + std::string(row.spec.name) + " " + row.text;
  return model;
}

}  // namespace polykv
