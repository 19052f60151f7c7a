#pragma once
// The parts of a tokenizer as tokenizer.json lists them: plain values, walked in order.
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "core/model/tokenizer_pattern.h"
#include "core/model/unicode.h"

namespace polykv::tok {

// A stretch of the text on its way to ids; an added token found in it has its id already.
struct Piece {
  std::string text;
  int id = -1;
  bool at_start = false;  // begins where the text begins
};

// normalizer
struct Prepend {
  std::string text;
};
struct Replace {  // also a decoder
  Pattern pattern;
  std::string content;
};
using NormalizeStep = std::variant<unicode::Form, Prepend, Replace>;

// pre_tokenizer
enum class Delimiter { removed, isolated, merged_with_previous, merged_with_next, contiguous };
struct Split {
  Pattern pattern;
  Delimiter delimiter = Delimiter::isolated;
  bool invert = false;  // what does not match is the delimiter
};
struct ByteLevel {  // every byte becomes one visible character
  bool add_prefix_space = false;
  std::optional<Split> words;  // use_regex
};
enum class PrependScheme { first, always, never };
struct Metaspace {
  std::string replacement;
  PrependScheme prepend = PrependScheme::always;
  std::optional<Split> words;  // split
};
using PreStep = std::variant<Split, ByteLevel, Metaspace>;

// decoder
struct BytesFromCharacters {};  // "ByteLevel"
struct ByteFallback {};         // "<0xE2>" -> the byte
struct Fuse {};
struct Strip {
  char32_t content = ' ';
  int start = 0, stop = 0;  // at most so many characters at either end of each token
};
struct SpaceFromMeta {  // "Metaspace"
  std::string replacement;
  bool drop_in_first = true;
};
using DecodeStep =
    std::variant<Replace, BytesFromCharacters, ByteFallback, Fuse, Strip, SpaceFromMeta>;

struct AddedToken {
  std::string content;
  int id = 0;
  bool single_word = false, lstrip = false, rstrip = false, normalized = false, special = false;
};

// Added tokens by first byte, longest first.
struct AddedIndex {
  struct Entry {
    std::string text;  // what to look for: the content, normalized or not
    int token = 0;     // index into Parts::added
  };
  std::array<std::vector<Entry>, 256> by_first_byte;
};

struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};
using IdByText = std::unordered_map<std::string, int, StringHash, std::equal_to<>>;

struct Bpe {
  IdByText vocab;
  std::unordered_map<std::uint64_t, std::uint32_t> rank_of;  // (left id << 32 | right id) -> rank
  std::vector<int> merged;                                   // by rank: id of the merged token
  std::array<int, 256> byte_ids{};                           // "<0x00>".. for byte_fallback, or -1
  int unknown = -1;                                          // unk_token
  bool fuse_unknown = false, byte_fallback = false, ignore_merges = false;
};

struct Parts {
  std::vector<AddedToken> added;
  AddedIndex plain_index, normalized_index;
  std::vector<NormalizeStep> normalizer;
  std::vector<PreStep> pre_tokenizer;
  Bpe model;
  std::vector<int> single;  // the post-processor's template; kText where the text's ids go
  std::optional<std::vector<DecodeStep>> decoder;  // none: tokens joined by spaces

  std::vector<std::string> tokens;         // by id
  std::vector<char> is_added, is_special;  // by id
  IdByText added_ids;

  static constexpr int kText = -1;
};

// tokenizer_json.cpp, tokenizer_steps_json.cpp
Parts read_parts(const std::string& path);
// tokenizer_split.cpp
void index_added_tokens(Parts& parts);
std::string normalize(std::string text, const std::vector<NormalizeStep>& steps);
std::vector<Piece> split_text(std::string_view text, const Parts& parts);
// tokenizer_bpe.cpp: appends the ids of one piece.
void encode_piece(std::string_view piece, const Bpe& model, std::vector<int>& ids);
// tokenizer_decode.cpp
std::string decode_tokens(std::vector<std::string> tokens, const Parts& parts);
std::string display_token(const std::string& token, bool is_added, const Parts& parts);
// The character that stands for a byte in byte-level vocabularies, and back (-1: stands for none).
char32_t character_of_byte(unsigned char byte);
int byte_of_character(char32_t character);

}  // namespace polykv::tok
