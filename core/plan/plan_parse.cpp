// "polykv-plan/1" text to a checked plan.
#include <climits>
#include <cstdint>
#include <filesystem>
#include <initializer_list>

#include "core/error.h"
#include "core/plan/plan_fields.h"
#include "core/policies/policy.h"
#include "core/suggest.h"

namespace polykv {
namespace {

// What was found, short enough for a sentence.
std::string shown(const Json& value) {
  constexpr std::size_t kLongest = 40;
  const std::string text = value.dump(-1, ' ', true);
  return text.size() <= kLongest ? text : text.substr(0, kLongest) + "...";
}

Json unknown_keys(const Json& object, std::initializer_list<const char*> known) {
  Json rest = object;
  for (const char* key : known) rest.erase(key);
  return rest;
}

struct Reader {  // what every message needs
  const std::string& origin;
  const PlanTarget& target;

  [[noreturn]] void fail(const std::string& where, const std::string& expectation) const {
    fail_input(origin, where, expectation);
  }

  const Json& object_at(const Json& parent, const char* key) const {
    if (!parent.contains(key)) fail(key, "is missing, an object was expected");
    if (!parent[key].is_object()) fail(key, "must be an object, found " + shown(parent[key]));
    return parent[key];
  }

  // A word of the file, or `otherwise` when the key is missing.
  std::string word_at(const Json& parent, const char* key, const std::string& otherwise) const {
    if (!parent.contains(key)) return otherwise;
    if (!parent[key].is_string()) fail(key, "must be a text, found " + shown(parent[key]));
    return parent[key].get<std::string>();
  }

  [[noreturn]] void fail_misfit(int plan_has, int model_has, const char* what) const {
    fail("", "The plan has " + std::to_string(plan_has) + " " + what + ", this model has " +
                 std::to_string(model_has) + ". Nothing was loaded.");
  }

  void check_count(const Json& model, const char* key, int wanted, const char* what) const {
    if (!model.contains(key)) return;
    const Json& value = model[key];
    if (!value.is_number_integer() || value < 1 || value > INT_MAX) {
      fail(std::string("model.") + key, "must be an integer of at least 1, found " + shown(value));
    }
    if (wanted > 0 && value != wanted) fail_misfit(value.get<int>(), wanted, what);
  }

  // Returns model's unknown keys.
  Json read_model(const Json& file) const {
    if (!file.contains("model")) return Json::object();
    const Json& model = object_at(file, "model");
    check_count(model, "layers", target.layers, "layers");
    check_count(model, "kv_heads", target.kv_heads, "kv heads");
    const std::string print = word_at(model, "fingerprint", "");
    if (!print.empty() && !target.fingerprint.empty() && print != target.fingerprint) {
      fail("model.fingerprint", "The plan was made for the model " + print + ", this one is " +
                                    target.fingerprint + ". Nothing was loaded.");
    }
    Json unknown = unknown_keys(model, {"layers", "kv_heads", "fingerprint"});
    // Kept when the target cannot say it, so that a round trip does not lose it.
    if (!print.empty() && target.fingerprint.empty()) unknown["fingerprint"] = print;
    return unknown;
  }

  std::optional<int> read_budget(const Json& layer, bool full, const std::string& where) const {
    const Json value = layer.value("budget", Json());
    if (full) {
      if (!value.is_null()) fail(where, "budget of 'full' must be null, found " + shown(value));
      return std::nullopt;
    }
    if (value.is_null()) fail(where, "budget is missing, an integer of at least 1 was expected");
    if (!value.is_number_integer()) {
      fail(where, "budget must be an integer of at least 1, found " + shown(value));
    }
    if (value < 1) fail(where, "budget is " + shown(value) + "; it must keep at least 1");
    if (value > kLargestBudget) {
      fail(where,
           "budget must be at most " + std::to_string(kLargestBudget) + ", found " + shown(value));
    }
    return value.get<int>();
  }

  Params read_params(const Json& layer, const std::string& where) const {
    Params params;
    if (!layer.contains("params")) return params;
    const Json& given = layer["params"];
    if (!given.is_object()) fail(where, "params must be an object, found " + shown(given));
    for (const auto& [name, value] : given.items()) {
      if (value.is_boolean()) {
        params[name] = value.get<bool>();
      } else if (value.is_string()) {
        params[name] = value.get<std::string>();
      } else if (value.is_number()) {
        params[name] = value.get<double>();
      } else {
        fail(where, "parameter '" + name + "' must be a number, a text, true or false, found " +
                        shown(value));
      }
    }
    return params;
  }

