#pragma once
// Runs the built program as a person would, and broken copies of the embedded model for it.
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "core/files.h"
#include "tests/support/scratch.h"

namespace polykv {

namespace fs = std::filesystem;

struct Ran {
  int code = -1;
  std::string out, err;
};

// `arguments` as typed into a shell. One thread: tests run side by side.
inline Ran run_program(const std::string& arguments) {
  const ScratchFolder scratch;
  const std::string command = std::string("OMP_WAIT_POLICY=PASSIVE OMP_NUM_THREADS=1 '") +
                              POLYKV_BINARY + "' " + arguments + " >" + scratch.file("out") +
                              " 2>" + scratch.file("err") + " </dev/null";
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_text_file(scratch.file("out")),
          read_text_file(scratch.file("err"))};
}

inline fs::path embedded_model() { return fs::path(POLYKV_SOURCE) / "assets" / "tiny-needle"; }

// A copy of the embedded model without its case file; returns the folder.
inline fs::path copy_model(const ScratchFolder& scratch) {
  const fs::path folder = scratch.file("model");
  fs::create_directory(folder);
  for (const char* name : {"config.json", "generation_config.json", "model.safetensors",
                           "tokenizer.json", "tokenizer_config.json"}) {
    fs::copy_file(embedded_model() / name, folder / name);
  }
  return folder;
}

}  // namespace polykv
