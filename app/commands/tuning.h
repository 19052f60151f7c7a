#pragma once
// What the words of the tuner have in common.
#include <string>
#include <vector>

#include "app/commands/inputs.h"
#include "app/commands/table.h"
#include "core/shard.h"
#include "core/tune/calibration.h"
#include "core/tune/comparison.h"

namespace polykv {

inline constexpr Option kCasesOption = {"--cases", "FILE",
                                        "JSON lines; without it needle cases are made"};
inline constexpr Option kShardOption = {"--shard", "I/N",
                                        "only part I of N; `merge` joins the parts"};
inline constexpr Option kPoliciesOption = {
    "--policies", "A,B", "policies to choose from (default: all that fit one budget and one pass)"};

inline constexpr Option kShareByOption = {
    "--share-by", "ID",
    "a calibration's numbers to share by: a layer signal (default entropy), worst_nll, least_nll"};

// Whether a word means a file rather than an id.
bool names_a_file(const std::string& text);
// --policies: ids, each known; empty when it was not given.
std::vector<std::string> policies_option(const Options& given);
Shard shard_option(const Options& given);
// Throws an input Error with the reason when the file was measured on another model or head list.
Calibration read_calibration_of(const std::string& path, const Model& model);
// "0,3": one flag per layer.
std::vector<bool> locks_option(const Options& given, int layers);

Json plan_object(const Plan& plan, const PlanTarget& target);
// A table and its JSON: every row with its gap_recovered.
Table comparison_table(const Comparison& comparison);
Json comparison_json(const Comparison& comparison);
// "cannot tell: ..." when the full cache answers fewer than half of the cases; else "".
std::string cannot_tell(const Comparison& comparison);

}  // namespace polykv
