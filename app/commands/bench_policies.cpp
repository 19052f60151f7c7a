// `bench policies`: what a cut of one layer costs beside that layer's attention.
#include <algorithm>
#include <iostream>
#include <map>
#include <optional>

#include "app/commands/bench.h"
#include "app/commands/inputs.h"
#include "app/commands/table.h"
#include "core/bench/policy_cost.h"
#include "core/error.h"

namespace polykv {
namespace {

constexpr int kAimTokens = 8192;

// Largest share of the attention's time that the project allows a policy at that length.
const std::map<std::string, double> kAims = {
    {"snapkv", 0.03},        {"tova", 0.03},       {"knorm", 0.03}, {"keydiff", 0.03},
    {"streaming_llm", 0.03}, {"compresskv", 0.03}, {"h2o", 1.2}};

struct Row {
  std::string policy;
  int tokens = 0, budget = 0, repeats = 0;
  double attention_ms = 0;
  CutTime time;
  std::string skipped;  // why it was not measured; "" = it was

  double share() const { return time.total() / attention_ms; }
  std::optional<double> aim() const {
    const auto found = kAims.find(policy);
    if (tokens != kAimTokens || found == kAims.end()) return std::nullopt;
    return found->second;
  }
};

std::vector<const Policy*> measured_policies(const Options& given) {
  std::vector<const Policy*> all;
  std::vector<std::string> ids;
  for (const Policy& policy : policies()) {
    if (!(policy.phases & kPrefill) || !policy.score || (policy.needs & kNeedsFile)) continue;
    all.push_back(&policy);
    ids.push_back(policy.id);
  }
  const std::string only = given.has("--only") ? given.choice("--only", "", ids) : "";
  if (!only.empty()) std::erase_if(all, [&](const Policy* p) { return p->id != only; });
  return all;
}

// The quarter of the length says what a run may take at most: no policy is worse than quadratic.
std::vector<double> expected_seconds(RandomLayer& layer, const std::vector<const Policy*>& all,
                                     int tokens) {
  const int quarter = std::max(tokens / 4, 8);
  layer.fill(quarter);
  std::vector<double> seconds;
  for (const Policy* policy : all) {
    seconds.push_back(16e-3 * layer.cut(*policy, quarter / 8 + 1).total());
  }
  return seconds;
}

std::vector<Row> measure(RandomLayer& layer, const std::vector<const Policy*>& all, int tokens,
                         const Options& given, ProgressLine& progress) {
  const int repeats = given.integer("--repeats", 3, 1, 1000);
  const double limit = given.number("--limit", 120, 0, 1e9);
  const std::string what = std::to_string(tokens) + " tokens: ";
  progress.show(0, what + "a look at a quarter");
  const std::vector<double> seconds = expected_seconds(layer, all, tokens);
  layer.fill(tokens);
  std::vector<Row> rows;
  for (std::size_t i = 0; i < all.size(); ++i) {
    Row row{all[i]->id, tokens, std::max(tokens / 8, 1), repeats, 0, {}, ""};
    if (seconds[i] > limit) {
      row.skipped = "skipped: up to " + fixed(seconds[i], 0) + " s a run, --limit is " +
                    fixed(limit, 0) + " s";
    }
    rows.push_back(row);
  }
  std::vector<double> attention;
  std::vector<std::vector<CutTime>> times(all.size());
  for (int r = 0; r < repeats; ++r) {
    progress.show(double(r) / repeats, what + "attention");
    attention.push_back(layer.attention_ms());
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (!rows[i].skipped.empty()) continue;
      progress.show((r + double(i) / double(all.size())) / repeats, what + rows[i].policy);
      times[i].push_back(layer.cut(*all[i], rows[i].budget));
    }
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    rows[i].attention_ms = median(attention);
    if (times[i].empty()) continue;
    // The turn whose total is the median one: its parts add up.
    std::sort(times[i].begin(), times[i].end(),
              [](const CutTime& a, const CutTime& b) { return a.total() < b.total(); });
    rows[i].time = times[i][(times[i].size() - 1) / 2];
  }
  return rows;
}

Json json_of(const Row& row) {
  Json json = {{"policy", row.policy},   {"tokens", row.tokens}, {"budget", row.budget},
               {"repeats", row.repeats}, {"aim", nullptr},       {"attention_ms", row.attention_ms},
               {"skipped", row.skipped}, {"score_ms", nullptr},  {"select_ms", nullptr},
               {"compact_ms", nullptr},  {"total_ms", nullptr},  {"share", nullptr}};
  if (row.aim()) json["aim"] = *row.aim();
  if (!row.skipped.empty()) return json;
  json["score_ms"] = row.time.score;
  json["select_ms"] = row.time.select;
  json["compact_ms"] = row.time.compact;
  json["total_ms"] = row.time.total();
  json["share"] = row.share();
  return json;
}

int run(const Options& given) {
  ProgressLine progress;
  use_threads(given);
  const std::vector<const Policy*> all = measured_policies(given);
  const std::vector<int> lengths = given.integers("--lengths", "1024,8192,32768", 16, 1 << 20);
  progress.show(0, "making a layer");
  RandomLayer layer(given.seed(1));
  Json list = Json::array();
  Table table({"policy", "tokens", "attention", "score", "select", "compact", "share", "aim"});
  for (const int tokens : lengths) {
    for (const Row& row : measure(layer, all, tokens, given, progress)) {
      list.push_back(json_of(row));
      const auto ms = [](double value) { return fixed(value, 1) + " ms"; };
      const auto percent = [](double share) { return fixed(100 * share, 2) + "%"; };
      std::vector<std::string> cells = {row.policy, std::to_string(tokens), ms(row.attention_ms)};
      if (row.skipped.empty()) {
        cells.insert(cells.end(), {ms(row.time.score), ms(row.time.select), ms(row.time.compact),
                                   percent(row.share())});
      } else {
        cells.insert(cells.end(), {row.skipped, "", "", ""});
      }
      cells.push_back(row.aim() ? "<= " + fixed(100 * *row.aim(), 0) + "%" : "");
      table.add(cells);
    }
  }
  if (given.has("--json")) {
    print_json({{"threads", torch_threads()}, {"rows", list}});
    return 0;
  }
  progress.clear();
  table.print(std::cout);
  std::cout
      << torch_threads() << " threads, fp32, medians of " << given.integer("--repeats", 3, 1, 1000)
      << " turns; one layer with 32 query heads, 8 kv heads, 128 channels a head and hidden "
         "size 4096, all numbers noise; budget an eighth of the tokens. attention: LibTorch's "
         "causal scaled_dot_product_attention of the layer. score includes projecting the "
         "queries again from the hidden states, for kvzip its second reading without the "
         "MLP. There are aims at 8192 tokens only.\n";
  return 0;
}

}  // namespace

const Bench kPoliciesBench = {"policies", "what a policy's cut costs beside the layer's attention",
                              run};

}  // namespace polykv
