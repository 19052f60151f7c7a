// tokenizer.json -> Parts: vocabulary, merges, added tokens.
#include "core/model/tokenizer_json.h"

#include <algorithm>
#include <cstdio>

namespace polykv::tok {
namespace {

constexpr int kLargestId = 10'000'000;  // a table by id stays small even for a damaged file

int read_id(const Json& value, const std::string& file, const std::string& key) {
  if (!value.is_number_integer() || value < 0 || value > kLargestId) {
    fail_input(file, key,
               "expected a token id between 0 and " + std::to_string(kLargestId) + ", found " +
                   value.dump());
  }
  return value.get<int>();
}

// Enters a token into the table by id.
void set_token(Parts& parts, int id, const std::string& content, const std::string& file,
               const std::string& key) {
  const auto at = static_cast<std::size_t>(id);
  if (at >= parts.tokens.size()) {
    parts.tokens.resize(at + 1);
    parts.is_added.resize(at + 1, 0);
    parts.is_special.resize(at + 1, 0);
  }
  std::string& token = parts.tokens[at];
  if (!token.empty() && token != content) {
    fail_input(
        file, key,
        "expected an id of its own, but " + std::to_string(id) + " is also \"" + token + "\"");
  }
  token = content;
}

void read_vocab(const Fields& model, Parts& parts) {
  const Json& vocab = model.at("vocab");
  if (!vocab.is_object() || vocab.empty()) model.fail("vocab", "expected an object: token to id");
  parts.model.vocab.reserve(vocab.size());
  for (const auto& [token, value] : vocab.items()) {
    const std::string key = "model.vocab[\"" + token + "\"]";
    const int id = read_id(value, model.file, key);
    set_token(parts, id, token, model.file, key);
    parts.model.vocab.emplace(token, id);
  }
  for (int byte = 0; byte < 256; ++byte) {
    char token[8];
    std::snprintf(token, sizeof token, "<0x%02X>", static_cast<unsigned>(byte));
    const auto found = parts.model.vocab.find(std::string_view(token));
    parts.model.byte_ids[static_cast<std::size_t>(byte)] =
        found == parts.model.vocab.end() ? -1 : found->second;
  }
}

// "a b" or ["a", "b"]
std::pair<std::string, std::string> read_merge(const Json& merge, const std::string& file,
                                               const std::string& key) {
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
    return {merge[0].get<std::string>(), merge[1].get<std::string>()};
  }
  if (merge.is_string()) {
    const auto& text = merge.get_ref<const std::string&>();
    const auto space = text.find(' ');
    if (space != std::string::npos && text.find(' ', space + 1) == std::string::npos) {
      return {text.substr(0, space), text.substr(space + 1)};
    }
  }
  fail_input(file, key, "expected \"left right\" or [\"left\", \"right\"], found " + merge.dump());
}

void read_merges(const Fields& model, Bpe& bpe) {
  const Json& merges = model.list("merges");
  bpe.rank_of.reserve(merges.size());
  bpe.merged.reserve(merges.size());
  for (std::size_t i = 0; i < merges.size(); ++i) {
    if (merges[i].is_string() && merges[i].get_ref<const std::string&>().starts_with("#version")) {
      continue;
    }
    const std::string key = "model.merges[" + std::to_string(i) + "]";
    const auto [left, right] = read_merge(merges[i], model.file, key);
    const auto id_of = [&](const std::string& token) {
      const auto found = bpe.vocab.find(token);
      if (found == bpe.vocab.end()) {
        fail_input(model.file, key, "expected tokens of model.vocab, found \"" + token + "\"");
      }
      return found->second;
    };
    const auto pair =
        (static_cast<std::uint64_t>(id_of(left)) << 32) | static_cast<std::uint32_t>(id_of(right));
    bpe.rank_of[pair] = static_cast<std::uint32_t>(bpe.merged.size());
    bpe.merged.push_back(id_of(left + right));
  }
}

void read_model(const Fields& model, Parts& parts) {
  if (model.text_or("type", "BPE") != "BPE") {
    model.fail("type", "supported is \"BPE\", found " + model.at("type").dump());
  }
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!model.text_or(key, "").empty())
      model.fail(key, "expected null: word affixes are not supported");
  }
  if (model.has("dropout") && model.at("dropout") != 0) {
    model.fail("dropout", "expected null: random encodings are not supported");
  }
  read_vocab(model, parts);
  Bpe& bpe = parts.model;
  bpe.fuse_unknown = model.flag_or("fuse_unk", false);
  bpe.byte_fallback = model.flag_or("byte_fallback", false);
  bpe.ignore_merges = model.flag_or("ignore_merges", false);
  if (model.has("unk_token")) {
    const auto found = bpe.vocab.find(model.text_or("unk_token", ""));
    if (found == bpe.vocab.end()) model.fail("unk_token", "expected a token of model.vocab");
    bpe.unknown = found->second;
  }
  read_merges(model, bpe);
}

