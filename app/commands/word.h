#pragma once
// The words of the command line: one row per word, one file per word.
#include <span>

namespace polykv {

class Options;

struct Option {
  const char* name;   // "--plan"
  const char* value;  // what stands for its value in the help; "" = a switch
  const char* help;   // one line
};

struct Word {
  const char* name;      // "score"; "" = the window
  const char* summary;   // one line
  const char* operands;  // "DIR" when one is expected, "FILE..." for one or more, "" = none
  std::span<const Option> options;
  int (*run)(const Options&);  // returns the exit code; throws Error
  const char* notes = "";      // more lines below the summary of --help
};

extern const Word kTokenizeWord, kLogitsWord, kGenerateWord, kKeepWord, kScoreWord, kNeedleWord,
    kHeadsWord, kAllocateWord, kCalibrateWord, kRouteWord, kTuneWord, kAuditWord, kMergeWord,
    kExportWord, kPoliciesWord, kInspectWord, kCheckWord, kBenchWord, kWindowWord;

}  // namespace polykv
