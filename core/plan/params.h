#pragma once
// Parameters of a policy or allocator: values, and the specification that sliders, JSON, the
// command line and checks are made from.
#include <map>
#include <span>
#include <string>
#include <variant>

namespace polykv {

using ParamValue = std::variant<double, bool, std::string>;  // numbers are doubles, also integers
using Params = std::map<std::string, ParamValue>;

enum class ParamKind { integer, number, flag, choice, text };

struct ParamSpec {
  const char* name;
  ParamKind kind;
  double low, high;          // inclusive range of integer and number; unused otherwise
  ParamValue start;          // default
  const char* help;          // one line
  const char* choices = "";  // choice: words separated by '|'
};

// The value given, or the default of its specification. Throw std::logic_error for an unknown name.
double number_param(const Params& given, std::span<const ParamSpec> specs, const std::string& name);
int integer_param(const Params& given, std::span<const ParamSpec> specs, const std::string& name);
bool flag_param(const Params& given, std::span<const ParamSpec> specs, const std::string& name);
std::string choice_param(const Params& given, std::span<const ParamSpec> specs,
                         const std::string& name);
std::string text_param(const Params& given, std::span<const ParamSpec> specs,
                       const std::string& name);

// Throws an input Error that starts with `where` ("plan.json: layer 3 prefill") when a name is
// unknown, a type is wrong or a value is out of range; the message names what was expected.
void check_params(const Params& given, std::span<const ParamSpec> specs, const std::string& where);

}  // namespace polykv
