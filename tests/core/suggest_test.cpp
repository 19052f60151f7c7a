#include "core/suggest.h"

#include <catch2/catch.hpp>

using polykv::nearest_word;

TEST_CASE("a typing slip finds the word that was meant") {
  const std::vector<std::string> known = {"full", "snapkv", "streaming_llm", "h2o", "tova"};
  CHECK(nearest_word("snapkb", known) == "snapkv");
  CHECK(nearest_word("SnapKV", known) == "snapkv");
  CHECK(nearest_word("snpakv", known) == "snapkv");  // neighbours swapped
  CHECK(nearest_word("h20", known) == "h2o");
  CHECK(nearest_word("streaming", known) == "");  // four letters off, three allowed
  CHECK(nearest_word("streamingllm", known) == "streaming_llm");
}

TEST_CASE("a word unlike all known ones has no nearest word") {
  CHECK(nearest_word("zebra", {"full", "snapkv"}) == "");
  CHECK(nearest_word("", {"full", "snapkv"}) == "");
  CHECK(nearest_word("xy", {"ab"}) == "");
  CHECK(nearest_word("full", {}) == "");
  CHECK(nearest_word(std::string(100000, 'a'), {"full"}) == "");
}

TEST_CASE("of two words equally near the first known one is suggested") {
  CHECK(nearest_word("cat", {"bat", "hat"}) == "bat");
}
