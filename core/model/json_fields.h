#pragma once
// Fields of a JSON object by name and type, with errors that name file, key and expectation.
#include <cmath>
#include <string>

#include "core/error.h"
#include "core/files.h"

namespace polykv {

class JsonFields {
 public:
  JsonFields(const Json& object, std::string file, std::string prefix = "")
      : object_(object), file_(std::move(file)), prefix_(std::move(prefix)) {
    if (!object_.is_object()) fail_input(file_, prefix_, "expected a JSON object");
  }
  bool has(const std::string& key) const {
    return object_.contains(key) && !object_.at(key).is_null();
  }
  const Json& at(const std::string& key) const {
    if (!has(key)) fail(key, "is missing");
    return object_.at(key);
  }
  int positive(const std::string& key) const {
    const Json& v = at(key);
    if (!v.is_number_integer() || v.get<long long>() < 1 || v.get<long long>() > 1'000'000'000) {
      fail(key, "expected a whole number of at least 1, found " + v.dump());
    }
    return v.get<int>();
  }
  int positive_or(const std::string& key, int otherwise) const {
    return has(key) ? positive(key) : otherwise;
  }
  double above_zero(const std::string& key) const {
    const Json& v = at(key);
    if (!v.is_number() || !(v.get<double>() > 0) || !std::isfinite(v.get<double>())) {
      fail(key, "expected a number above 0, found " + v.dump());
    }
    return v.get<double>();
  }
  double above_zero_or(const std::string& key, double otherwise) const {
    return has(key) ? above_zero(key) : otherwise;
  }
  bool flag_or(const std::string& key, bool otherwise) const {
    if (!has(key)) return otherwise;
    if (!at(key).is_boolean()) fail(key, "expected true or false, found " + at(key).dump());
    return at(key).get<bool>();
  }
  std::string text_or(const std::string& key, const std::string& otherwise) const {
    if (!has(key)) return otherwise;
    if (!at(key).is_string()) fail(key, "expected a string, found " + at(key).dump());
    return at(key).get<std::string>();
  }
  [[noreturn]] void fail(const std::string& key, const std::string& expectation) const {
    fail_input(file_, prefix_ + key, expectation);
  }

 private:
  const Json& object_;
  std::string file_, prefix_;
};

}  // namespace polykv
