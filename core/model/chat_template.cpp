#include "core/model/chat_template.h"

#include <filesystem>

#include "core/error.h"
#include "core/files.h"
#include "core/model/jinja.h"
#include "core/model/json_fields.h"
#include "core/model/unicode.h"

namespace polykv {

struct ChatTemplate::State {
  jinja::Origin origin;
  std::vector<jinja::NodePtr> nodes;
  std::map<std::string, jinja::Value> globals;
};

namespace {

constexpr std::size_t kLongest = 1u << 20;  // bytes of a template

// The file is there in some form: a link to itself is, and is refused when it is read.
bool is_there(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::status(path, ignored).type() != std::filesystem::file_type::not_found;
}

// The template's text by the key that holds it, or nothing.
std::optional<std::string> template_in(const JsonFields& fields, const std::string& file) {
  if (!fields.has("chat_template")) return std::nullopt;
  const Json& value = fields.at("chat_template");
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) fields.fail("chat_template", "expected a string or a list of templates");
  for (const Json& one : value) {
    const JsonFields named(one, file, "chat_template.");
    if (named.text_or("name", "") == "default") {
      named.at("template");
      return named.text_or("template", "");
    }
  }
  fields.fail("chat_template", "expected one template of the list to be named \"default\"");
}

void add_special_tokens(const JsonFields& fields, const std::string& file,
                        std::map<std::string, jinja::Value>& globals) {
  for (const char* name : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token",
                           "cls_token", "mask_token"}) {
    if (!fields.has(name)) continue;
    const Json& value = fields.at(name);
    const std::string text =
        value.is_object() ? JsonFields(value, file, name + std::string(".")).text_or("content", "")
                          : fields.text_or(name, "");
    globals[name] = jinja::Value::string(text);
  }
}

}  // namespace

ChatTemplate::ChatTemplate(std::unique_ptr<State> state) : state_(std::move(state)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

std::optional<ChatTemplate> ChatTemplate::read(const std::string& folder) {
  const std::string file = folder + "/tokenizer_config.json", own = folder + "/chat_template.jinja";
  auto state = std::make_unique<State>();
  std::optional<std::string> text;
  if (is_there(file)) {
    const Json json = read_json_file(file);
    const JsonFields fields(json, file);
    text = template_in(fields, file);
    add_special_tokens(fields, file, state->globals);
    state->origin = {file, "chat_template"};
  }
  if (is_there(own)) {
    text = read_text_file(own);
    state->origin = {own, ""};
  }
  if (!text) return std::nullopt;
  if (text->size() > kLongest)
    state->origin.fail(1, "a template of more than 1 MiB is not supported");
  if (unicode::first_invalid(*text) != std::string::npos) {
    state->origin.fail(1, "expected valid UTF-8");
  }
  state->nodes = jinja::parse(*text, state->origin);
  return ChatTemplate(std::move(state));
}

std::string ChatTemplate::render(const std::vector<ChatMessage>& messages) const {
  using jinja::Value;
  std::map<std::string, Value> globals = state_->globals;
  jinja::List list;
  for (const ChatMessage& message : messages) {
    list.push_back(Value::from(jinja::Dict{{"role", Value::string(message.role)},
                                           {"content", Value::string(message.content)}}));
  }
  globals["messages"] = Value::from(std::move(list));
  globals["tools"] = globals["documents"] = Value::none();
  globals["add_generation_prompt"] = Value::boolean(true);
  return jinja::render(state_->nodes, globals, state_->origin);
}

ChatVerdict inspect_chat_template(const std::string& folder) {
  ChatVerdict verdict;
  try {
    const std::optional<ChatTemplate> chat = ChatTemplate::read(folder);
    if (!chat) return verdict;
    chat->render({{"user", "Hello"}});
    verdict.runs = true;
  } catch (const Error& error) {
    verdict.reason = error.what();
  }
  verdict.present = true;
  return verdict;
}

std::string chat_prompt(const std::string& folder, const std::string& prompt,
                        const std::optional<std::string>& system) {
  const std::optional<ChatTemplate> chat = ChatTemplate::read(folder);
  if (!chat) {
    fail_input(folder, "chat_template",
               "is missing in chat_template.jinja and tokenizer_config.json, expected one for a "
               "chat prompt");
  }
  std::vector<ChatMessage> messages;
  if (system) messages.push_back({"system", *system});
  messages.push_back({"user", prompt});
  return chat->render(messages);
}

}  // namespace polykv
