#!/usr/bin/env bash
# Fails when a source file is not as clang-format would write it. `bash tests/format.sh fix` writes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mode=(--dry-run --Werror)
[[ ${1:-} == fix ]] && mode=(-i)
find app core kernels views tests \( -name '*.cpp' -o -name '*.h' -o -name '*.cu' -o -name '*.cuh' \) \
  -print0 | xargs -0 clang-format "${mode[@]}"
