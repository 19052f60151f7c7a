#!/usr/bin/env bash
# Fuzzes the readers of model files under the address and undefined-behaviour sanitizers.
#   bash tests/fuzz/run.sh SECONDS [safetensors|index|config|tokenizer|template]
# Needs clang with libFuzzer (Debian: clang, libclang-rt-14-dev). Findings stay under build/fuzz;
# copy one into tests/fuzz/corpus/TARGET/ to keep it as a test.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
seconds=${1:?usage: run.sh SECONDS [TARGET]}
targets=(safetensors index config tokenizer template)
[[ -n ${2:-} ]] && targets=("$2")

build=${POLYKV_FUZZ_BUILD:-build/fuzz}
mkdir -p "$build"
export CCACHE=$(command -v ccache || true)
export FLAGS="-std=c++20 -O1 -gline-tables-only -fno-omit-frame-pointer -I. -fno-sanitize-recover=all
  -fsanitize=fuzzer-no-link,address,undefined,float-cast-overflow"
declare -A readers=(
  [safetensors]="core/error.cpp core/files.cpp core/model/safetensors.cpp"
  [index]="core/error.cpp core/files.cpp core/model/safetensors.cpp core/model/weights.cpp"
  [config]="core/error.cpp core/files.cpp core/model/config.cpp"
  [tokenizer]="core/error.cpp core/files.cpp core/model/unicode.cpp $(echo core/model/tokenizer*.cpp)"
  [template]="core/error.cpp core/files.cpp core/model/unicode.cpp core/model/chat_template.cpp
    $(echo core/model/jinja*.cpp)")

build_target() {  # every object is built again: ccache knows what has not changed
  local sources="${readers[$1]} tests/fuzz/$1_fuzz.cpp" objects=() source
  for source in $sources; do objects+=("$build/$(basename "$source" .cpp).o"); done
  printf '%s\n' $sources | xargs -P "$(nproc)" -I{} bash -c \
    '$CCACHE clang++ $FLAGS -c "$1" -o "$2/$(basename "$1" .cpp).o"' build {} "$build"
  clang++ $FLAGS -fsanitize=fuzzer "${objects[@]}" -lpcre2-8 -lutf8proc -o "$build/$1_fuzz"
}

# Inputs are files for the readers; in memory they cost no disk.
memory=/dev/shm
[[ -w $memory ]] || memory=${TMPDIR:-/tmp}
TMPDIR=$(mktemp -d "$memory/polykv-fuzz-XXXXXX")
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

for target in "${targets[@]}"; do
  build_target "$target"
  mkdir -p "$build/$target-new"  # found inputs: the next run goes on from them
  echo "== $target: $seconds s"
  # -timeout counts the clock: an input of 1 s takes long on a machine that is busy elsewhere.
  "$build/${target}_fuzz" -max_total_time="$seconds" -timeout=100 -rss_limit_mb=2048 \
    -max_len=16384 -dict=tests/fuzz/json.dict -artifact_prefix="$build/$target-finding-" \
    -print_funcs=0 -verbosity=0 -print_final_stats=1 "$build/$target-new" "tests/fuzz/corpus/$target"
done
echo "No finding."
