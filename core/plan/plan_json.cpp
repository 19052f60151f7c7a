// A plan as "polykv-plan/1" text: one line per layer, so that a change of a layer is a changed
// line.
#include <cmath>
#include <cstdint>

#include "core/plan/plan_fields.h"

namespace polykv {
namespace {

std::string dumped(const OrderedJson& value) {
  // A name from a command line need not be UTF-8.
  return value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

// One line with a blank after ',' and ':'.
std::string in_one_line(const OrderedJson& value) {
  if (!value.is_structured() || value.empty()) return dumped(value);
  std::string text;
  for (const auto& [key, each] : value.items()) {
    if (!text.empty()) text += ", ";
    if (value.is_object()) text += dumped(key) + ": ";
    text += in_one_line(each);
  }
  return value.is_object() ? "{" + text + "}" : "[" + text + "]";
}

OrderedJson object_from(const std::string& text) {
  OrderedJson value = OrderedJson::parse(text, nullptr, /*allow_exceptions=*/false);
  return value.is_object() ? value : OrderedJson::object();
}

// Adds the unknown keys; a key already there wins.
void merge_unknown(OrderedJson& into, const OrderedJson& unknown) {
  for (const auto& [key, value] : unknown.items()) {
    if (!into.contains(key)) into[key] = value;
  }
}

OrderedJson param_json(const ParamValue& value) {
  if (const bool* flag = std::get_if<bool>(&value)) return *flag;
  if (const std::string* word = std::get_if<std::string>(&value)) return *word;
  const double number = std::get<double>(value);
  constexpr double kExact = 9007199254740992.0;  // 2^53
  if (number == std::floor(number) && std::abs(number) < kExact) {
    return static_cast<std::int64_t>(number);
  }
  return number;
}

std::string phase_text(const Plan& plan, Phase phase, const OrderedJson& unknown) {
  bool has_budget = false;
  std::string layers;
  for (const LayerChoice& layer : plan.of(phase)) {
    has_budget = has_budget || layer.budget.has_value();
    OrderedJson fields = layer_fields(layer);
    merge_unknown(fields, object_from(layer.extra));
    layers += (layers.empty() ? "\n      " : ",\n      ") + in_one_line(fields);
  }
  std::string text = "{\n    \"total\": ";
  text += has_budget ? std::to_string(plan.total(phase)) : "null";
  text += ",\n    \"layers\": [" + layers + (layers.empty() ? "]" : "\n    ]");
  for (const auto& [key, value] : unknown.items()) {
    if (key != "total" && key != "layers")
      text += ",\n    " + dumped(key) + ": " + in_one_line(value);
  }
  return text + "\n  }";
}

}  // namespace

OrderedJson layer_fields(const LayerChoice& layer) {
  OrderedJson fields;
  fields["policy"] = layer.policy;
  fields["budget"] = nullptr;
  if (layer.budget) fields["budget"] = *layer.budget;
  for (const auto& [name, value] : layer.params) fields["params"][name] = param_json(value);
  return fields;
}

std::string plan_json(const Plan& plan, const PlanTarget& target) {
  const OrderedJson extra = object_from(plan.extra);
  const auto unknown_of = [&](const char* key) {
    const auto found = extra.find(key);
    return found != extra.end() && found->is_object() ? *found : OrderedJson::object();
  };
  OrderedJson model;
  model["layers"] = plan.layers();
  if (target.kv_heads > 0) model["kv_heads"] = target.kv_heads;
  if (!target.fingerprint.empty()) model["fingerprint"] = target.fingerprint;
  merge_unknown(model, unknown_of("model"));

  std::string text = "{\n  \"format\": \"polykv-plan/1\"";
  const auto add = [&](const std::string& key, const std::string& value) {
    text += ",\n  " + dumped(key) + ": " + value;
  };
  add("name", dumped(plan.name));
  add("query", dumped(to_string(plan.query)));
  add("seed", std::to_string(plan.seed));
  add("model", in_one_line(model));
  for (const Phase phase : {Phase::prefill, Phase::decode}) {
    add(to_string(phase), phase_text(plan, phase, unknown_of(to_string(phase))));
  }
  for (const auto& [key, value] : extra.items()) {
    if (key != "model" && key != "prefill" && key != "decode") add(key, in_one_line(value));
  }
  return text + "\n}\n";
}

void write_plan(const std::string& path, const Plan& plan, const PlanTarget& target) {
  write_file_atomic(path, plan_json(plan, target));
}

}  // namespace polykv
