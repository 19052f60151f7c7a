#include "core/error.h"

namespace polykv {

void fail_input(const std::string& file, const std::string& key, const std::string& expectation) {
  std::string sentence = file;
  for (const std::string& part : {key, expectation}) {
    if (part.empty()) continue;
    if (!sentence.empty()) sentence += ": ";
    sentence += part;
  }
  throw Error(ErrorKind::input, sentence);
}

}  // namespace polykv
