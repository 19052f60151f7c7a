#pragma once
// Every way to spoil one value of a JSON text.
#include <algorithm>
#include <functional>
#include <vector>

#include "core/error.h"
#include "core/files.h"

namespace polykv {

// Calls read with copies of `good` in which one value is replaced by something odd or left out. It
// may succeed or throw an input Error; anything else leaves. Returns how many were refused.
inline int refused_damages(const Json& good, const std::function<void(const Json&)>& read) {
  const std::vector<Json> odd = {
      nullptr,         -1, 0, 1e300, "x", true, 4e9, 1'000'000'000, Json::array(), Json::object(),
      9007199254740993};
  const Json flat = good.flatten();
  int refused = 0;
  const auto attempt = [&](const Json& bad) {
    try {
      read(bad);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::input) throw;
      ++refused;
    }
  };
  std::vector<Json::json_pointer> places;
  for (const auto& [path, value] : flat.items()) {
    // The value itself and everything that holds it.
    for (Json::json_pointer at(path); !at.empty(); at.pop_back()) {
      if (std::find(places.begin(), places.end(), at) == places.end()) places.push_back(at);
    }
  }
  for (const Json::json_pointer& at : places) {
    for (const Json& value : odd) {
      Json bad = good;
      bad[at] = value;
      attempt(bad);
    }
    Json bad = good;
    Json& parent = bad[at.parent_pointer()];
    if (parent.is_object()) parent.erase(at.back());
    if (parent.is_array()) parent.erase(std::stoul(at.back()));
    attempt(bad);
  }
  return refused;
}

}  // namespace polykv
