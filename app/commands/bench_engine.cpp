// `bench engine`: prefill, decode and loading beside a plain LibTorch loop and a plain read.
#include <cmath>
#include <filesystem>
#include <iostream>

#include "app/commands/bench.h"
#include "app/commands/inputs.h"
#include "app/commands/table.h"
#include "app/window.h"
#include "core/bench/plain_loop.h"
#include "core/bench/random_model.h"
#include "core/cache/engine.h"
#include "core/error.h"
#include "core/model/dtype.h"
#include "core/probe/language.h"

namespace polykv {
namespace {

namespace fs = std::filesystem;

// One measured quantity: ours, the yardstick's, both medians over turns taken one after the other.
struct Pair {
  double ours = 0, plain = 0;
};

constexpr std::int64_t kLargeFile = 256 << 20;

struct Row {
  std::string model;
  std::int64_t parameters = 0, file_bytes = 0;
  std::string dtype;
  int context = 0, decoded = 0, repeats = 0, same_tokens = 0;
  Pair prefill, decode, load_ms;
};

std::vector<std::string> weight_files(const std::string& folder) {
  const Weights weights(folder);
  std::vector<std::string> files;
  for (const auto& file : weights.files()) files.push_back(file->path());
  return files;
}

// About 300 million parameters in fp32: a Llama with grouped heads.
constexpr ModelShape kRandomShape = {.layers = 24,
                                     .query_heads = 16,
                                     .kv_heads = 4,
                                     .head_dim = 64,
                                     .hidden = 1024,
                                     .vocab = 32000,
                                     .max_tokens = 32768};
constexpr int kRandomIntermediate = 2816;

Row measure(const std::string& folder, const std::string& name, const Options& given,
            ProgressLine& progress) {
  Row row;
  row.model = name;
  row.repeats = given.integer("--repeats", 7, 1, 1000);
  const std::vector<std::string> files = weight_files(folder);
  for (const std::string& file : files) {
    row.file_bytes += static_cast<std::int64_t>(fs::file_size(file));
  }
  plain_read_ms(files);  // from here on the files are in the page cache
  std::shared_ptr<const Model> model;
  std::vector<double> read, open;
  for (int r = 0; r < std::min(row.repeats, 5); ++r) {
    progress.show(0, "loading " + name);
    model.reset();
    read.push_back(plain_read_ms(files));
    open.push_back(milliseconds([&] { model = open_folder(folder, given, progress); }));
  }
  row.load_ms = {median(open), median(read)};

  row.parameters = model->parameters();
  row.dtype = dtype_name(model->dtype());
  row.decoded = given.integer("--new", 128, 2, 100000);
  row.context = given.integer("--context", 1024, 1, model->shape().max_tokens - row.decoded);
  Prng prng(given.seed(1));
  GenerateRequest request;
  request.max_new = row.decoded;
  request.stop_at_eos = false;
  for (int i = 0; i < row.context; ++i) request.context.push_back(prng.below(model->shape().vocab));
  const PlainLoop plain(*model);
  std::vector<double> prefill[2], decode[2];
  for (int r = 0; r <= row.repeats; ++r) {
    progress.show(double(r) / row.repeats, "prefill and decode of " + name);
    const GenerateResult ours = generate(*model, request);
    const PlainRun theirs = plain.run(request.context, row.decoded);
    if (r == 0) {  // warms up
      while (row.same_tokens < row.decoded &&
             ours.ids[row.same_tokens] == theirs.ids[row.same_tokens]) {
        ++row.same_tokens;
      }
      continue;
    }
    prefill[0].push_back(1e3 * row.context / ours.prefill_ms);
    prefill[1].push_back(1e3 * row.context / theirs.prefill_ms);
    decode[0].push_back(ours.decode_tokens_per_s);
    decode[1].push_back(theirs.decode_tokens_per_s);
  }
  row.prefill = {median(prefill[0]), median(prefill[1])};
  row.decode = {median(decode[0]), median(decode[1])};
  return row;
}

Json json_of(const Row& row) {
  return {{"model", row.model},
          {"parameters", row.parameters},
          {"dtype", row.dtype},
          {"context", row.context},
          {"decoded", row.decoded},
          {"repeats", row.repeats},
          {"same_tokens", row.same_tokens},
          {"prefill_tokens_per_s", row.prefill.ours},
          {"plain_prefill_tokens_per_s", row.prefill.plain},
          {"prefill_ratio", row.prefill.ours / row.prefill.plain},
          {"decode_tokens_per_s", row.decode.ours},
          {"plain_decode_tokens_per_s", row.decode.plain},
          {"decode_ratio", row.decode.ours / row.decode.plain},
          {"weight_file_bytes", row.file_bytes},
          {"load_ms", row.load_ms.ours},
          {"plain_read_ms", row.load_ms.plain},
          {"load_ratio", row.load_ms.ours / row.load_ms.plain}};
}

int run(const Options& given) {
  ProgressLine progress;
  const std::string only = given.choice("--only", "both", {"embedded", "random", "both"});
  std::vector<Row> rows;
  if (only != "random") {
    const std::string folder = model_folder(given);
    rows.push_back(measure(folder, fs::path(folder).filename().string(), given, progress));
  }
  if (only != "embedded") {
    progress.show(0, "writing a random model");
    const RandomModel random(kRandomShape, kRandomIntermediate, given.seed(1));
    fs::copy_file(fs::path(embedded_model_folder()) / "tokenizer.json",
                  fs::path(random.folder()) / "tokenizer.json");
    rows.push_back(measure(random.folder(), "random", given, progress));
  }
  Json list = Json::array();
  Table table({"model", "parameters", "what", "engine", "plain", "ratio", "aim"});
  for (const Row& row : rows) {
    list.push_back(json_of(row));
    const std::string millions = fixed(double(row.parameters) / 1e6, 1) + " M";
    const auto add = [&](const char* what, const Pair& pair, const char* unit, const char* aim) {
      table.add({row.model, millions, what, fixed(pair.ours, 1) + unit, fixed(pair.plain, 1) + unit,
                 fixed(pair.ours / pair.plain, 2), aim});
    };
    add("prefill", row.prefill, " tokens/s", ">= 1");
    add("decode", row.decode, " tokens/s", ">= 1");
    // A small file's time is that of reading config and tokenizer.
    add("load", row.load_ms, " ms", row.file_bytes > kLargeFile ? "<= 2" : "");
  }
  if (given.has("--json")) {
    print_json({{"threads", torch_threads()}, {"rows", list}});
    return 0;
  }
  table.print(std::cout);
  std::cout << torch_threads() << " threads, " << rows.front().dtype << ", context "
            << rows.front().context << ", medians of " << rows.front().repeats
            << " turns; plain: a LibTorch loop with scaled_dot_product_attention over the same "
               "weights, and read() of the file from the page cache\n";
  return 0;
}

}  // namespace

const Bench kEngineBench = {"engine", "prefill, decode and loading beside plain LibTorch", run};

}  // namespace polykv
