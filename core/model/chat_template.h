#pragma once
// The chat template of a model folder: messages -> the text that the model was trained to see.
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace polykv {

struct ChatMessage {
  std::string role, content;  // role: "system", "user" or "assistant"
};

class ChatTemplate {
 public:
  // FOLDER/chat_template.jinja, else chat_template of FOLDER/tokenizer_config.json (one text, or
  // the one named "default" of a list); nullopt for none. Throws an input Error naming file, key
  // and line for a construct that is not supported.
  static std::optional<ChatTemplate> read(const std::string& folder);
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  // As transformers renders it with add_generation_prompt, without tools and documents. The text
  // has its special tokens written in it. Throws an input Error for what the template refuses
  // (raise_exception) or does not support; nothing is guessed.
  std::string render(const std::vector<ChatMessage>& messages) const;

 private:
  struct State;
  explicit ChatTemplate(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Whether a folder has a template, and whether it runs for one user's prompt; never throws.
struct ChatVerdict {
  bool present = false, runs = false;
  std::string reason;  // why it does not run
};
ChatVerdict inspect_chat_template(const std::string& folder);

// One user's prompt, behind a system message unless that is nullopt. Throws an input Error when
// the folder has no chat template.
std::string chat_prompt(const std::string& folder, const std::string& prompt,
                        const std::optional<std::string>& system);

}  // namespace polykv
