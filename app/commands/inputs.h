#pragma once
// What the words have in common: model, prompt, plans and cases from their options.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/commands/options.h"
#include "app/commands/progress.h"
#include "core/files.h"
#include "core/model/model.h"
#include "core/plan/plan.h"
#include "core/probe/case.h"

namespace polykv {

// --model, or the embedded model's folder.
std::string model_folder(const Options& given);
// Opens it, or the folder given, on --device with --threads and --dtype, and with the head list of
// --heads.
std::shared_ptr<const Model> open_model(const Options& given, ProgressLine& progress);
std::shared_ptr<const Model> open_folder(const std::string& folder, const Options& given,
                                         ProgressLine& progress);
// Sets --threads and refuses what --device cannot be.
void use_threads(const Options& given);
// --dtype; none without it.
std::optional<StoredType> dtype_option(const Options& given);
PlanTarget target_of(const Model& model);

// Rows of the option tables that several words share.
inline constexpr Option kIdsOption = {"--ids", "FILE",
                                      "token ids: a JSON array, or an object with \"ids\""};
inline constexpr Option kPromptOption = {"--prompt", "TEXT", "text instead of ids"};
inline constexpr Option kPromptFileOption = {"--prompt-file", "FILE",
                                             "file with text instead of ids"};
inline constexpr Option kTemplateOption = {
    "--template", "plain|chat", "the text as it is, or in the model's chat template as a user's"};
inline constexpr Option kSystemOption = {"--system", "TEXT",
                                         "system message in front, with --template chat"};
inline constexpr Option kQuestionOption = {"--question", "TEXT",
                                           "the part that an agnostic cut does not see"};
inline constexpr Option kQuestionIdsOption = {"--question-ids", "FILE", "the same as token ids"};
inline constexpr Option kSignalOption = {"--signal", "FILE",
                                         "what +ALLOCATOR shares by, see `allocate`"};
inline constexpr Option kQueryOption = {"--query", "agnostic|aware",
                                        "whether the cut sees the question"};

inline constexpr Option kHeadsOption = {
    "--heads", "FILE", "retrieval heads; without it heads.json in the model's folder"};

// What --template and --system make of a text of the model in `folder`, and whether the tokenizer
// still adds its special tokens: a chat template writes them itself.
struct Templated {
  std::string text;
  bool add_special = true;
};
Templated apply_template(const Options& given, const std::string& folder, const std::string& text);
// A usage Error when --template or --system were given with what is no text, named by `source`.
void refuse_template(const Options& given, const std::string& source);

struct Prompt {
  std::vector<int> context, question;
};
// --ids, --prompt or --prompt-file, and --question or --question-ids. Throws an input Error for an
// empty prompt, ids outside the vocabulary and more tokens than the model has positions.
Prompt read_prompt(const Options& given, const Model& model);
// A JSON array of token ids, or an object with "ids".
std::vector<int> read_ids(const std::string& path);
std::vector<int> ids_of(const Json& array, const std::string& origin);
// The one option of these that was given; a usage Error for two, and for none with `missing` as
// its sentence ("" = none is fine, and the answer is "").
std::string one_of(const Options& given, const std::vector<std::string>& names,
                   const std::string& missing);

// --query; nothing when it was not given.
std::optional<QueryVisibility> query_option(const Options& given);
// One value of --plan ("" = full) with --signal, --seed and, when there is one, the query applied.
Plan read_plan_option(const std::string& argument, std::optional<QueryVisibility> query,
                      const Options& given, const Model& model);

// --cases, or `count` cases made in the embedded model's language.
std::vector<Case> read_case_set(const Options& given, const Model& model, int count);

}  // namespace polykv
