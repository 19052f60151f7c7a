// The steps of tokenizer.json: normalizer, pre_tokenizer, decoder, post_processor.
#include <algorithm>

#include "core/model/tokenizer_json.h"

namespace polykv::tok {
namespace {

// Calls `one` with every step in order; "Sequence" steps (whose list has the name `list`) are
// walked through.
template <typename One>
void walk(const Fields& fields, const std::string& list, const One& one) {
  if (fields.text_or("type", "") != "Sequence") {
    one(fields);
    return;
  }
  const Json& steps = fields.list(list);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    walk(Fields(steps[i], fields.file, fields.name(list) + "[" + std::to_string(i) + "]"), list,
         one);
  }
}

[[noreturn]] void fail_type(const Fields& fields, const std::string& supported) {
  fields.fail("type", "supported are " + supported + ", found " +
                          (fields.has("type") ? fields.at("type").dump() : "none"));
}

// {"Regex": ".."} or {"String": ".."}
Pattern read_pattern(const Fields& fields) {
  const Fields pattern = fields.below("pattern");
  if (pattern.has("Regex")) {
    return Pattern::regex(pattern.text("Regex"), pattern.file, pattern.name("Regex"));
  }
  if (pattern.text("String").empty()) pattern.fail("String", "expected at least one character");
  return Pattern::literal(pattern.text("String"));
}

template <typename Value>
Value choose(const Fields& fields, const std::string& key,
             const std::vector<std::pair<const char*, Value>>& choices,
             const std::string& otherwise) {
  const std::string found = fields.text_or(key, otherwise);
  std::string names;
  for (const auto& [name, value] : choices) {
    if (found == name) return value;
    names += (names.empty() ? "" : ", ") + std::string(name);
  }
  fields.fail(key, "supported are " + names + ", found \"" + found + "\"");
}

std::string read_replacement(const Fields& fields) {
  const std::string text = fields.text("replacement");
  if (text.empty() || unicode::step(text, 0).bytes != text.size()) {
    fields.fail("replacement", "expected one character");
  }
  return text;
}

PrependScheme read_prepend_scheme(const Fields& fields) {
  const auto scheme = choose<PrependScheme>(fields, "prepend_scheme",
                                            {{"first", PrependScheme::first},
                                             {"always", PrependScheme::always},
                                             {"never", PrependScheme::never}},
                                            "always");
  if (!fields.flag_or("add_prefix_space", true) && scheme != PrependScheme::never) {
    fields.fail("prepend_scheme", "expected \"never\", as add_prefix_space is false");
  }
  return scheme;
}

int count_at(const Fields& fields, const std::string& key) {
  const Json& value = fields.at(key);
  if (!value.is_number_integer() || value < 0 || value > 1'000'000) {
    fields.fail(key, "expected a whole number of at least 0, found " + value.dump());
  }
  return value.get<int>();
}

NormalizeStep read_normalize_step(const Fields& fields) {
  using unicode::Form;
  const std::string type = fields.text_or("type", "");
  if (type == "NFC") return Form::nfc;
  if (type == "NFD") return Form::nfd;
  if (type == "NFKC") return Form::nfkc;
  if (type == "NFKD") return Form::nfkd;
  if (type == "Prepend") return Prepend{fields.text("prepend")};
  if (type == "Replace") return Replace{read_pattern(fields), fields.text("content")};
  fail_type(fields, "Sequence, NFC, NFD, NFKC, NFKD, Prepend and Replace");
}

PreStep read_pre_step(const Fields& fields) {
  const std::string type = fields.text_or("type", "");
  if (type == "Split") {
    return Split{read_pattern(fields),
                 choose<Delimiter>(fields, "behavior",
                                   {{"Removed", Delimiter::removed},
                                    {"Isolated", Delimiter::isolated},
                                    {"MergedWithPrevious", Delimiter::merged_with_previous},
                                    {"MergedWithNext", Delimiter::merged_with_next},
                                    {"Contiguous", Delimiter::contiguous}},
                                   ""),
                 fields.flag_or("invert", false)};
  }
  if (type == "Digits") {
    const bool each = fields.flag_or("individual_digits", false);
    return Split{Pattern::regex("\\p{N}", fields.file, fields.key()),
                 each ? Delimiter::isolated : Delimiter::contiguous, false};
  }
  if (type == "ByteLevel") {
    ByteLevel step;
    step.add_prefix_space = fields.flag_or("add_prefix_space", true);
    if (fields.flag_or("use_regex", true)) {
      constexpr const char* kWords =
          "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
      step.words =
          Split{Pattern::regex(kWords, fields.file, fields.key()), Delimiter::isolated, false};
    }
    return step;
  }
  if (type == "Metaspace") {
    Metaspace step;
    step.replacement = read_replacement(fields);
    step.prepend = read_prepend_scheme(fields);
    if (fields.flag_or("split", true)) {
      step.words = Split{Pattern::literal(step.replacement), Delimiter::merged_with_next, false};
    }
    return step;
  }
  fail_type(fields, "Sequence, Split, Digits, ByteLevel and Metaspace");
}

DecodeStep read_decode_step(const Fields& fields) {
  const std::string type = fields.text_or("type", "");
  if (type == "ByteLevel") return BytesFromCharacters{};
  if (type == "ByteFallback") return ByteFallback{};
  if (type == "Fuse") return Fuse{};
  if (type == "Replace") {
    return Replace{read_pattern(fields), fields.text("content")};
  }
  if (type == "Strip") {
    const std::string content = fields.text("content");
    if (content.empty() || unicode::step(content, 0).bytes != content.size()) {
      fields.fail("content", "expected one character");
    }
    return Strip{unicode::step(content, 0).code, count_at(fields, "start"),
                 count_at(fields, "stop")};
  }
  if (type == "Metaspace") {
    return SpaceFromMeta{read_replacement(fields),
                         read_prepend_scheme(fields) != PrependScheme::never};
  }
  fail_type(fields, "Sequence, ByteLevel, Replace, ByteFallback, Fuse, Strip and Metaspace");
}

// The ids of one special token in a template's own table.
void append_special(const Fields& processor, const std::string& name, std::vector<int>& ids) {
  const Fields entry = processor.below("special_tokens").below(name);
  for (const Json& id : entry.list("ids")) {
    if (!id.is_number_integer() || id < 0 || id > 1'000'000'000) {
      entry.fail("ids", "expected token ids, found " + id.dump());
    }
    ids.push_back(id.get<int>());
  }
}

}  // namespace

