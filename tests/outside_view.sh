#!/usr/bin/env bash
# The command line against reference fixtures beside the clone (../shared/fixtures), where there are
# any: an outside view that knows only the contract.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=app/setup.sh
source app/setup.sh

fixtures=../shared/fixtures
if [[ ! -f $fixtures/verify.py ]]; then
  say "No reference fixtures beside the clone: the outside view is skipped"
  exit 0
fi
tools="$CACHE/verify-tools"
[[ -d $tools ]] || pip_folder "$tools" numpy safetensors
export PYTHONPATH="$tools"
python=$(python_with_pip)

for area in logits tokenizers policies compresskv allocation router; do
  "$python" "$fixtures/verify.py" "${1:-build/polykv-studio}" "$fixtures" "$area"
done
