#include "core/plan/params.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <stdexcept>

#include "core/error.h"

using namespace polykv;
using Catch::Contains;

namespace {

const ParamSpec kSpecs[] = {
    {"window", ParamKind::integer, 1, 64, 8.0, ""},
    {"alpha", ParamKind::number, 0, 1, 0.2, ""},
    {"normalise", ParamKind::flag, 0, 0, true, ""},
    {"pool", ParamKind::choice, 0, 0, std::string("avg"), "", "avg|max"},
};

void check(const Params& given) { check_params(given, kSpecs, "plan.json: layer 3 prefill"); }

}  // namespace

TEST_CASE("a parameter is the value given, or else its default") {
  CHECK(integer_param({}, kSpecs, "window") == 8);
  CHECK(integer_param({{"window", 16.0}}, kSpecs, "window") == 16);
  CHECK(number_param({}, kSpecs, "alpha") == 0.2);
  CHECK(number_param({{"alpha", 0.5}}, kSpecs, "alpha") == 0.5);
  CHECK(flag_param({}, kSpecs, "normalise"));
  CHECK_FALSE(flag_param({{"normalise", false}}, kSpecs, "normalise"));
  CHECK(choice_param({}, kSpecs, "pool") == "avg");
  CHECK(choice_param({{"pool", std::string("max")}}, kSpecs, "pool") == "max");
}

TEST_CASE("asking for a parameter that does not exist is a mistake of the program") {
  CHECK_THROWS_AS(number_param({}, kSpecs, "sink"), std::logic_error);
  CHECK_THROWS_AS(flag_param({}, kSpecs, "window"), std::logic_error);
}

TEST_CASE("values inside their range pass the check") {
  CHECK_NOTHROW(check({}));
  CHECK_NOTHROW(check({{"window", 1.0}, {"alpha", 1.0}, {"normalise", false}}));
  CHECK_NOTHROW(check({{"window", 64.0}, {"alpha", 0.0}, {"pool", std::string("max")}}));
}

TEST_CASE("a wrong value is an input error that names place, parameter and range") {
  const auto expect = [](const Params& given, const char* part) {
    CHECK_THROWS_AS(check(given), Error);
    CHECK_THROWS_WITH(check(given), Contains("plan.json: layer 3 prefill") &&
                                        Contains("'" + given.begin()->first + "'") &&
                                        Contains(part));
  };
  expect({{"window", 0.0}}, "an integer from 1 to 64, found 0");
  expect({{"window", 65.0}}, "found 65");
  expect({{"window", 8.5}}, "found 8.5");
  expect({{"window", double(NAN)}}, "integer");
  expect({{"window", true}}, "found true");
  expect({{"alpha", -0.1}}, "a number from 0 to 1");
  expect({{"alpha", double(INFINITY)}}, "a number from 0 to 1");
  expect({{"normalise", 1.0}}, "true or false");
  expect({{"pool", std::string("min")}}, "one of avg, max, found 'min'");
  expect({{"pool", std::string("")}}, "one of avg, max");
  expect({{"windwo", 8.0}}, "nearest is 'window'");
  expect({{"zebra", 8.0}}, "known are window, alpha, normalise, pool");
  CHECK_THROWS_WITH(check_params({{"sink", 4.0}}, {}, "here"), Contains("there are none"));
}
