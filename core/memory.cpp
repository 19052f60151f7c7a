#include "core/memory.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <optional>

namespace polykv {
namespace {

constexpr std::int64_t kNoLimit = std::numeric_limits<std::int64_t>::max();

// The number at the start of text after blanks; none for "max".
std::optional<std::int64_t> number_in(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string::npos) return std::nullopt;
  std::int64_t value = 0;
  const auto read = std::from_chars(text.data() + first, text.data() + text.size(), value);
  if (read.ec != std::errc()) return std::nullopt;
  return value;
}

std::optional<std::int64_t> number_file(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  if (!std::getline(in, line)) return std::nullopt;
  return number_in(line);
}

// The number behind a word that starts a line.
std::optional<std::int64_t> field(const std::string& path, const std::string& word) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(word)) return number_in(line.substr(word.size()));
  }
  return std::nullopt;
}

struct CgroupFiles {
  const char *mount, *limit, *usage, *reclaimable;
};
constexpr CgroupFiles kVersion2 = {"/sys/fs/cgroup", "memory.max", "memory.current",
                                   "inactive_file "};
constexpr CgroupFiles kVersion1 = {"/sys/fs/cgroup/memory", "memory.limit_in_bytes",
                                   "memory.usage_in_bytes", "total_inactive_file "};

// What one group leaves: its page cache that was not used lately counts as free.
std::int64_t room_of(const std::string& folder, const CgroupFiles& files) {
  const auto limit = number_file(folder + "/" + files.limit);
  const auto usage = number_file(folder + "/" + files.usage);
  if (!limit || !usage) return kNoLimit;
  const std::int64_t cached = field(folder + "/memory.stat", files.reclaimable).value_or(0);
  return std::max<std::int64_t>(0, *limit - std::max<std::int64_t>(0, *usage - cached));
}

// The tightest of a group and all groups around it.
std::int64_t room_from(const std::string& root, std::string group, const CgroupFiles& files) {
  std::int64_t room = kNoLimit;
  while (true) {
    room = std::min(room, room_of(root + files.mount + group, files));
    const std::size_t slash = group.rfind('/');
    if (slash == std::string::npos) return room;
    group.resize(slash);
  }
}

std::int64_t cgroup_room(const std::string& root) {
  std::ifstream in(root + "/proc/self/cgroup");
  std::int64_t room = kNoLimit;
  for (std::string line; std::getline(in, line);) {  // "0::/path" or "4:memory:/path"
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    std::string group = line.substr(second + 1);
    while (!group.empty() && group.back() == '/') group.pop_back();
    if (controllers == ",,") room = std::min(room, room_from(root, group, kVersion2));
    if (controllers.find(",memory,") != std::string::npos)
      room = std::min(room, room_from(root, group, kVersion1));
  }
  return room;
}

}  // namespace

std::int64_t free_memory_bytes(const std::string& root) {
  const auto available = field(root + "/proc/meminfo", "MemAvailable:");
  const std::int64_t machine = available ? *available * 1024 : kNoLimit;
  const std::int64_t room = std::min(machine, cgroup_room(root));
  return room == kNoLimit ? 0 : room;
}

}  // namespace polykv
