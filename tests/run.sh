#!/usr/bin/env bash
# Installs what the tests need, builds everything with warnings as errors and runs all tests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=app/setup.sh
source app/setup.sh
# Waiting OpenMP threads must not spin: tests run side by side on few cores.
export OMP_WAIT_POLICY=PASSIVE GOMP_SPINCOUNT=0

install_packages
install_torch
configure build -DPOLYKV_WERROR=ON
say "Building everything with warnings as errors"
build build all

if compgen -G 'tests/tsan/*_test.cpp' >/dev/null; then
  say "Worker test under ThreadSanitizer"
  configure build-tsan -DPOLYKV_SANITIZE=thread -DPOLYKV_CUDA=OFF
  build build-tsan test_tsan
  # One torch thread: the wheel's OpenMP is not instrumented and would be reported.
  OMP_NUM_THREADS=1 TSAN_OPTIONS="halt_on_error=1 suppressions=$PWD/tests/tsan/suppressions.txt" \
    build-tsan/test_tsan
fi

bash tests/outside_view.sh

say "All tests"
ctest --test-dir build --output-on-failure -j2
