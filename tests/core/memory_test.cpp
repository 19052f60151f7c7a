#include "core/memory.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/support/scratch.h"

using namespace polykv;

namespace {

constexpr std::int64_t kMiB = 1 << 20;

// A machine of files: 8 GiB available, and what a test adds.
struct Machine {
  Machine() { put("/proc/meminfo", "MemTotal: 16 kB\nMemAvailable:    8388608 kB\n"); }
  void put(const std::string& path, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(folder.path + path).parent_path());
    folder.write(path.substr(1), text);
  }
  std::int64_t free() const { return free_memory_bytes(folder.path); }
  ScratchFolder folder;
};

}  // namespace

TEST_CASE("without a memory group the free memory is what the machine says") {
  const Machine machine;
  CHECK(machine.free() == 8192 * kMiB);
  CHECK(free_memory_bytes("/nonexistent") == 0);
  CHECK(free_memory_bytes() > 0);
}

TEST_CASE("the tightest group around the process limits the free memory, old page cache aside") {
  const Machine machine;
  machine.put("/proc/self/cgroup", "0::/outer/inner\n");
  machine.put("/sys/fs/cgroup/outer/inner/memory.max", "max\n");
  machine.put("/sys/fs/cgroup/outer/inner/memory.current", "5\n");
  machine.put("/sys/fs/cgroup/outer/memory.max", std::to_string(1000 * kMiB) + "\n");
  machine.put("/sys/fs/cgroup/outer/memory.current", std::to_string(700 * kMiB) + "\n");
  CHECK(machine.free() == 300 * kMiB);
  machine.put("/sys/fs/cgroup/outer/memory.stat",
              "anon 5\ninactive_file " + std::to_string(50 * kMiB) + "\nactive_file 9\n");
  CHECK(machine.free() == 350 * kMiB);
  machine.put("/sys/fs/cgroup/outer/memory.max", std::to_string(100000 * kMiB) + "\n");
  CHECK(machine.free() == 8192 * kMiB);
}

TEST_CASE("a version 1 group and the group at the root are read too") {
  const Machine machine;
  machine.put("/proc/self/cgroup", "7:cpu,cpuacct:/a\n4:memory:/b\n");
  machine.put("/sys/fs/cgroup/memory/b/memory.limit_in_bytes", std::to_string(90 * kMiB));
  machine.put("/sys/fs/cgroup/memory/b/memory.usage_in_bytes", std::to_string(100 * kMiB));
  CHECK(machine.free() == 0);
  machine.put("/proc/self/cgroup", "0::/\n");
  machine.put("/sys/fs/cgroup/memory.max", std::to_string(64 * kMiB));
  machine.put("/sys/fs/cgroup/memory.current", std::to_string(4 * kMiB));
  CHECK(machine.free() == 60 * kMiB);
}
