#include "core/budgets/signal.h"

#include <catch2/catch.hpp>

#include "core/error.h"

using namespace polykv;
using Catch::Contains;

namespace {

Signal parsed(const char* text) { return parse_signal(parse_json(text, "s.json"), "s.json"); }

}  // namespace

TEST_CASE("a signal file is a list of numbers or an object with parts") {
  CHECK(parsed("[1, 2.5, 0]").values == std::vector<double>{1, 2.5, 0});
  const Signal parts = parsed(
      R"({"values": [1, 2], "variance": [3, 4], "at": [8, 16], "curves": [[0.1, 0.2], [[0.3, 1], [0.4, 1]]],
          "scores": [[1, 2, 3], [[1], [2]]]})");
  CHECK(parts.layers() == 2);
  CHECK(parts.variance == std::vector<double>{3, 4});
  CHECK(parts.at == std::vector<int>{8, 16});
  CHECK(parts.curves[0] == Signal::Rows{{.1, .2}});
  CHECK(parts.curves[1] == Signal::Rows{{.3, 1}, {.4, 1}});
  CHECK(parts.scores[1] == Signal::Rows{{1}, {2}});
}

TEST_CASE("a signal written and read again is the same") {
  const Signal before = parsed(
      R"({"values": [0.1, 2], "at": [0, 7], "curves": [[[0, 0.25]], [[0.125, 1]]], "variance": [1, 2]})");
  const Signal after = parse_signal(signal_json(before), "s.json");
  CHECK(after.values == before.values);
  CHECK(after.variance == before.variance);
  CHECK(after.at == before.at);
  CHECK(after.curves == before.curves);
  CHECK(after.scores.empty());
}

TEST_CASE("a signal file that cannot be used is refused by file, key and expectation") {
  CHECK_THROWS_WITH(parsed("[1, \"two\"]"), Contains("s.json") && Contains("[1]"));
  CHECK_THROWS_WITH(parsed("{}"), Contains("s.json") && Contains("values, variance"));
  CHECK_THROWS_WITH(parsed("[]"), Contains("s.json"));
  CHECK_THROWS_WITH(parsed("3"), Contains("one number per layer"));
  CHECK_THROWS_WITH(parsed(R"({"values": [1], "variance": [1, 2]})"),
                    Contains("variance") && Contains("found 2"));
  CHECK_THROWS_WITH(parsed(R"({"curves": [[0.5]], "at": [1.5]})"), Contains("at"));
  CHECK_THROWS_WITH(parsed(R"({"curves": 3})"), Contains("curves"));
}

TEST_CASE("curves must fit the token counts they are given for") {
  const auto check = [](const char* text) { check_signal(parsed(text), kCurves, "allocator x"); };
  CHECK_NOTHROW(check(R"({"curves": [[0.5, 1]], "at": [8, 16]})"));
  CHECK_THROWS_WITH(check(R"({"curves": [[0.5, 1, 1]], "at": [8, 16]})"),
                    Contains("layer 0") && Contains("found 3"));
  CHECK_THROWS_WITH(check(R"({"curves": [[0.5, 1]], "at": [16, 8]})"), Contains("ascending"));
  CHECK_THROWS_WITH(check(R"({"curves": [[[0.5, 1], [1]]]})"), Contains("same length"));
}
