#!/usr/bin/env bash
# The command line against reference fixtures beside the clone (../shared/fixtures), where there are
# any: an outside view that knows only the contract. Covers what is supported today; extend
# MODELS, POLICIES and the areas as they come in.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=app/setup.sh
source app/setup.sh
MODELS=(llama_gqa llama_linear llama_mha_yarn mistral_gqa mistral_swa qwen2_tied qwen3_qknorm)
POLICIES=(knorm snapkv_w8_k5 snapkv_w16_k7 tova streaming_s4 observed)  # names as in the fixtures

fixtures=../shared/fixtures
if [[ ! -f $fixtures/verify.py ]]; then
  say "No reference fixtures beside the clone: the outside view is skipped"
  exit 0
fi
tools="$CACHE/verify-tools"
[[ -d $tools ]] || pip_folder "$tools" numpy safetensors
export PYTHONPATH="$tools"
python=$(python_with_pip)

chosen=$(mktemp -d)
trap 'rm -r "$chosen"' EXIT
mkdir "$chosen"/{models,logits,tokenizer,policies}
for model in "${MODELS[@]}"; do
  for file in models/"$model" logits/"$model".safetensors tokenizer/"$model"{,.decode}.jsonl; do
    [[ ! -e $fixtures/$file ]] || ln -s "$(realpath "$fixtures/$file")" "$chosen/$file"
  done
  [[ -e $fixtures/policies/$model.safetensors ]] || continue
  # Only the tensors of policies that exist.
  "$python" - "$fixtures/policies/$model.safetensors" "$chosen/policies/$model.safetensors" \
    "${POLICIES[@]}" <<'PYTHON'
import sys
from safetensors.numpy import load_file, save_file
source, target, *presses = sys.argv[1:]
tensors = load_file(source)
save_file({k: v for k, v in tensors.items() if k == "input_ids" or k.split(".")[0] in presses}, target)
PYTHON
done
for area in logits tokenizers policies; do
  "$python" "$fixtures/verify.py" "${1:-build/polykv-studio}" "$chosen" "$area"
done
