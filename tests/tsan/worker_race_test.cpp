#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "tests/support/worker_tests.h"

using namespace polykv;

TEST_CASE("posting, reading and waiting from several threads is free of data races") {
  std::atomic<int> wakes = 0;
  std::atomic<bool> stop = false, went_back = false;  // Catch2's checks belong to one thread
  Worker worker({.threads = 1, .embedded_folder = "", .wake = [&] { ++wakes; }});
  std::thread reader([&] {
    std::uint64_t last = 0;
    while (!stop) {
      const auto now = worker.latest();
      if (now->serial < last) went_back = true;
      last = now->serial;
      double sum = 0;
      if (now->heat) {
        for (const float v : now->heat->values) sum += v;
      }
      for (const LogLine& line : now->log) sum += double(line.text.size());
      if (!(sum >= 0)) went_back = true;
      std::this_thread::yield();
    }
  });
  open_small(worker);
  for (int i = 1; i <= 40; ++i) {
    worker.post(plan_with(i % 6, 4 + i, i));
    if (i % 7 == 0) worker.post(LookAt{i % 2, i % 6, i % 8});
    if (i % 13 == 0) worker.post(CancelWork{});
    if (i % 5 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(3));
  }
  worker.post(plan_with(2, 20, 41));
  worker.wait_idle();
  CHECK(worker.latest()->scored_edit == 41);
  stop = true;
  reader.join();
  CHECK_FALSE(went_back);
  CHECK(wakes > 0);
}
