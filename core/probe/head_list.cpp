#include "core/probe/head_list.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <stdexcept>

#include "core/error.h"
#include "core/model/json_fields.h"

namespace polykv {
namespace {

constexpr const char* kFormat = "polykv-heads/1";
constexpr int kMostHeads = 1 << 16;  // of a layer, and layers of a model

std::string shown(const Json& value) { return value.dump(-1, ' ', true).substr(0, 40); }

// "3" or "3-17" as numbers; empty when the key is neither.
std::vector<int> key_numbers(const std::string& key) {
  std::vector<int> numbers;
  for (const char *at = key.data(), *end = at + key.size(); at < end;) {
    int number = 0;
    const auto [rest, error] = std::from_chars(at, end, number);
    if (error != std::errc() || *at == '-' || number >= kMostHeads) return {};
    numbers.push_back(number);
    if (rest == end) return numbers;
    if (*rest != '-') return {};
    at = rest + 1;
  }
  return {};
}

class Reader {
 public:
  Reader(const Json& file, const std::string& origin, const HeadTarget& target)
      : file_(file), origin_(origin), target_(target) {}

  HeadList read() const {
    if (!file_.is_object() || file_.empty()) {
      fail("", "expected a JSON object with heads, found " + shown(file_));
    }
    if (file_.contains("format")) return read_own();
    switch (key_numbers(file_.begin().key()).size()) {
      case 1:
        return read_rankings();
      case 2:
        return read_score_lists();
      default:
        fail(file_.begin().key(), std::string("expected \"format\": \"") + kFormat +
                                      "\", or keys \"LAYER\", or keys \"LAYER-HEAD\"");
    }
  }

 private:
  [[noreturn]] void fail(const std::string& key, const std::string& expectation) const {
    fail_input(origin_, key, expectation);
  }

  void check_model(const HeadList& list, const std::string& key) const {
    const auto misfit = [&](std::size_t has, int wanted, const char* what) {
      if (wanted == 0 || has == static_cast<std::size_t>(wanted)) return;
      fail(key, "the list has " + std::to_string(has) + " " + what + ", this model has " +
                    std::to_string(wanted));
    };
    misfit(list.layers.size(), target_.layers, "layers");
    misfit(static_cast<std::size_t>(list.query_heads), target_.query_heads, "query heads a layer");
  }

  int head_at(const Json& value, int query_heads, const std::string& key) const {
    const int heads = query_heads > 0 ? query_heads : kMostHeads;
    if (!value.is_number_integer() || value < 0 || value >= heads) {
      fail(key, "expected a query head from 0 to " + std::to_string(heads - 1) + ", found " +
                    shown(value));
    }
    return value.get<int>();
  }

  std::vector<int> ranking(const Json& list, int query_heads, const std::string& key) const {
    if (!list.is_array() || list.empty()) fail(key, "expected a list of query heads, best first");
    std::vector<int> heads;
    for (const Json& value : list) {
      const int head = head_at(value, query_heads, key);
      if (std::find(heads.begin(), heads.end(), head) != heads.end()) {
        fail(key, "expected every query head once, found " + std::to_string(head) + " twice");
      }
      heads.push_back(head);
    }
    return heads;
  }

  double score_at(const Json& value, const std::string& key) const {
    if (!value.is_number() || value < 0) {
      fail(key, "expected a number of at least 0, found " + shown(value));
    }
    return value.get<double>();
  }

  int count_at(const JsonFields& fields, const char* key) const {
    const Json& value = fields.at(key);
    if (!value.is_number_integer() || value < 0 || value > 1'000'000'000) {
      fields.fail(key, "expected a whole number of at least 0, found " + shown(value));
    }
    return value.get<int>();
  }

