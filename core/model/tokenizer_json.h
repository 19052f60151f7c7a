#pragma once
// Reading tokenizer.json, between its two source files.
#include <string>
#include <vector>

#include "core/files.h"
#include "core/model/json_fields.h"
#include "core/model/tokenizer_parts.h"

namespace polykv::tok {

// An object inside the file that knows where it is: key is "" for the whole, else "decoder".
class Fields : public JsonFields {
 public:
  Fields(const Json& json, const std::string& file_name, const std::string& key)
      : JsonFields(checked(json, file_name, key), file_name, key.empty() ? "" : key + "."),
        file(file_name),
        key_(key) {}
  std::string name(const std::string& key) const { return key_.empty() ? key : key_ + "." + key; }
  Fields below(const std::string& key) const { return Fields(at(key), file, name(key)); }
  std::string text(const std::string& key) const {
    at(key);
    return text_or(key, "");
  }
  const Json& list(const std::string& key) const {
    if (!at(key).is_array()) fail(key, "expected a list");
    return at(key);
  }
  std::string key() const { return key_; }

  const std::string file;

 private:
  static const Json& checked(const Json& json, const std::string& file, const std::string& key) {
    if (!json.is_object()) fail_input(file, key, "expected a JSON object");
    return json;
  }
  const std::string key_;
};

// Each takes the value of one key and throws an input Error naming file, key and what is supported.
std::vector<NormalizeStep> read_normalizer(const Fields& json);
std::vector<PreStep> read_pre_tokenizer(const Fields& json);
std::vector<DecodeStep> read_decoder(const Fields& json);
// The template for one text: special ids and Parts::kText; empty when nothing is added.
std::vector<int> read_post_processor(const Fields& json);

}  // namespace polykv::tok
