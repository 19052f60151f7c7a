#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>

#include "core/error.h"
#include "core/files.h"
#include "core/model/weights.h"
#include "tests/fuzz/open_input.h"

using namespace polykv;

namespace {

std::vector<std::filesystem::path> corpus(const std::string& target) {
  const std::string folder = std::string(POLYKV_SOURCE) + "/tests/fuzz/corpus/" + target;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// "" when it opened, else the sentence of the input Error; anything else thrown leaves.
template <typename Open>
std::string error_of(const Open& open) {
  try {
    open();
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::input);
    return error.what();
  }
  return "";
}

void check_corpus(const std::string& target,
                  void (*open)(const ScratchFolder&, const std::string&)) {
  const auto files = corpus(target);
  REQUIRE(files.size() > 10);
  for (const auto& file : files) {
    const std::string name = file.filename().string();
    INFO(target << "/" << name);
    const ScratchFolder folder;
    std::string error;
    CHECK_NOTHROW(error = error_of([&] { open(folder, read_text_file(file.string())); }));
    // Names beginning with "valid" open; what the fuzzer found may do either.
    if (name.starts_with("valid")) CHECK(error == "");
    if (error.empty()) continue;
    CHECK(error.find('\n') == std::string::npos);
  }
}

// The bytes of a safetensors file with this header text, whatever it says.
std::string file_bytes(const std::string& header, std::size_t data) {
  const std::uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + std::string(data, '\1');
}

std::string one_tensor(const std::string& name) {
  return file_bytes("{\"" + name + "\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
                    8);
}

// A folder with the shards 1 (tensor "a") and 2 (tensor "b") and their index.
struct Sharded {
  Sharded() {
    folder.write("1.safetensors", one_tensor("a"));
    folder.write("2.safetensors", one_tensor("b"));
    place("1.safetensors", "2.safetensors");
  }
  void place(const std::string& a, const std::string& b) {
    const Json index = {{"weight_map", {{"a", a}, {"b", b}}}};
    folder.write("model.safetensors.index.json", index.dump());
  }
  std::string error() const {
    return error_of([&] { Weights(folder.path).find("b", {2}); });
  }
  ScratchFolder folder;
};

void check_names(const std::string& error, const std::vector<std::string>& words) {
  INFO(error);
  for (const std::string& word : words) CHECK(error.find(word) != std::string::npos);
}

}  // namespace

TEST_CASE("every safetensors file of the fuzz corpus opens or is an input error") {
  check_corpus("safetensors", fuzz::open_safetensors);
}

TEST_CASE("every shard index of the fuzz corpus opens its shards or is an input error") {
  check_corpus("index", fuzz::open_index);
}

TEST_CASE("every config of the fuzz corpus is read or is an input error") {
  check_corpus("config", fuzz::open_config);
}

TEST_CASE("every chat template of the fuzz corpus renders or is an input error") {
  check_corpus("template", fuzz::open_template);
}

TEST_CASE("every tokenizer file of the fuzz corpus works or is an input error") {
  check_corpus("tokenizer", fuzz::open_tokenizer);
}

TEST_CASE("shards that are missing, cut off, elsewhere or misplaced are refused by name") {
  Sharded sharded;
  CHECK(sharded.error() == "");
  SECTION("missing") {
    std::filesystem::remove(sharded.folder.file("2.safetensors"));
    check_names(sharded.error(), {"2.safetensors", "cannot be opened"});
  }
  SECTION("cut off in the data") {
    std::filesystem::resize_file(sharded.folder.file("2.safetensors"), one_tensor("b").size() - 1);
    check_names(sharded.error(), {"2.safetensors: b", "truncated"});
  }
  SECTION("cut off in the header") {
    std::filesystem::resize_file(sharded.folder.file("2.safetensors"), 30);
    check_names(sharded.error(), {"2.safetensors: header", "truncated"});
  }
  SECTION("a tensor placed in the wrong shard") {
    sharded.place("1.safetensors", "1.safetensors");
    check_names(sharded.error(), {"1.safetensors: b", "the index places it here"});
  }
  SECTION("a path to another folder") {
    sharded.place("1.safetensors", "../2.safetensors");
    check_names(sharded.error(), {"index.json: weight_map.b", "same folder", "../2.safetensors"});
  }
  SECTION("an absolute path") {
    sharded.place("1.safetensors", sharded.folder.file("2.safetensors"));
    check_names(sharded.error(), {"index.json: weight_map.b", "same folder"});
  }
  SECTION("the folder itself") {
    sharded.place("1.safetensors", ".");
    check_names(sharded.error(), {"expected a safetensors file"});
  }
}

TEST_CASE("a header of 2^60 bytes is refused before anything of that size is read") {
  const ScratchFolder folder;
  std::string bytes = one_tensor("a");
  const std::uint64_t length = 1ull << 60;
  std::memcpy(bytes.data(), &length, 8);
  const std::string path = folder.write("model.safetensors", bytes);
  check_names(error_of([&] { SafetensorsFile{path}; }),
              {"model.safetensors: header", "1152921504606846976 bytes"});
}

