// Wrong usage: exit code 2, the nearest word, and a --help that says what there is.
#include <catch2/catch.hpp>

#include "tests/app/program.h"

using namespace polykv;

namespace {

const char* const kWords[] = {"score",    "generate",  "keep",    "needle", "tokenize", "logits",
                              "check",    "policies",  "inspect", "bench",  "heads",    "export",
                              "allocate", "calibrate", "route",   "tune",   "audit",    "merge"};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

void check_wrong(const std::string& arguments, const std::string& part) {
  const Ran ran = run_program(arguments);
  INFO(arguments << "\nstderr: " << ran.err);
  CHECK(ran.code == 2);
  CHECK(ran.out.empty());
  CHECK(contains(ran.err, part));
}

}  // namespace

TEST_CASE("the --help of the program lists every word") {
  const Ran ran = run_program("--help");
  REQUIRE(ran.code == 0);
  CHECK(contains(ran.out, "--screenshot"));
  for (const char* word : kWords) CHECK(contains(ran.out, std::string("\n  ") + word + " "));
}

TEST_CASE("the --help of every word shows its usage and the shared options") {
  for (const char* word : kWords) {
    const Ran ran = run_program(std::string(word) + " --help");
    INFO(word << ": " << ran.out << ran.err);
    CHECK(ran.code == 0);
    CHECK(ran.out.starts_with(std::string("usage: polykv-studio ") + word));
    for (const char* option : {"--json", "--model", "--threads", "--seed", "--device", "--help"}) {
      CHECK(contains(ran.out, option));
    }
  }
}

TEST_CASE("a misspelt word or option suggests the nearest one") {
  check_wrong("scor", "did you mean 'score'");
  check_wrong("score --plam full", "did you mean '--plan'");
  check_wrong("--screnshot x.png", "did you mean '--screenshot'");
  check_wrong("score --query awar", "did you mean 'aware'");
}

TEST_CASE("missing, surplus and malformed arguments are wrong usage") {
  check_wrong("inspect", "DIR is missing");
  check_wrong("check more", "'more'");
  check_wrong("score --plan", "--plan needs a value");
  check_wrong("score --json=yes", "--json takes no value");
  check_wrong("generate", "a prompt is missing");
  check_wrong("generate --prompt a --ids b", "exclude each other");
  check_wrong("keep --prompt a", "--plan is missing");
  check_wrong("logits --prompt a", "--out is missing");
  check_wrong("heads", "--out is missing");
  check_wrong("heads --form papr --out x", "did you mean 'paper'");
  check_wrong("heads --mask-top 0 --out /dev/null --count 1", "--mask-top");
  check_wrong("generate --prompt a --max-new x", "an integer");
  check_wrong("generate --prompt a --max-new 0", "from 1 to");
  check_wrong("needle --depths 0,1.5", "--depths");
  check_wrong("needle --task sinle", "did you mean 'single'");
  check_wrong("bench fast", "expected one of engine, live, policies, kernels");
  check_wrong("allocate --total 64", "--allocator is missing");
  check_wrong("allocate --allocator pyramd --total 64", "did you mean 'pyramid'");
  check_wrong("allocate --allocator uniform --total 64", "--layers is missing");
  check_wrong("allocate --allocator error --total 64 --layers 4", "--signal is missing");
  check_wrong("allocate --allocator uniform --total 64 --layers 4 --beta 3", "no parameter");
  check_wrong("allocate --allocator error --total 64 --signal entropie", "'entropy'");
  check_wrong("export --to kvpress --out x.py", "--plan is missing");
  check_wrong("export --plan full --out x.py", "--to is missing");
  check_wrong("export --plan full --to kvpress", "--out is missing");
  check_wrong("export --plan full --to kvpres --out x.py", "did you mean 'kvpress'");
  check_wrong("export --plan full --to vllm --out x.py", "expected one of kvpress");
  check_wrong("check --device tpu", "cpu, cuda");
  check_wrong("check --dtype bf61", "did you mean 'bf16'");
  check_wrong("--size 10x10", "--size");
}

TEST_CASE("a value may stand behind an equals sign and begin with dashes") {
  const Ran ran = run_program("tokenize --prompt=--json --no-special --json");
  INFO(ran.err);
  REQUIRE(ran.code == 0);
  CHECK(Json::parse(ran.out).at("decoded") == "--json");
}
