#include "app/commands/inputs.h"

#include <algorithm>
#include <climits>
#include <iostream>
#include <optional>

#include "app/window.h"
#include "core/budgets/signal.h"
#include "core/error.h"
#include "core/files.h"
#include "core/model/chat_template.h"
#include "core/model/dtype.h"
#include "core/plan/plan_notes.h"
#include "core/probe/needle.h"

namespace polykv {
namespace {

void check_ids(const std::vector<int>& ids, const std::string& origin, const Model& model) {
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= 0 && ids[i] < model.shape().vocab) continue;
    fail_input(origin, "ids[" + std::to_string(i) + "]",
               "expected a token id from 0 to " + std::to_string(model.shape().vocab - 1) +
                   ", not " + std::to_string(ids[i]));
  }
}

void check_text(const std::string& text, const std::string& origin) {
  if (text.empty()) fail_input(origin, "", "expected text, this is empty");
  require_utf8(text, origin);
}

}  // namespace

std::string model_folder(const Options& given) {
  return given.has("--model") ? given.text("--model") : embedded_model_folder();
}

std::optional<StoredType> dtype_option(const Options& given) {
  if (!given.has("--dtype")) return std::nullopt;
  const std::vector<std::string> words = {"fp32", "bf16", "fp16", "float32", "bfloat16", "float16"};
  return dtype_from(given.choice("--dtype", "", words));
}

std::shared_ptr<const Model> open_model(const Options& given, ProgressLine& progress) {
  return open_folder(model_folder(given), given, progress);
}

void use_threads(const Options& given) {
  if (given.choice("--device", "cpu", {"cpu", "cuda"}) == "cuda") {
    throw Error(ErrorKind::failed, "--device cuda: this build computes on the CPU only");
  }
  set_torch_threads(given.integer("--threads", 0, 0, 4096));
}

std::shared_ptr<const Model> open_folder(const std::string& folder, const Options& given,
                                         ProgressLine& progress) {
  use_threads(given);
  const auto model = Model::open(folder, progress.callback(), nullptr, dtype_option(given));
  if (!given.has("--heads")) return model;
  return model->with_heads(read_heads(given.text("--heads"), model->head_target()));
}

PlanTarget target_of(const Model& model) {
  return {model.shape().layers, model.shape().kv_heads, model.fingerprint()};
}

std::string one_of(const Options& given, const std::vector<std::string>& names,
                   const std::string& missing) {
  std::string found, known;
  for (const std::string& name : names) {
    known += (known.empty() ? "" : ", ") + name;
    if (!given.has(name)) continue;
    if (!found.empty()) {
      throw Error(ErrorKind::usage, found + " and " + name + " exclude each other");
    }
    found = name;
  }
  if (found.empty() && !missing.empty()) {
    throw Error(ErrorKind::usage, missing + "; expected one of " + known);
  }
  return found;
}

std::vector<int> ids_of(const Json& array, const std::string& origin) {
  if (!array.is_array()) fail_input(origin, "ids", "expected a JSON array of token ids");
  std::vector<int> ids;
  for (const Json& id : array) {
    if (!id.is_number_integer() || id < 0 || id > INT_MAX) {
      fail_input(origin, "ids[" + std::to_string(ids.size()) + "]",
                 "expected a token id, not " + id.dump(-1, ' ', true).substr(0, 40));
    }
    ids.push_back(id.get<int>());
  }
  return ids;
}

std::vector<int> read_ids(const std::string& path) {
  const Json json = read_json_file(path);
  return ids_of(json.is_object() && json.contains("ids") ? json["ids"] : json, path);
}

Templated apply_template(const Options& given, const std::string& folder, const std::string& text) {
  if (given.choice("--template", "plain", {"plain", "chat"}) == "plain") {
    if (given.has("--system")) {
      throw Error(ErrorKind::usage, "--system needs --template chat");
    }
    return {text, true};
  }
  std::optional<std::string> system;
  if (given.has("--system")) {
    system = given.text("--system");
    require_utf8(*system, "--system");
  }
  return {chat_prompt(folder, text, system), false};
}

void refuse_template(const Options& given, const std::string& source) {
  for (const char* option : {"--template", "--system"}) {
    if (given.has(option)) {
      throw Error(ErrorKind::usage, std::string(option) + " and " + source + " exclude each other");
    }
  }
}

Prompt read_prompt(const Options& given, const Model& model) {
  Prompt prompt;
  const std::string source =
      one_of(given, {"--ids", "--prompt", "--prompt-file"}, "a prompt is missing");
  const std::string asked = one_of(given, {"--question", "--question-ids"}, "");
  if (!asked.empty()) refuse_template(given, asked);
  const std::string value = given.text(source);
  const std::string origin = source == "--prompt" ? source : value;
  if (source == "--ids") {
    refuse_template(given, source);
    prompt.context = read_ids(value);
    check_ids(prompt.context, value, model);
  } else {
    const std::string text = source == "--prompt" ? value : read_text_file(value);
    check_text(text, origin);
    const Templated whole = apply_template(given, model.folder(), text);
    prompt.context = model.tokenizer().encode(whole.text, whole.add_special);
  }
  if (prompt.context.empty()) {
    fail_input(origin, "", "expected a prompt of at least one token, this is empty");
  }
  if (asked == "--question") {
    check_text(given.text(asked), asked);
    prompt.question = model.tokenizer().encode(given.text(asked), false);
  } else if (asked == "--question-ids") {
    prompt.question = read_ids(given.text(asked));
    check_ids(prompt.question, given.text(asked), model);
  }
  const std::size_t tokens = prompt.context.size() + prompt.question.size();
  if (tokens > static_cast<std::size_t>(model.shape().max_tokens)) {
    fail_input(origin, "",
               "expected at most " + std::to_string(model.shape().max_tokens) +
                   " tokens (max_position_embeddings), this prompt has " + std::to_string(tokens));
  }
  return prompt;
}

std::optional<QueryVisibility> query_option(const Options& given) {
  if (!given.has("--query")) return std::nullopt;
  return query_from(given.choice("--query", "", {"agnostic", "aware"}));
}

Plan read_plan_option(const std::string& argument, std::optional<QueryVisibility> query,
                      const Options& given, const Model& model) {
  std::optional<Signal> signal;
  if (given.has("--signal")) signal = read_signal(given.text("--signal"));
  Plan plan =
      plan_from_argument(argument.empty() ? "full" : argument, target_of(model),
                         query.value_or(QueryVisibility::agnostic), signal ? &*signal : nullptr);
  if (query) plan.query = *query;  // also over what a file says
  if (given.has("--seed")) plan.seed = given.seed(0);
  const std::vector<std::string> notes = plan_notes(plan);
  if (!notes.empty()) {
    std::cerr << "note: " << notes[0];
    if (notes.size() > 1) std::cerr << " (and " << notes.size() - 1 << " more)";
    std::cerr << "\n";
  }
  return plan;
}

std::vector<Case> read_case_set(const Options& given, const Model& model, int count) {
  if (given.has("--cases")) return read_cases(given.text("--cases"), model.tokenizer());
  NeedleSettings like;
  // Question and answer need room behind the context.
  like.context_tokens = std::min(like.context_tokens, model.shape().max_tokens - 64);
  like.seed = given.seed(like.seed);
  return make_needle_cases(count, like, model.tokenizer());
}

}  // namespace polykv