TEST_CASE("a link that points to itself is an input error with and without shards beside it") {
  Sharded sharded;
  const std::string single = sharded.folder.file("model.safetensors");
  std::filesystem::create_symlink("model.safetensors", single);
  check_names(sharded.error(), {"model.safetensors", "symbolic links"});
  std::filesystem::remove(sharded.folder.file("model.safetensors.index.json"));
  check_names(sharded.error(), {"model.safetensors", "symbolic links"});
}

TEST_CASE("links that point to themselves in place of the JSON files are input errors") {
  const ScratchFolder folder;
  for (const char* name : {"config.json", "tokenizer.json"}) {
    std::filesystem::create_symlink(name, folder.file(name));
  }
  check_names(error_of([&] { read_config(folder.path); }), {"config.json", "symbolic links"});
  check_names(error_of([&] { Tokenizer::read(folder.path); }),
              {"tokenizer.json", "symbolic links"});
  std::filesystem::remove(folder.file("config.json"));
  const std::string golden = std::string(POLYKV_SOURCE) + "/tests/fuzz/corpus/config/valid_llama";
  std::filesystem::copy(golden, folder.file("config.json"));
  std::filesystem::create_symlink("generation_config.json", folder.file("generation_config.json"));
  check_names(error_of([&] { read_config(folder.path); }),
              {"generation_config.json", "symbolic links"});
}

TEST_CASE("a key that stands twice in a safetensors header is refused by name") {
  const ScratchFolder folder;
  const auto error = [&](const std::string& header) {
    const std::string path = folder.write("model.safetensors", file_bytes(header, 16));
    return error_of([&] { SafetensorsFile{path}; });
  };
  const std::string low = R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  const std::string high = R"({"dtype":"F32","shape":[2],"data_offsets":[8,16]})";
  CHECK(error(R"({"a":)" + low + R"(,"b":)" + high + "}") == "");
  check_names(error(R"({"a":)" + low + R"(,"a":)" + high + "}"),
              {"model.safetensors", "a: ", "twice"});
  // Two spellings of one name.
  check_names(error(R"({"a":)" + low + R"(,"\u0061":)" + high + "}"), {"a: ", "twice"});
  check_names(error(R"({"a":{"dtype":"F32","shape":[1],"shape":[2],"data_offsets":[0,8]}})"),
              {"a: shape", "twice"});
  check_names(error(R"({"__metadata__":{"format":"pt"},"__metadata__":{},"a":)" + low + "}"),
              {"__metadata__: ", "twice"});
}

TEST_CASE("a tensor of another type is no error until it is asked for") {
  const ScratchFolder folder;
  const auto open = [&](const std::string& dtype, const std::string& ends) {
    const std::string header =
        R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":")" + dtype +
        R"(","shape":[1],"data_offsets":)" + ends + "}}";
    return folder.write("model.safetensors", file_bytes(header, 16));
  };
  const Weights weights((open("I64", "[8,16]"), folder.path));
  CHECK(weights.find("a", {2}).bytes == 8);
  check_names(error_of([&] { weights.find("b", {1}); }),
              {"model.safetensors: b: ", "dtype I64 is not supported, expected F32"});
  check_names(error_of([&] { SafetensorsFile{open("I32", "[8,16]")}; }), {"b: ", "needs 4 bytes"});
  check_names(error_of([&] { SafetensorsFile{open("F64", "[4,12]")}; }), {"overlap"});
  check_names(error_of([&] { SafetensorsFile{open("F4", "[8,16]")}; }), {"b: ", "F4"});
}

TEST_CASE("a number beyond what a double holds is an input error naming the file") {
  check_names(error_of([] { parse_json("{\"a\": 1e999}", "x.json"); }), {"x.json", "1e999"});
}

TEST_CASE("a config whose sizes cannot belong together is refused by key") {
  const struct {
    const char *file, *key;
  } rows[] = {{"max_window_layers_text", "max_window_layers"},
              {"max_window_layers_negative", "max_window_layers"},
              {"max_window_layers_1e300", "max_window_layers"},
              {"layers_1e9", "num_hidden_layers"},
              {"heads_beyond_hidden", "head_dim"},
              {"heads_1e9", "head_dim"},
              {"dynamic_1e300", "rope_scaling.factor"},
              {"yarn_scale_not_finite", "rope_scaling.factor"},
              {"eos_2_to_63", "eos_token_id"}};
  for (const auto& row : rows) {
    const ScratchFolder folder;
    const std::string path = std::string(POLYKV_SOURCE) + "/tests/fuzz/corpus/config/" + row.file;
    const std::string error = error_of([&] { fuzz::open_config(folder, read_text_file(path)); });
    INFO(row.file);
    check_names(error, {"config.json: ", row.key});
  }
}

TEST_CASE("steps of a tokenizer file that blow a short text up are stopped") {
  for (const char* name : {"normalizer_grows", "decoder_grows", "pre_tokenizer_grows"}) {
    const ScratchFolder folder;
    const std::string path = std::string(POLYKV_SOURCE) + "/tests/fuzz/corpus/tokenizer/" + name;
    INFO(name);
    check_names(error_of([&] { fuzz::open_tokenizer(folder, read_text_file(path)); }), {"grow"});
  }
}