  LayerChoice read_layer(const Json& layer, Phase phase, const std::string& where) const {
    if (!layer.is_object()) fail(where, "must be an object, found " + shown(layer));
    if (!layer.contains("policy") || !layer["policy"].is_string()) {
      fail(where,
           "policy must be the id of a policy, found " + shown(layer.value("policy", Json())));
    }
    LayerChoice choice;
    choice.policy = layer["policy"].get<std::string>();
    const std::string fault = policy_fault(choice.policy, phase);
    if (!fault.empty()) fail(where, fault);
    choice.budget = read_budget(layer, choice.policy == "full", where);
    choice.params = read_params(layer, where);
    check_params(choice.params, param_specs(*find_policy(choice.policy), choice.params, phase),
                 origin + ": " + where);
    choice.extra = unknown_keys(layer, {"policy", "budget", "params"}).dump();
    return choice;
  }

  // Fills the layers of one phase; returns the phase's unknown keys.
  Json read_phase(const Json& file, Phase phase, int layers, Plan& plan) const {
    const std::string name = to_string(phase);
    const Json& object = object_at(file, name.c_str());
    if (!object.contains("layers") || !object["layers"].is_array()) {
      fail(name + ".layers", "must be a list with one object per layer");
    }
    const Json& list = object["layers"];
    const int count = static_cast<int>(list.size());
    if (count == 0) fail(name + ".layers", "must hold at least one layer");
    if (target.layers > 0 && count != target.layers) fail_misfit(count, target.layers, "layers");
    if (layers > 0 && count != layers) {
      fail(name + ".layers",
           "must hold " + std::to_string(layers) + " layers, found " + std::to_string(count));
    }
    std::int64_t sum = 0;
    for (int l = 0; l < count; ++l) {
      const std::string where = "layer " + std::to_string(l) + " " + name;
      plan.of(phase).push_back(read_layer(list[l], phase, where));
      sum += plan.of(phase).back().budget.value_or(0);
    }
    if (sum > INT_MAX) fail(name, "the budgets add up to " + std::to_string(sum) + ", too many");
    const Json total = object.value("total", Json());
    if (!total.is_null() && (!total.is_number_integer() || total != sum)) {
      fail(name + ".total", "must be " + std::to_string(sum) +
                                ", the sum of the budgets of its layers, or null, found " +
                                shown(total));
    }
    return unknown_keys(object, {"total", "layers"});
  }

  Plan read(const Json& file) const {
    if (!file.is_object()) fail("", "must be a JSON object, found " + shown(file));
    if (word_at(file, "format", "") != "polykv-plan/1") {
      fail("format", "must be \"polykv-plan/1\", found " + shown(file.value("format", Json())));
    }
    Plan plan;
    plan.name = word_at(file, "name", std::filesystem::path(origin).stem().string());
    const std::string query = word_at(file, "query", "agnostic");
    if (!query_from(query)) fail("query", "must be agnostic or aware, found '" + query + "'");
    plan.query = *query_from(query);
    if (file.contains("seed")) {
      if (!file["seed"].is_number_unsigned()) {
        fail("seed", "must be an integer of at least 0, found " + shown(file["seed"]));
      }
      plan.seed = file["seed"].get<std::uint64_t>();
    }
    Json extra =
        unknown_keys(file, {"format", "name", "query", "seed", "model", "prefill", "decode"});
    const auto keep = [&](const char* key, Json unknown) {
      if (!unknown.empty()) extra[key] = std::move(unknown);
    };
    keep("model", read_model(file));
    keep("prefill", read_phase(file, Phase::prefill, 0, plan));
    const int layers = plan.layers();
    if (file.contains("model") && file["model"].contains("layers") &&
        file["model"]["layers"] != layers) {
      fail("model.layers", "must be " + std::to_string(layers) +
                               ", the number of layers in prefill, found " +
                               shown(file["model"]["layers"]));
    }
    if (file.contains("decode")) {
      keep("decode", read_phase(file, Phase::decode, layers, plan));
    } else {
      plan.of(Phase::decode).assign(layers, LayerChoice{});
    }
    plan.extra = extra.dump();
    return plan;
  }
};

}  // namespace

std::string policy_fault(const std::string& policy, Phase phase) {
  const Policy* found = find_policy(policy);
  if (found == nullptr) {
    const std::string nearest = nearest_word(policy, policy_ids());
    if (!nearest.empty()) {
      return "policy '" + policy + "' is unknown, nearest is '" + nearest + "'";
    }
    std::string known;
    for (const std::string& id : policy_ids()) known += (known.empty() ? "" : ", ") + id;
    return "policy '" + policy + "' is unknown, known are " + known;
  }
  if ((found->phases & (phase == Phase::prefill ? kPrefill : kDecode)) == 0) {
    return "policy '" + policy + "' works in " +
           to_string(phase == Phase::prefill ? Phase::decode : Phase::prefill) + " only";
  }
  return "";
}

Plan parse_plan(const std::string& text, const std::string& origin, const PlanTarget& target) {
  return Reader{origin, target}.read(parse_json(text, origin));
}

Plan read_plan(const std::string& path, const PlanTarget& target) {
  return parse_plan(read_text_file(path), path, target);
}

}  // namespace polykv
