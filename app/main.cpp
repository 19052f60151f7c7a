// The program: finds the word on the command line and runs it; without one, the window.
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <iostream>
#include <new>

#include "app/commands/options.h"
#include "core/error.h"

namespace polykv {
namespace {

constexpr const Word* kWords[] = {
    &kScoreWord,  &kGenerateWord, &kKeepWord,     &kNeedleWord,   &kHeadsWord,     &kTokenizeWord,
    &kLogitsWord, &kCheckWord,    &kPoliciesWord, &kAllocateWord, &kCalibrateWord, &kRouteWord,
    &kTuneWord,   &kAuditWord,    &kMergeWord,    &kExportWord,   &kInspectWord,   &kBenchWord};

// OpenMP reads these when it is loaded, which is before main: the program starts itself again.
// Its threads then sleep while they wait, and leave the cores to the window.
void let_openmp_sleep(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  setenv("OMP_WAIT_POLICY", "PASSIVE", 0);
  setenv("GOMP_SPINCOUNT", "0", 0);
  execv("/proc/self/exe", argv);  // returns only when it failed; then it runs slower
}

void print_help() {
  std::cout << help_text(kWindowWord) << "\nwords (each has its own --help):\n";
  for (const Word* word : kWords) {
    std::string name = word->name;
    name.resize(10, ' ');
    std::cout << "  " << name << word->summary << "\n";
  }
  std::cout << "\nexit codes: 0 done, 1 the work failed, 2 wrong usage, 3 bad input file\n";
}

const Word& find_word(const std::string& name) {
  std::vector<std::string> names;
  for (const Word* word : kWords) {
    if (name == word->name) return *word;
    names.push_back(word->name);
  }
  throw Error(ErrorKind::usage, "unknown word '" + name + "'" + did_you_mean(name, names));
}

int run_program(std::vector<std::string> arguments) {
  const bool has_word = !arguments.empty() && !arguments[0].starts_with("-");
  const Word& word = has_word ? find_word(arguments[0]) : kWindowWord;
  if (has_word) arguments.erase(arguments.begin());
  const Options options(word, arguments);
  if (!options.wants_help()) return word.run(options);
  if (has_word) {
    std::cout << help_text(word);
  } else {
    print_help();
  }
  return 0;
}

}  // namespace
}  // namespace polykv

int main(int argc, char** argv) {
  using polykv::kProgram;
  polykv::let_openmp_sleep(argv);
  const auto complain = [](const std::string& sentence) {
    std::cerr << kProgram << ": " << sentence << "\n";
  };
  try {
    return polykv::run_program({argv + 1, argv + argc});
  } catch (const polykv::Error& error) {
    complain(error.what());
    if (error.kind() == polykv::ErrorKind::usage) complain("--help shows what there is");
    return static_cast<int>(error.kind());
  } catch (const std::bad_alloc&) {
    complain("not enough memory for this");
  } catch (const std::exception& error) {
    // LibTorch appends a backtrace; the first line says what happened.
    const char* what = error.what();
    complain({what, std::strcspn(what, "\n")});
  }
  return static_cast<int>(polykv::ErrorKind::failed);
}
