#include "core/probe/head_score.h"

#include <catch2/catch.hpp>

#include "core/files.h"
#include "tests/support/goldens.h"

using namespace polykv;

TEST_CASE("The toy numbers of span ids 7 8 7 come out") {
  const std::vector<int> ids = {3, 7, 8, 7, 5};
  const std::vector<float> half_on_span = {.1f, .2f, .05f, .25f, .4f};
  const StepScore seven = step_score(ids, {1, 3}, 7, half_on_span);
  CHECK(seven.paper == Approx(.5));
  CHECK(seven.multiplicity == Approx(1.0));
  CHECK(seven.top1 == 0);  // the largest weight is behind the span
  const StepScore nine = step_score(ids, {1, 3}, 9, half_on_span);
  CHECK((nine.paper == 0 && nine.multiplicity == 0 && nine.top1 == 0));
  // A weight of 3/4 on the first 7 hits; of two equal largest weights the earlier one counts.
  CHECK(step_score(ids, {1, 3}, 7, std::vector<float>{0, .75f, .25f, 0, 0}).top1 == Approx(1. / 3));
  CHECK(step_score(ids, {1, 3}, 7, std::vector<float>{.5f, .5f, 0, 0, 0}).top1 == 0);
}

TEST_CASE("Every head score of the reference runs comes out in all three forms") {
  const Json runs = read_json_file(golden("compresskv/head_scores.json"));
  REQUIRE(runs.size() == 7);
  int heads_checked = 0;
  for (const Json& run : runs) {
    const auto ids = run["prompt_ids"].get<std::vector<int>>();
    const Span span{run["span"][0], run["span"][1].get<int>() - 1};  // stored as [start, end)
    const std::size_t heads = run["semantic_indicator"].size();
    std::vector<StepScore> sums(heads);
    std::vector<int> cached = ids;
    for (const Json& step : run["steps"]) {
      for (std::size_t h = 0; h < heads; ++h) {
        const auto row = step["attention"][h].get<std::vector<float>>();
        REQUIRE(row.size() == cached.size());
        sums[h] += step_score(cached, span, step["emitted"], row);
      }
      cached.push_back(step["emitted"]);
    }
    for (std::size_t h = 0; h < heads; ++h) {
      CAPTURE(run["label"], h);
      CHECK(sums[h].paper == Approx(run["semantic_indicator"][h].get<double>()).margin(1e-6));
      CHECK(sums[h].multiplicity ==
            Approx(run["semantic_multiplicity"][h].get<double>()).margin(1e-6));
      CHECK(sums[h].top1 == Approx(run["retrieval_top1"][h].get<double>()).margin(1e-12));
      ++heads_checked;
    }
  }
  CHECK(heads_checked == 16);
}

TEST_CASE("A head's mean, standard error and count are those of its runs") {
  const HeadScore score = summarize_runs(std::vector<double>{1, 2, 3, 6});
  CHECK(score.mean == Approx(3));
  CHECK(score.spread == Approx(1.0801234));  // sqrt(14 / 3 / 4)
  CHECK(score.n == 4);
  CHECK(summarize_runs(std::vector<double>{2.5}) == HeadScore{2.5, 0, 1});
  CHECK(summarize_runs({}) == HeadScore{});
}

TEST_CASE("Heads rank by mean, and equal means go to the lower layer and head") {
  const std::vector<HeadScore> layer = {{.2}, {.5}, {0}, {.5}, {.9}};
  CHECK(rank_heads(layer) == std::vector<int>{4, 1, 3, 0, 2});
  const std::vector<HeadScore> other = {{.5}, {0}, {0}, {0}, {1}};
  CHECK(top_heads({layer, other}, 4) == std::vector<HeadPlace>{{1, 4}, {0, 4}, {0, 1}, {0, 3}});
  CHECK(top_heads({layer, other}, 99).size() == 10);
}
