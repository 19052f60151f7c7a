#!/usr/bin/env bash
# Installs what is missing, builds the studio and starts it with the given arguments.
#   bash app/run.sh                         the window on the embedded model
#   bash app/run.sh --model DIR             the window on a Hugging Face folder
#   bash app/run.sh score --plan snapkv:64  a command of the command line
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
top=$PWD
# shellcheck source=app/setup.sh
source app/setup.sh

install_packages
install_torch
# A folder that the tests configured (warnings as errors) is kept as it is.
werror=$(sed -n 's/^POLYKV_WERROR:BOOL=//p' build/CMakeCache.txt 2>/dev/null || true)
configure build "-DPOLYKV_WERROR=${werror:-OFF}"
build build polykv-studio
studio="$top/build/polykv-studio"
cd "$OLDPWD"  # relative paths in the arguments are the caller's

opens_window=1
for argument in "$@"; do
  case $argument in -h|--help|--screenshot|--screenshot=*) opens_window=0 ;; esac
done
[[ $# -gt 0 && $1 != -* ]] && opens_window=0
if [[ -n ${DISPLAY:-}${WAYLAND_DISPLAY:-} || $opens_window == 0 ]]; then
  exec "$studio" "$@"
fi

# No display: the same window under a virtual one, its picture, and its numbers as a table.
say "There is no display: drawing the window under a virtual one"
picture="$top/build/studio.png"
"$studio" "$@" --screenshot "$picture"
shared=() plans=()
while (($#)); do  # what the score table has in common with the window
  case $1 in
    --model|--cases|--threads) shared+=("$1" "$2"); shift ;;
    --plan) plans+=("$1" "$2"); shift ;;
    --model=*|--cases=*|--threads=*) shared+=("$1") ;;
    --plan=*) plans+=("$1") ;;
  esac
  shift
done
((${#plans[@]})) || plans=(--plan snapkv:64)  # the plan that the window starts with
"$studio" score "${shared[@]}" "${plans[@]}" --controls
say "The window's picture: $picture"
say "Next: bash app/run.sh --help, or set DISPLAY to open the window"
