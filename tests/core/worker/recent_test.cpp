#include "core/worker/recent.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/support/scratch.h"

using namespace polykv;

TEST_CASE("the recent list holds the last eight folders, newest first and each once") {
  const ScratchFolder state;
  const std::string folder = state.file("deep/er");  // made on the way
  for (int i = 0; i < 11; ++i) add_recent(folder, "/models/" + std::to_string(i));
  add_recent(folder, "/models/7");
  add_recent(folder, state.path);
  const std::vector<RecentFolder> recent = read_recent(folder);
  REQUIRE(recent.size() == 8);
  CHECK(recent[0].folder == state.path);
  CHECK_FALSE(recent[0].missing);
  CHECK(recent[1].folder == "/models/7");
  CHECK(recent[1].missing);
  CHECK(recent[2].folder == "/models/10");
  CHECK(recent[7].folder == "/models/4");
}

TEST_CASE("a recent list that is missing or broken is empty and can be written again") {
  const ScratchFolder state;
  CHECK(read_recent(state.path).empty());
  CHECK(read_recent("").empty());
  for (const char* text : {"", "{", "[]", "{\"format\": 3}", "{\"format\": \"other\"}",
                           "{\"format\": \"polykv-recent/1\", \"folders\": 5}",
                           "{\"format\": \"polykv-recent/1\", \"folders\": {\"a\": [1]}}",
                           "{\"format\": \"polykv-recent/1\", \"folders\": [1, null, \"\"]}"}) {
    INFO(text);
    state.write("recent.json", text);
    CHECK(read_recent(state.path).empty());
    add_recent(state.path, "/a");
    CHECK(read_recent(state.path).size() == 1);
  }
  std::filesystem::remove(state.file("recent.json"));
  std::filesystem::create_directory(state.file("recent.json"));
  CHECK(read_recent(state.path).empty());
}

TEST_CASE("a typed path goes on to the folders that start with it") {
  const ScratchFolder scratch;
  for (const char* name : {"models", "more", "other", ".hidden"})
    std::filesystem::create_directory(scratch.file(name));
  scratch.write("motto.txt", "");
  const auto at = [&](const char* name) { return scratch.file(name); };
  CHECK(complete_folder(at("mo"), 9) == std::vector{at("models/"), at("more/")});
  CHECK(complete_folder(at("mo"), 1) == std::vector{at("models/")});
  CHECK(complete_folder(at(""), 9).size() == 3);
  CHECK(complete_folder(at(".h"), 9) == std::vector{at(".hidden/")});
  CHECK(complete_folder(at("nothing"), 9).empty());
  CHECK(complete_folder("/nonexistent/x", 9).empty());
}
