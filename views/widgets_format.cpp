// Numbers as people read them (look.md, section 2): "1,024", "−3", "12.5%", "48 KiB", "—".
#include <cmath>
#include <cstdio>

#include "core/text.h"
#include "views/widgets.h"

namespace polykv {
namespace {

constexpr const char* kMinus = "\u2212";
constexpr const char* kUnknown = "\u2014";

std::string fixed(double v, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, v);
  return text;
}

bool all_zero(const std::string& text) {
  return text.find_first_of("123456789") == std::string::npos;
}

}  // namespace

std::string format_count(long long n) { return n < 0 ? kMinus + count_text(-n) : count_text(n); }

std::string format_number(double v, int digits) {
  if (!std::isfinite(v)) return kUnknown;
  const std::string text = fixed(std::fabs(v), digits);
  return v < 0 && !all_zero(text) ? kMinus + text : text;
}

std::string format_signed(double v, int digits) {
  if (!std::isfinite(v)) return kUnknown;
  const std::string text = fixed(std::fabs(v), digits);
  if (all_zero(text)) return text;
  return (v < 0 ? kMinus : "+") + text;
}

std::string format_percent(double share) {
  if (!std::isfinite(share)) return kUnknown;
  const double percent = share * 100;
  // two digits after the point below 10, one below 100, none from 100 on; no zeros at the end
  const int digits = percent < 10 ? 2 : percent < 99.95 ? 1 : 0;
  std::string text = format_number(percent, digits);
  while (text.find('.') != std::string::npos && (text.back() == '0' || text.back() == '.')) {
    const bool point = text.back() == '.';
    text.pop_back();
    if (point) break;
  }
  return text + "%";
}

std::string format_kib(double bytes) {
  if (!std::isfinite(bytes)) return kUnknown;
  const double kib = bytes / 1024;
  const bool whole = kib >= 100 || std::fabs(kib - std::round(kib)) < 0.05;
  if (whole) return format_count(std::llround(kib)) + " KiB";
  return format_number(kib, 1) + " KiB";
}

}  // namespace polykv
