// "polykv-calibration/1": the summary for people, then the numbers case by case, a line each.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/files.h"
#include "core/model/json_fields.h"
#include "core/policies/policy.h"
#include "core/tune/calibration.h"

namespace polykv {
namespace {

constexpr const char* kFormat = "polykv-calibration/1";

Json summary(const MeanError& number) {
  Json json = {{"mean", number.mean}};
  json["standard_error"] = std::isfinite(number.error) ? Json(number.error) : Json();
  return json;
}

Json table_json(const Calibration& c) {
  Json table = Json::array();
  for (int l = 0; l < c.layers; ++l) {
    for (std::size_t column = 0; column < c.columns.size(); ++column) {
      Json row = {{"layer", l},
                  {"phase", to_string(c.columns[column].phase)},
                  {"policy", c.columns[column].policy},
                  {"n", c.n()}};
      for (const CellMeasure& measure : measures()) {
        row[measure.id] = summary(c.cell(measure, l, static_cast<int>(column)));
      }
      table.push_back(row);
    }
  }
  return table;
}

Json signals_json(const Calibration& c) {
  Json signals = Json::object();
  for (const std::string& id : c.signal_ids) {
    Json mean = Json::array(), error = Json::array();
    for (int l = 0; l < c.layers; ++l) {
      const Json one = summary(c.signal(id, l));
      mean.push_back(one["mean"]);
      error.push_back(one["standard_error"]);
    }
    signals[id] = {{"mean", mean}, {"standard_error", error}, {"n", c.n()}};
  }
  return signals;
}

// Measures in the order of the table, each a flat list over layers and columns.
Json case_json(const Calibration& c, const CaseCalibration& one) {
  Json json = {{"case", one.index}, {"signals", Json::object()}, {"cells", Json::object()}};
  for (std::size_t s = 0; s < c.signal_ids.size(); ++s) {
    json["signals"][c.signal_ids[s]] = one.signals[s];
  }
  for (const CellMeasure& measure : measures()) {
    Json numbers = Json::array();
    for (const CellScores& cell : one.cells) numbers.push_back(cell.*measure.value);
    json["cells"][measure.id] = numbers;
  }
  return json;
}

std::vector<double> numbers_of(const Json& json, std::size_t count, const std::string& origin,
                               const std::string& key) {
  const bool right = json.is_array() && json.size() == count &&
                     std::all_of(json.begin(), json.end(), [](const Json& each) {
                       return each.is_number() && std::isfinite(each.get<double>());
                     });
  if (!right) fail_input(origin, key, "expected " + std::to_string(count) + " numbers");
  return json.get<std::vector<double>>();
}

CaseCalibration parse_case(const Json& json, const Calibration& c, const std::string& origin,
                           std::size_t line) {
  const std::string where = "cases[" + std::to_string(line) + "].";
  const JsonFields fields(json, origin, where);
  CaseCalibration one;
  const Json& index = fields.at("case");
  if (!index.is_number_integer() || index.get<long long>() < 0 ||
      index.get<long long>() >= c.case_count || !c.shard.holds(index.get<int>())) {
    fields.fail("case", "expected the number of a case of this part, found " + index.dump());
  }
  one.index = index.get<int>();
  const JsonFields signals(fields.at("signals"), origin, where + "signals.");
  for (const std::string& id : c.signal_ids) {
    one.signals.push_back(numbers_of(signals.at(id), c.layers, origin, where + "signals." + id));
  }
  const JsonFields cells(fields.at("cells"), origin, where + "cells.");
  const std::size_t count = static_cast<std::size_t>(c.layers) * c.columns.size();
  for (const CellMeasure& measure : measures()) {
    const std::vector<double> numbers =
        numbers_of(cells.at(measure.id), count, origin, where + "cells." + measure.id);
    one.cells.resize(count);  // now that the file has as many
    for (std::size_t i = 0; i < numbers.size(); ++i) one.cells[i].*measure.value = numbers[i];
  }
  return one;
}

std::vector<std::string> words_of(const JsonFields& fields, const std::string& key) {
  const Json& json = fields.at(key);
  const bool right =
      json.is_array() && !json.empty() &&
      std::all_of(json.begin(), json.end(), [](const Json& each) { return each.is_string(); });
  if (!right) fields.fail(key, "expected a list of words");
  return json.get<std::vector<std::string>>();
}

void parse_settings(const JsonFields& fields, Calibration& c) {
  CalibrationSettings& s = c.settings;
  const auto query = query_from(fields.text_or("query", ""));
  if (!query) fields.fail("query", "expected agnostic or aware");
  s.query = *query;
  s.budget = fields.positive("budget");
  if (!fields.at("seed").is_number_unsigned()) {
    fields.fail("seed", "expected a whole number of at least 0");
  }
  s.seed = fields.at("seed").get<std::uint64_t>();
  s.policies = words_of(fields, "policies");
  s.phases.clear();
  for (const std::string& word : words_of(fields, "phases")) {
    if (word != "prefill" && word != "decode") fields.fail("phases", "expected prefill or decode");
    s.phases.push_back(word == "prefill" ? Phase::prefill : Phase::decode);
  }
  s.signal_cut.policy = fields.text_or("signal_policy", "");
  s.signal_cut.budget = fields.positive("signal_budget");
  c.signal_ids = words_of(fields, "signals");
}

}  // namespace

std::string calibration_json(const Calibration& c) {
  Json phases = Json::array();
  for (const Phase phase : c.settings.phases) phases.push_back(to_string(phase));
  Json head = {{"format", kFormat},
               {"model",
                {{"name", c.model},
                 {"layers", c.layers},
                 {"kv_heads", c.kv_heads},
                 {"fingerprint", c.model_fingerprint},
                 {"heads", c.heads_fingerprint}}},
               {"case_set", {{"count", c.case_count}, {"fingerprint", c.cases_fingerprint}}},
               {"settings",
                {{"query", to_string(c.settings.query)},
                 {"budget", c.settings.budget},
                 {"policies", c.settings.policies},
                 {"phases", phases},
                 {"seed", c.settings.seed},
                 {"signal_policy", c.settings.signal_cut.policy},
                 {"signal_budget", c.settings.signal_cut.budget.value_or(0)},
                 {"signals", c.signal_ids}}},
               {"shard", shard_json(c.shard)},
               {"n", c.n()}};
  if (c.n() > 0) {
    head["table"] = table_json(c);
    head["signals"] = signals_json(c);
  }
  std::string text = head.dump(1);
  text.erase(text.rfind('}'));
  while (text.back() == '\n') text.pop_back();
  text += ",\n \"cases\": [";
  for (std::size_t i = 0; i < c.cases.size(); ++i) {
    text += (i ? ",\n  " : "\n  ") + case_json(c, c.cases[i]).dump();
  }
  return text + "\n ]\n}\n";
}

Calibration parse_calibration(const std::string& text, const std::string& origin) {
  const Json json = parse_json(text, origin);
  const JsonFields fields(json, origin);
  if (fields.text_or("format", "") != kFormat) {
    fields.fail("format", std::string("expected \"") + kFormat + "\"");
  }
  Calibration c;
  const JsonFields model(fields.at("model"), origin, "model.");
  c.model = model.text_or("name", "");
  c.layers = model.positive("layers");
  c.kv_heads = model.positive("kv_heads");
  c.model_fingerprint = model.text_or("fingerprint", "");
  c.heads_fingerprint = model.text_or("heads", "");
  const JsonFields set(fields.at("case_set"), origin, "case_set.");
  c.case_count = set.positive("count");
  c.cases_fingerprint = set.text_or("fingerprint", "");
  parse_settings(JsonFields(fields.at("settings"), origin, "settings."), c);
  c.shard = shard_from(fields.at("shard"), origin);
  for (const std::string& id : c.settings.policies) {
    if (!find_policy(id)) fields.fail("settings.policies", "'" + id + "' is unknown");
  }
  c.columns = columns_of_settings(c.settings);
  const Json& cases = fields.at("cases");
  if (!cases.is_array()) fields.fail("cases", "expected a list");
  for (std::size_t i = 0; i < cases.size(); ++i) {
    c.cases.push_back(parse_case(cases[i], c, origin, i));
    if (i > 0 && c.cases[i].index <= c.cases[i - 1].index) {
      fields.fail("cases", "expected the cases in ascending order, each once");
    }
  }
  return c;
}

Calibration read_calibration(const std::string& path) {
  return parse_calibration(read_text_file(path), path);
}

void write_calibration(const std::string& path, const Calibration& calibration) {
  write_file_atomic(path, calibration_json(calibration));
}

}  // namespace polykv
