#include "tests/support/goldens.h"

#include <stdexcept>

#include "core/files.h"

namespace polykv {

GoldenFile::GoldenFile(const std::string& path) : bytes_(read_text_file(path)) {
  std::uint64_t header = 0;
  std::memcpy(&header, bytes_.data(), 8);
  data_ = 8 + header;
  const Json entries = parse_json({bytes_.data() + 8, header}, path);
  for (const auto& [name, json] : entries.items()) {
    if (name == "__metadata__") continue;
    entries_[name] = {json["dtype"], json["shape"].get<std::vector<std::int64_t>>(),
                      json["data_offsets"][0], json["data_offsets"][1]};
  }
}

const GoldenFile::Entry& GoldenFile::entry(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) throw std::runtime_error("golden tensor " + name + " is missing");
  return found->second;
}

std::vector<float> GoldenFile::floats(const std::string& name) const {
  const Entry& e = entry(name);
  if (e.dtype != "F32") throw std::runtime_error(name + " is " + e.dtype);
  std::vector<float> out((e.last - e.first) / 4);
  std::memcpy(out.data(), bytes_.data() + data_ + e.first, e.last - e.first);
  return out;
}

std::vector<int> GoldenFile::ints(const std::string& name) const {
  const Entry& e = entry(name);
  if (e.dtype != "I32") throw std::runtime_error(name + " is " + e.dtype);
  std::vector<int> out((e.last - e.first) / 4);
  std::memcpy(out.data(), bytes_.data() + data_ + e.first, e.last - e.first);
  return out;
}

const std::vector<std::int64_t>& GoldenFile::shape(const std::string& name) const {
  return entry(name).shape;
}

std::vector<std::string> GoldenFile::names() const {
  std::vector<std::string> out;
  for (const auto& [name, e] : entries_) out.push_back(name);
  return out;
}

}  // namespace polykv
