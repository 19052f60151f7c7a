#include "core/model/chat_template.h"

#include <catch2/catch.hpp>
#include <sstream>

#include "core/error.h"
#include "core/files.h"
#include "tests/support/goldens.h"
#include "tests/support/scratch.h"

using namespace polykv;

namespace {

// What came out: a text, or the sentence of the input Error.
struct Rendered {
  std::string text, error;
};

template <typename Do>
Rendered caught(const Do& action) {
  Rendered out;
  try {
    out.text = action();
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::input);
    CHECK(std::string(error.what()).find('\n') == std::string::npos);
    out.error = error.what();
  }
  return out;
}

Rendered rendered(const Json& tokenizer_config, const std::vector<ChatMessage>& messages) {
  const ScratchFolder folder;
  folder.write("tokenizer_config.json", tokenizer_config.dump());
  return caught([&] { return ChatTemplate::read(folder.path)->render(messages); });
}

Rendered rendered(const std::string& text) {
  return rendered(Json{{"chat_template", text}}, {{"user", "Hello"}});
}

}  // namespace

TEST_CASE("every golden template writes the reference software's text or refuses where it does") {
  std::istringstream in(read_text_file(golden("chat.jsonl")));
  int count = 0;
  for (std::string line; std::getline(in, line); ++count) {
    const Json one = Json::parse(line);
    Json config = one.at("tokens");
    config["chat_template"] = one.at("template");
    std::vector<ChatMessage> messages;
    for (const Json& message : one.at("messages")) {
      messages.push_back({message.at("role"), message.at("content")});
    }
    const Rendered got = rendered(config, messages);
    INFO(one.at("name") << ": " << got.error);
    CHECK(got.error.empty() == one.contains("text"));
    if (one.contains("text")) CHECK(got.text == one.at("text").get<std::string>());
  }
  CHECK(count > 80);
}

TEST_CASE("what a template uses beyond the supported is an error naming file, line and construct") {
  const struct {
    const char *text, *word;
  } rows[] = {
      {"{% macro x() %}{% endmacro %}", "{% macro %}"},
      {"{% include 'x' %}", "{% include %}"},
      {"{% raw %}x{% endraw %}", "{% raw %}"},
      {"{% call x() %}{% endcall %}", "{% call %}"},
      {"{{ messages|dictsort }}", "the filter dictsort"},
      {"{{ 1 is callable }}", "the test callable"},
      {"{{ 'a'.format(1) }}", ".format()"},
      {"{{ messages.append(1) }}", ".append()"},
      {"{{ cycler(1) }}", "function cycler"},
      {"{{ nothing(1) }}", "'nothing' is an undefined value"},
      {"{{ messages }}", "writing a list"},
      {"{{ 1 / 2 }}", "a number with a fraction"},
      {"{{ 2 ** 3 }}", "'**'"},
      {"{{ 1 < 2 < 3 }}", "chain of comparisons"},
      {"{{ 'é'.upper() }}", "upper of text beyond ASCII"},
      {"{{ messages[0].__class__ }}", "__class__"},
      {"{% for a, b in messages %}{% endfor %}", "expected 2 values"},
      {"{% for a in messages recursive %}{% endfor %}", "recursive"},
      {"{% if true %}", "endif"},
      {"{{ 'a }}", "a string is not closed"},
      {"{{ 1", "a tag is not closed"},
      {"{# 1", "a comment is not closed"},
      {"{{ (1 }}", "expected ')'"},
      {"{{ 99999999999999999999 }}", "too large"},
      {"{{ 9223372036854775807 + 1 }}", "64 bits"},
      {"{{ 'aaaaaaaaaa' * 10000000 }}", "too long"},
      {"{{ range(100000000) }}", "too long"},
      {"{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
       "does not come to an end"},
      {"{{ 1 }} {{ ; }}", "';'"},
  };
  for (const auto& row : rows) {
    const Rendered got = rendered(row.text);
    INFO(row.text << " -> " << got.text << got.error);
    CHECK(got.error.find("tokenizer_config.json: chat_template: line 1: ") != std::string::npos);
    CHECK(got.error.find(row.word) != std::string::npos);
  }
  CHECK(rendered("a\nb\n{{ 1 ** 2 }}").error.find("line 3: ") != std::string::npos);
  std::string deep;
  for (int i = 0; i < 5000; ++i) deep = "(" + deep + ")";
  CHECK(rendered("{{ " + deep + " }}").error.find("too deep") != std::string::npos);
  deep.clear();
  for (int i = 0; i < 5000; ++i) deep += "{% if 1 %}";
  CHECK(rendered(deep).error.find("too deep") != std::string::npos);
}

TEST_CASE("the template's own refusal reaches the reader") {
  const Rendered got = rendered("{{ raise_exception('System role not supported') }}");
  CHECK(got.error.find("refuses this prompt: System role not supported") != std::string::npos);
}

TEST_CASE("the file beside goes before the config, and a list gives its default template") {
  const ScratchFolder folder;
  CHECK_FALSE(ChatTemplate::read(folder.path).has_value());
  CHECK_FALSE(inspect_chat_template(folder.path).present);
  folder.write("tokenizer_config.json", R"({"bos_token": {"content": "<s>"}})");
  CHECK_FALSE(ChatTemplate::read(folder.path).has_value());
  folder.write("tokenizer_config.json",
               R"({"bos_token": {"content": "<s>"}, "chat_template": [
                   {"name": "tool_use", "template": "tools"},
                   {"name": "default", "template": "{{ bos_token }}default"}]})");
  CHECK(chat_prompt(folder.path, "x", std::nullopt) == "<s>default");
  folder.write("chat_template.jinja",
               "{{ bos_token }}{{ messages[0].role }} {{ messages|length }}\n");
  CHECK(chat_prompt(folder.path, "x", std::nullopt) == "<s>user 1");
  CHECK(chat_prompt(folder.path, "x", "be kind") == "<s>system 2");
  CHECK(inspect_chat_template(folder.path).runs);
  folder.write("chat_template.jinja", "{% macro x() %}{% endmacro %}");
  const ChatVerdict verdict = inspect_chat_template(folder.path);
  CHECK((verdict.present && !verdict.runs));
  CHECK(verdict.reason.find("chat_template.jinja: line 1: {% macro %}") != std::string::npos);
  folder.write("chat_template.jinja", "\xff");
  CHECK(inspect_chat_template(folder.path).reason.find("UTF-8") != std::string::npos);
}

TEST_CASE("a chat prompt for a folder without a template or with a broken one is an input error") {
  const ScratchFolder folder;
  const auto error = [&] {
    return caught([&] { return chat_prompt(folder.path, "x", std::nullopt); }).error;
  };
  CHECK(error().find("chat_template: is missing") != std::string::npos);
  folder.write("tokenizer_config.json", R"({"chat_template": 7})");
  CHECK(error().find("tokenizer_config.json: chat_template: expected") != std::string::npos);
  folder.write("tokenizer_config.json", R"({"chat_template": [{"name": "rag", "template": "x"}]})");
  CHECK(error().find("\"default\"") != std::string::npos);
  folder.write("tokenizer_config.json", "[]");
  CHECK(error().find("tokenizer_config.json") != std::string::npos);
  std::filesystem::remove(folder.file("tokenizer_config.json"));
  std::filesystem::create_symlink("tokenizer_config.json", folder.file("tokenizer_config.json"));
  CHECK(error().find("symbolic links") != std::string::npos);
}