  std::vector<HeadScore> scores(const Json& layer, const char* name, int query_heads,
                                const std::string& where) const {
    const std::string key = where + name;
    const Json list = layer.value(name, Json());
    if (!list.is_array() || list.size() != static_cast<std::size_t>(query_heads)) {
      fail(key, "expected a list of " + std::to_string(query_heads) + " heads, each with mean, " +
                    "spread and n");
    }
    std::vector<HeadScore> read;
    for (std::size_t h = 0; h < list.size(); ++h) {
      const std::string head = key + "[" + std::to_string(h) + "]";
      const JsonFields fields(list[h], origin_, head + ".");
      read.push_back({score_at(fields.at("mean"), head + ".mean"),
                      score_at(fields.at("spread"), head + ".spread"), count_at(fields, "n")});
    }
    return read;
  }

  HeadList read_own() const {
    if (file_["format"] != kFormat) {
      fail("format", std::string("expected \"") + kFormat + "\", found " + shown(file_["format"]));
    }
    const JsonFields top(file_, origin_);
    const JsonFields model(top.at("model"), origin_, "model.");
    HeadList list;
    list.fingerprint = model.text_or("fingerprint", "");
    if (list.fingerprint.empty()) model.fail("fingerprint", "is missing");
    if (!target_.fingerprint.empty() && list.fingerprint != target_.fingerprint) {
      model.fail("fingerprint", "the list was made for the model " + list.fingerprint +
                                    ", this one is " + target_.fingerprint);
    }
    list.query_heads = model.positive("query_heads");
    list.form = top.text_or("form", "");
    if (!list.scored())
      top.fail("form", "expected paper or multiplicity, found '" + list.form + "'");
    list.n = count_at(top, "n");
    list.rejected = count_at(top, "rejected");
    if (top.has("settings")) {
      if (!top.at("settings").is_object()) top.fail("settings", "expected a JSON object");
      list.settings = top.at("settings").dump();
    }
    const Json& layers = top.at("layers");
    const int count = model.positive("layers");
    if (!layers.is_array() || layers.size() != static_cast<std::size_t>(count)) {
      fail("layers",
           "expected a list of " + std::to_string(count) + " layers, as model.layers says");
    }
    list.layers.resize(layers.size());
    check_model(list, "model");
    for (std::size_t l = 0; l < layers.size(); ++l) {
      const std::string where = "layers[" + std::to_string(l) + "].";
      if (!layers[l].is_object()) fail(where.substr(0, where.size() - 1), "expected a JSON object");
      HeadLayer& layer = list.layers[l];
      layer.srh = scores(layers[l], "srh", list.query_heads, where);
      layer.trh = scores(layers[l], "trh", list.query_heads, where);
      layer.ranked = ranking(layers[l].value("ranked", Json()), list.query_heads, where + "ranked");
      if (layer.ranked != rank_heads(layer.srh)) {
        fail(where + "ranked", "expected all heads by falling srh mean, ties to the lower head");
      }
    }
    return list;
  }

  // The numbers of a key of the two other forms.
  std::vector<int> place(const std::string& key, std::size_t wanted) const {
    const std::vector<int> numbers = key_numbers(key);
    if (numbers.size() != wanted) {
      fail(key, wanted == 1 ? "expected a layer number, like the first key"
                            : "expected LAYER-HEAD, like the first key");
    }
    if (target_.layers > 0 && numbers[0] >= target_.layers) {
      fail(key, "this model has no layer " + std::to_string(numbers[0]) + ", its layers are 0 to " +
                    std::to_string(target_.layers - 1));
    }
    return numbers;
  }

  HeadList read_rankings() const {
    HeadList list;
    list.form = "ranking";
    std::map<int, std::vector<int>> by_layer;
    int largest = 0;
    for (const auto& [key, value] : file_.items()) {
      const int layer = place(key, 1)[0];
      const auto [row, is_new] = by_layer.emplace(layer, ranking(value, target_.query_heads, key));
      if (!is_new) fail(key, "expected every layer once");
      largest = std::max(largest, *std::max_element(row->second.begin(), row->second.end()));
    }
    list.query_heads = target_.query_heads > 0 ? target_.query_heads : largest + 1;
    const int count = layer_count(by_layer.rbegin()->first);
    for (int l = 0; l < count; ++l) {
      if (!by_layer.count(l))
        fail(std::to_string(l), "is missing, expected the heads of this layer");
      list.layers.push_back({by_layer[l], {}, {}});
    }
    return list;
  }