void read_added(const Fields& top, Parts& parts) {
  const Json& list = top.list("added_tokens");
  const std::string& file = top.file;
  const int vocab_size = static_cast<int>(parts.model.vocab.size());
  int next = vocab_size;  // the id that the reference library gives to a new token
  for (std::size_t i = 0; i < list.size(); ++i) {
    const Fields fields(list[i], file, "added_tokens[" + std::to_string(i) + "]");
    AddedToken token;
    token.content = fields.text_or("content", "");
    if (token.content.empty()) fields.fail("content", "expected at least one character");
    token.id = read_id(fields.at("id"), file, fields.name("id"));
    token.single_word = fields.flag_or("single_word", false);
    token.lstrip = fields.flag_or("lstrip", false);
    token.rstrip = fields.flag_or("rstrip", false);
    token.special = fields.flag_or("special", false);
    token.normalized = fields.flag_or("normalized", !token.special);
    if (parts.added_ids.contains(token.content)) {
      fields.fail("content", "expected each token once, found \"" + token.content + "\" again");
    }
    const auto known = parts.model.vocab.find(token.content);
    const int expected = known == parts.model.vocab.end() ? next : known->second;
    set_token(parts, token.id, token.content, file, fields.name("id"));
    if (token.id != expected) {
      fields.fail("id", "expected " + std::to_string(expected) +
                            (known == parts.model.vocab.end() ? " (ids follow on without a gap)"
                                                              : " (its id in model.vocab)") +
                            ", found " + std::to_string(token.id));
    }
    next = std::max(next, token.id + 1);
    const auto at = static_cast<std::size_t>(token.id);
    parts.is_added[at] = 1;
    parts.is_special[at] = token.special ? 1 : 0;
    parts.added_ids.emplace(token.content, token.id);
    parts.added.push_back(std::move(token));
  }
}

}  // namespace

Parts read_parts(const std::string& path) {
  const Json json = read_json_file(path);
  const Fields top(json, path, "");
  Parts parts;
  read_model(top.below("model"), parts);
  if (top.has("added_tokens")) read_added(top, parts);
  if (top.has("normalizer")) parts.normalizer = read_normalizer(top.below("normalizer"));
  if (top.has("pre_tokenizer"))
    parts.pre_tokenizer = read_pre_tokenizer(top.below("pre_tokenizer"));
  if (top.has("post_processor")) parts.single = read_post_processor(top.below("post_processor"));
  if (top.has("decoder")) parts.decoder = read_decoder(top.below("decoder"));
  for (const int id : parts.single) {
    if (id != Parts::kText && (id >= static_cast<int>(parts.tokens.size()) ||
                               parts.tokens[static_cast<std::size_t>(id)].empty())) {
      fail_input(path, "post_processor",
                 "expected ids of tokens in special_tokens, found " + std::to_string(id));
    }
  }
  index_added_tokens(parts);
  return parts;
}

}  // namespace polykv::tok
