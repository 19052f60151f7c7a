#include "core/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <unordered_set>

#include "core/error.h"

namespace polykv {
namespace {

[[noreturn]] void fail_write(const std::string& path, int error) {
  throw Error(ErrorKind::failed, path + ": cannot be written (" + std::strerror(error) + ").");
}

// The cause alone: nlohmann's what() starts with its exception id and the position.
std::string parse_cause(const Json::exception& error) {
  const std::string what = error.what();
  const auto colon = what.find(": ");
  std::string cause = colon == std::string::npos ? what : what.substr(colon + 2);
  // "... - unexpected X; expected Y": the part after the dash says it shortest.
  const auto dash = cause.rfind(" - ");
  if (dash != std::string::npos) cause = cause.substr(dash + 3);
  const auto last_read = cause.find("; last read");
  if (last_read != std::string::npos) cause.resize(last_read);
  return cause;
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

void write_in_place(const std::string& path, std::string_view bytes) {
  const int fd = ::open(path.c_str(), O_WRONLY);
  if (fd < 0) fail_write(path, errno);
  int error = write_all(fd, bytes) ? 0 : errno;
  if (::close(fd) != 0 && error == 0) error = errno;
  if (error != 0) fail_write(path, error);
}

// Copying and writing a Json recurses once per level, so deep nesting would end the stack.
bool nested_too_deep(std::string_view text) {
  constexpr int kDeepest = 500;
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kDeepest) return true;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return false;
}

// nlohmann keeps the last of two equal keys, another reader the first: neither is right.
class DuplicateKeys {
 public:
  explicit DuplicateKeys(const std::string& origin) : origin_(origin) {}
  bool operator()(int, Json::parse_event_t event, const Json& parsed) {
    if (event == Json::parse_event_t::object_start) open_.emplace_back();
    if (event == Json::parse_event_t::object_end) open_.pop_back();
    if (event != Json::parse_event_t::key) return true;
    Object& object = open_.back();
    object.last = parsed.get_ref<const std::string&>();
    if (object.keys.insert(object.last).second) return true;
    std::string path;
    for (const Object& one : open_) path += (path.empty() ? "" : ": ") + one.last;
    fail_input(origin_, path, "stands twice, expected each key once");
  }

 private:
  struct Object {
    std::unordered_set<std::string> keys;
    std::string last;  // the key whose value is being read
  };
  const std::string& origin_;
  std::vector<Object> open_;
};

}  // namespace

std::string read_text_file(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    fail_input(path, "", "a file was expected, this is a folder");
  }
  std::ifstream in(path, std::ios::binary);
  if (!in) fail_input(path, "", std::string("cannot be read (") + std::strerror(errno) + ")");
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (in.bad()) fail_input(path, "", "cannot be read to its end");
  return text;
}

Json parse_json(std::string_view text, const std::string& origin) {
  if (nested_too_deep(text)) fail_input(origin, "", "nested more than 500 levels deep");
  try {
    DuplicateKeys check(origin);
    return Json::parse(text.begin(), text.end(), std::ref(check));
  } catch (const Json::parse_error& error) {
    const std::size_t at = std::min<std::size_t>(error.byte, text.size());
    // error.byte counts from 1 and points behind the byte read last.
    const std::size_t before = at > 0 ? at - 1 : 0;
    const auto line = 1 + std::count(text.begin(), text.begin() + before, '\n');
    fail_input(origin, "line " + std::to_string(line), "not JSON, " + parse_cause(error));
  } catch (const Json::out_of_range& error) {  // 1e999 is no parse_error
    fail_input(origin, "", "expected numbers that a double holds, " + parse_cause(error));
  }
}

Json read_json_file(const std::string& path) { return parse_json(read_text_file(path), path); }

void write_file_atomic(const std::string& path, std::string_view bytes) {
  // A link is followed, so that rename replaces the file and not the link.
  std::error_code no_link;
  const auto resolved = std::filesystem::canonical(path, no_link);
  const std::string target = no_link ? path : resolved.string();

  struct stat old {};
  const bool exists = ::stat(target.c_str(), &old) == 0;
  // A device or pipe ("/dev/null") is written to; a rename would replace it by a file.
  if (exists && !S_ISREG(old.st_mode)) return write_in_place(path, bytes);

  // Process and thread make the name unique among writers; what a crash left is overwritten.
  const std::string temporary =
      target + ".tmp" + std::to_string(::getpid()) + "-" + std::to_string(::gettid());
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0666);
  if (fd < 0) fail_write(path, errno);

  const bool written = (!exists || ::fchmod(fd, old.st_mode & 07777) == 0) &&
                       write_all(fd, bytes) && ::fsync(fd) == 0;
  int error = written ? 0 : errno;
  if (::close(fd) != 0 && error == 0) error = errno;
  if (error == 0 && ::rename(temporary.c_str(), target.c_str()) != 0) error = errno;
  if (error != 0) {
    ::unlink(temporary.c_str());
    fail_write(path, error);
  }

  // The rename itself reaches the disk with the folder; a file system that refuses this is fine.
  const auto folder = std::filesystem::path(target).parent_path();
  const int folder_fd = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY);
  if (folder_fd >= 0) {
    ::fsync(folder_fd);
    ::close(folder_fd);
  }
}

}  // namespace polykv
