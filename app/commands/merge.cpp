// `merge`: parts that were run by --shard become the whole.
#include <iostream>

#include "app/commands/needle_rows.h"
#include "app/commands/tuning.h"
#include "core/error.h"
#include "core/tune/audit.h"

namespace polykv {
namespace {

// One row per kind of file that comes in parts.
struct Kind {
  const char* format;
  std::string (*join)(const std::vector<std::string>& paths);
};

std::string join_calibrations(const std::vector<std::string>& paths) {
  std::vector<Calibration> parts;
  for (const std::string& path : paths) parts.push_back(read_calibration(path));
  return calibration_json(merge_calibrations(parts, paths));
}

std::string join_audits(const std::vector<std::string>& paths) {
  std::vector<Audit> parts;
  for (const std::string& path : paths) parts.push_back(parse_audit(read_json_file(path), path));
  return audit_json(merge_audits(parts, paths)).dump(1) + "\n";
}

std::string join_needles(const std::vector<std::string>& paths) {
  std::vector<Json> parts;
  for (const std::string& path : paths) parts.push_back(read_json_file(path));
  return merge_needle_rows(parts, paths).dump() + "\n";
}

constexpr Kind kKinds[] = {{"polykv-calibration/1", join_calibrations},
                           {"polykv-audit/1", join_audits},
                           {kNeedleFormat, join_needles}};

std::string format_of(const std::string& path) {
  const Json json = read_json_file(path);
  if (json.is_object() && json.contains("format") && json["format"].is_string()) {
    return json["format"].get<std::string>();
  }
  fail_input(path, "format", "expected a part that calibrate, audit or needle wrote");
}

int run(const Options& given) {
  const std::vector<std::string>& paths = given.operands();
  const std::string format = format_of(paths[0]);
  for (const std::string& path : paths) {
    if (format_of(path) != format) fail_input(path, "format", "expected " + format);
  }
  for (const Kind& kind : kKinds) {
    if (format != kind.format) continue;
    const std::string text = kind.join(paths);
    if (given.has("--out")) write_file_atomic(given.text("--out"), text);
    if (given.has("--json") || !given.has("--out")) {
      print_json(Json::parse(text));
    } else {
      std::cout << paths.size() << " parts joined in " << given.text("--out") << "\n";
    }
    return 0;
  }
  fail_input(paths[0], "format", "'" + format + "' does not come in parts");
}

constexpr Option kOptions[] = {
    {"--out", "FILE", "the whole; without it, on standard output"},
};

}  // namespace

const Word kMergeWord = {
    "merge",   "Joins the parts that calibrate, audit or needle wrote with --shard.",
    "FILE...", kOptions,
    run,       "The result is the one that a single run without --shard writes."};

}  // namespace polykv