  HeadList read_score_lists() const {
    HeadList list;
    list.form = "scores";
    std::map<std::pair<int, int>, HeadScore> by_head;
    int last_layer = 0, largest = 0;
    for (const auto& [key, value] : file_.items()) {
      const std::vector<int> numbers = place(key, 2);
      const int head = head_at(numbers[1], target_.query_heads, key);
      if (!value.is_array() || value.empty()) fail(key, "expected a list of scores, one per run");
      std::vector<double> runs;
      for (const Json& run : value) runs.push_back(score_at(run, key));
      if (!by_head.emplace(std::pair(numbers[0], head), summarize_runs(runs)).second) {
        fail(key, "expected every head once");
      }
      last_layer = std::max(last_layer, numbers[0]);
      largest = std::max(largest, head);
    }
    list.query_heads = target_.query_heads > 0 ? target_.query_heads : largest + 1;
    const int count = layer_count(last_layer);
    for (int l = 0; l < count; ++l) {
      HeadLayer layer;
      for (int h = 0; h < list.query_heads; ++h) {
        const auto found = by_head.find({l, h});
        if (found == by_head.end()) {
          fail(std::to_string(l) + "-" + std::to_string(h), "is missing, expected its scores");
        }
        layer.srh.push_back(found->second);
      }
      layer.ranked = rank_heads(layer.srh);
      list.layers.push_back(std::move(layer));
    }
    return list;
  }

  int layer_count(int last) const { return target_.layers > 0 ? target_.layers : last + 1; }

  const Json& file_;
  const std::string& origin_;
  const HeadTarget& target_;
};

Json json_of(const std::vector<HeadScore>& scores) {
  Json list = Json::array();
  for (const HeadScore& score : scores) {
    list.push_back({{"mean", score.mean}, {"spread", score.spread}, {"n", score.n}});
  }
  return list;
}

}  // namespace

const char* to_string(HeadForm form) { return form == HeadForm::paper ? "paper" : "multiplicity"; }

bool HeadList::meaningful(int layer) const {
  const std::vector<HeadScore>& all = scores(layer);
  return all.empty() ||
         std::any_of(all.begin(), all.end(), [](const HeadScore& score) { return score.mean > 0; });
}

HeadList parse_heads(const std::string& text, const std::string& origin, const HeadTarget& target) {
  return Reader(parse_json(text, origin), origin, target).read();
}

HeadList read_heads(const std::string& path, const HeadTarget& target) {
  return parse_heads(read_text_file(path), path, target);
}

std::string heads_json(const HeadList& list) {
  if (!list.scored()) throw std::logic_error("heads_json: a list without measured scores");
  const Json head = {{"format", kFormat},
                     {"model",
                      {{"layers", list.layers.size()},
                       {"query_heads", list.query_heads},
                       {"fingerprint", list.fingerprint}}},
                     {"form", list.form},
                     {"settings", Json::parse(list.settings)},
                     {"n", list.n},
                     {"rejected", list.rejected},
                     {"few_samples", list.few_samples()}};
  std::string text = head.dump(1);
  text.erase(text.rfind('\n'));  // the object goes on
  text += ",\n \"layers\": [";
  for (std::size_t l = 0; l < list.layers.size(); ++l) {
    const HeadLayer& layer = list.layers[l];
    const Json row = {{"ranked", layer.ranked},
                      {"meaningful", list.meaningful(static_cast<int>(l))},
                      {"srh", json_of(layer.srh)},
                      {"trh", json_of(layer.trh)}};
    text += (l == 0 ? "\n  " : ",\n  ") + row.dump();
  }
  return text + "\n ]\n}\n";
}

void write_heads(const std::string& path, const HeadList& list) {
  write_file_atomic(path, heads_json(list));
}

}  // namespace polykv