std::vector<NormalizeStep> read_normalizer(const Fields& json) {
  std::vector<NormalizeStep> steps;
  walk(json, "normalizers",
       [&](const Fields& fields) { steps.push_back(read_normalize_step(fields)); });
  return steps;
}

std::vector<PreStep> read_pre_tokenizer(const Fields& json) {
  std::vector<PreStep> steps;
  walk(json, "pretokenizers",
       [&](const Fields& fields) { steps.push_back(read_pre_step(fields)); });
  return steps;
}

std::vector<DecodeStep> read_decoder(const Fields& json) {
  std::vector<DecodeStep> steps;
  walk(json, "decoders", [&](const Fields& fields) { steps.push_back(read_decode_step(fields)); });
  return steps;
}

std::vector<int> read_post_processor(const Fields& json) {
  std::vector<int> ids;
  walk(json, "processors", [&](const Fields& fields) {
    const std::string type = fields.text_or("type", "");
    if (type == "ByteLevel") return;  // trims offsets, which nobody reads here
    if (type != "TemplateProcessing") {
      fail_type(fields, "Sequence, ByteLevel and TemplateProcessing");
    }
    if (!ids.empty()) fields.fail("type", "expected one TemplateProcessing at most");
    const Json& single = fields.list("single");
    for (std::size_t i = 0; i < single.size(); ++i) {
      const Fields item(single[i], fields.file, fields.name("single[" + std::to_string(i) + "]"));
      if (item.has("SpecialToken")) {
        append_special(fields, item.below("SpecialToken").text("id"), ids);
      } else {
        const Fields text = item.below("Sequence");
        if (text.text("id") != "A") text.fail("id", "expected \"A\" in the template of one text");
        ids.push_back(Parts::kText);
      }
    }
    if (std::count(ids.begin(), ids.end(), Parts::kText) != 1) {
      fields.fail("single", "expected the Sequence exactly once");
    }
  });
  return ids;
}

}  // namespace polykv::tok
