#include "core/files.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <functional>

#include "core/error.h"

using namespace polykv;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

struct TempFolder {
  fs::path path;
  TempFolder() {
    std::string name = (fs::temp_directory_path() / "polykv-files-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~TempFolder() { fs::remove_all(path); }
  std::string file(const char* name) const { return (path / name).string(); }
  int count() const {
    return static_cast<int>(std::distance(fs::directory_iterator(path), fs::directory_iterator()));
  }
};

// No file may grow beyond `bytes` while this lives: what a full disk does to a write.
struct FullDisk {
  rlimit old{};
  explicit FullDisk(rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &old);
    const rlimit small{bytes, old.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &small);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &old);
    std::signal(SIGXFSZ, SIG_DFL);
  }
};

ErrorKind kind_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.kind();
  }
  FAIL("no error");
  return ErrorKind::failed;
}

}  // namespace

TEST_CASE("a written file reads back byte for byte and leaves no other file") {
  TempFolder folder;
  const std::string bytes("line\r\n\0\xff end", 12);
  write_file_atomic(folder.file("a.bin"), bytes);
  CHECK(read_text_file(folder.file("a.bin")) == bytes);
  write_file_atomic(folder.file("a.bin"), "");
  CHECK(read_text_file(folder.file("a.bin")).empty());
  CHECK(folder.count() == 1);
}

TEST_CASE("a full disk leaves the old file as it was, and no temporary file") {
  TempFolder folder;
  write_file_atomic(folder.file("plan.json"), "old");
  {
    FullDisk full(100);
    CHECK(kind_of([&] { write_file_atomic(folder.file("plan.json"), std::string(5000, 'x')); }) ==
          ErrorKind::failed);
  }
  CHECK(read_text_file(folder.file("plan.json")) == "old");
  CHECK(folder.count() == 1);
}

TEST_CASE("writing keeps the permissions of the file and follows a link") {
  TempFolder folder;
  write_file_atomic(folder.file("target"), "old");
  fs::permissions(folder.file("target"), fs::perms::owner_read | fs::perms::owner_write);
  fs::create_symlink(folder.file("target"), folder.file("link"));
  write_file_atomic(folder.file("link"), "new");
  CHECK(fs::is_symlink(folder.file("link")));
  CHECK(read_text_file(folder.file("target")) == "new");
  CHECK(fs::status(folder.file("target")).permissions() ==
        (fs::perms::owner_read | fs::perms::owner_write));
}

TEST_CASE("writing to a pipe or device does not replace it by a file") {
  TempFolder folder;
  const std::string pipe = folder.file("pipe");
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  write_file_atomic(pipe, "told");
  char read[8] = {};
  CHECK(::read(reader, read, sizeof read) == 4);
  CHECK(std::string(read) == "told");
  ::close(reader);
  CHECK(fs::is_fifo(pipe));
}

TEST_CASE("a write that cannot be made names the file and the cause") {
  CHECK_THROWS_WITH(write_file_atomic("/no/such/folder/plan.json", "x"),
                    Contains("/no/such/folder/plan.json") && Contains("No such file"));
}

TEST_CASE("a missing file and a folder are input errors that name the path") {
  TempFolder folder;
  CHECK(kind_of([] { read_text_file("/no/such/plan.json"); }) == ErrorKind::input);
  CHECK_THROWS_WITH(read_text_file("/no/such/plan.json"), Contains("/no/such/plan.json"));
  CHECK_THROWS_WITH(read_text_file(folder.path.string()), Contains("folder"));
}

TEST_CASE("broken JSON is an input error with origin and line") {
  CHECK(kind_of([] { parse_json("{", "plan.json"); }) == ErrorKind::input);
  CHECK_THROWS_WITH(parse_json("{\n \"a\": 1,\n \"b\": x\n}", "plan.json"),
                    Contains("plan.json: line 3"));
  CHECK_THROWS_WITH(parse_json("", "plan.json"), Contains("plan.json: line 1"));
  CHECK_THROWS_WITH(parse_json("{\"a\": \"\xff\"}", "plan.json"), Contains("plan.json: line 1"));
  CHECK(parse_json("{\"a\": [1, 2]}", "plan.json")["a"][1] == 2);
}

TEST_CASE("deep nesting is refused before it can end the stack") {
  const std::string deep = std::string(200000, '[') + std::string(200000, ']');
  CHECK_THROWS_WITH(parse_json(deep, "plan.json"), Contains("plan.json") && Contains("nested"));
  // Brackets inside a text do not nest.
  const std::string text = "[\"\\\"" + std::string(1000, '[') + "\"]";
  CHECK(parse_json(text, "plan.json")[0].get<std::string>().size() == 1001);
}
