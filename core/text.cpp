#include "core/text.h"

#include <cstdio>
#include <iterator>

namespace polykv {
namespace {

constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};

int unit_of(double bytes) {
  int unit = 0;
  while (bytes >= 1024 && unit + 1 < static_cast<int>(std::size(kUnits))) bytes /= 1024, ++unit;
  return unit;
}

// One digit after the point below 100, none for whole bytes.
std::string in_unit(std::int64_t bytes, int unit) {
  double value = static_cast<double>(bytes);
  for (int i = 0; i < unit; ++i) value /= 1024;
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", unit == 0 || value >= 100 ? 0 : 1, value);
  return text;
}

}  // namespace

std::string count_text(std::int64_t n) {
  std::string digits = std::to_string(n < 0 ? -n : n);
  for (int i = static_cast<int>(digits.size()) - 3; i > 0; i -= 3)
    digits.insert(static_cast<std::size_t>(i), ",");
  return n < 0 ? "-" + digits : digits;
}

std::string bytes_text(std::int64_t bytes) {
  const int unit = unit_of(static_cast<double>(bytes));
  return in_unit(bytes, unit) + " " + kUnits[unit];
}

std::string bytes_of_text(std::int64_t done, std::int64_t total) {
  const int unit = unit_of(static_cast<double>(total));
  return in_unit(done, unit) + " of " + in_unit(total, unit) + " " + kUnits[unit];
}

std::string seconds_text(double seconds) {
  char text[64];
  const auto whole = static_cast<long long>(seconds + 0.5);
  if (seconds < 9.95) {
    std::snprintf(text, sizeof text, "%.1f s", seconds);
  } else if (whole < 60) {
    std::snprintf(text, sizeof text, "%lld s", whole);
  } else if (whole < 3600) {
    std::snprintf(text, sizeof text, "%lld min %lld s", whole / 60, whole % 60);
  } else {
    std::snprintf(text, sizeof text, "%lld h %lld min", whole / 3600, whole % 3600 / 60);
  }
  return text;
}

std::string percent_text(double share) {
  char text[64];
  std::snprintf(text, sizeof text, share < 0.0995 ? "%.1f%%" : "%.0f%%", share * 100);
  return text;
}

}  // namespace polykv
