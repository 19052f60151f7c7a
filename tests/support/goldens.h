#pragma once
// Reading the reference data under tests/goldens.
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "core/model/safetensors.h"

namespace polykv {

inline std::string golden(const std::string& path) {
  return std::string(POLYKV_SOURCE) + "/tests/goldens/" + path;
}

// Tensors of a golden file by name, converted on reading. Integer tensors are stored as I32, which
// the program's own reader refuses, so their bytes are read here.
class GoldenFile {
 public:
  explicit GoldenFile(const std::string& path);
  bool has(const std::string& name) const { return entries_.count(name) != 0; }
  std::vector<float> floats(const std::string& name) const;
  std::vector<int> ints(const std::string& name) const;
  const std::vector<std::int64_t>& shape(const std::string& name) const;
  std::vector<std::string> names() const;

 private:
  struct Entry {
    std::string dtype;
    std::vector<std::int64_t> shape;
    std::size_t first = 0, last = 0;
  };
  const Entry& entry(const std::string& name) const;
  std::string bytes_;
  std::size_t data_ = 0;
  std::map<std::string, Entry> entries_;
};

inline double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return INFINITY;
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double gap = std::abs(double(a[i]) - double(b[i]));
    if (!(gap <= largest)) largest = gap;  // NaN counts as a difference
  }
  return largest;
}

}  // namespace polykv
