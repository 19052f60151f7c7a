#include "app/commands/table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <iostream>

namespace polykv {
namespace {

// Characters of UTF-8 text, counted as one column each.
std::size_t columns_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

void Table::print(std::ostream& out, bool all_left) const {
  std::vector<std::size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t c = 0; c < row.size(); ++c) {
      widths[c] = std::max(widths[c], columns_of(row[c]));
    }
  }
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t c = 0; c < row.size(); ++c) {
      const std::string pad(widths[c] - columns_of(row[c]), ' ');
      if (c > 0) line += "  ";
      line += c == 0 || all_left ? row[c] + pad : pad + row[c];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << "\n";
  }
}

std::string Table::markdown() const {
  std::string text;
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    for (const std::string& cell : rows_[r]) text += "| " + cell + " ";
    text += "|\n";
    if (r > 0) continue;
    for (std::size_t c = 0; c < rows_[0].size(); ++c) text += c == 0 ? "| --- " : "| ---: ";
    text += "|\n";
  }
  return text;
}

std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  // A tiny negative value rounds to zero without a sign.
  const bool zero = std::strspn(text, "-0.") == std::strlen(text);
  return zero && text[0] == '-' ? text + 1 : text;
}

std::string with_interval(const Estimate& estimate, int digits) {
  if (estimate.n == 0) return "-";
  if (!std::isfinite(estimate.low) || !std::isfinite(estimate.high)) {
    return fixed(estimate.value, digits) + " [?]";
  }
  return fixed(estimate.value, digits) + " [" + fixed(estimate.low, digits) + ", " +
         fixed(estimate.high, digits) + "]";
}

Json json_of(const Estimate& estimate) {
  return {
      {"value", estimate.value}, {"low", estimate.low}, {"high", estimate.high}, {"n", estimate.n}};
}

Json score_json(const ScoreRow& s) {
  return {{"plan", s.plan},
          {"recall", json_of(s.recall)},
          {"answer_nll", json_of(s.answer_nll)},
          {"kl_to_full", json_of(s.kl_to_full)},
          {"top1_agreement", json_of(s.top1_agreement)},
          {"kept_mass", json_of(s.kept_mass)},
          {"kept_mass_by_layer", s.kept_mass_by_layer},
          {"kv_bytes", s.kv_bytes},
          {"kv_bytes_planned", s.kv_bytes_planned},
          {"rescore_ms", s.rescore_ms}};
}

void print_json(const Json& object) {
  std::cout << object.dump(-1, ' ', false, Json::error_handler_t::replace) << "\n";
}

}  // namespace polykv
