#pragma once
// tokenizer.json: text <-> token ids, exactly as the `tokenizers` library does it.
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace polykv {

// Throws an input Error naming origin and byte for text that is not UTF-8.
void require_utf8(std::string_view text, const std::string& origin);

class Tokenizer {
 public:
  // Reads FOLDER/tokenizer.json. Throws an input Error naming file, key and expectation for what is
  // missing, malformed or of a kind that is not supported.
  static Tokenizer read(const std::string& folder);
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // add_special: apply the post-processor's template (BOS and friends). Special tokens written in
  // the text are recognised either way. Invalid UTF-8 is an input Error.
  std::vector<int> encode(std::string_view text, bool add_special) const;
  std::string decode(std::span<const int> ids, bool skip_special = false) const;

  // The vocabulary entry as stored ("Ġcode"), or "" for an id without a token.
  const std::string& token(int id) const;
  // What this token alone reads as on a screen (" code"); lone bytes of a character as "<0xE2>".
  std::string display(int id) const;
  int id_of(std::string_view token) const;  // -1 when unknown
  bool is_special(int id) const;
  int size() const;  // largest id + 1

 private:
  struct State;
  explicit Tokenizer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace polykv
