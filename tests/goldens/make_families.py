#!/usr/bin/env python3
"""Writes tests/goldens/families: small random decoders in the corners of the four families, and what
transformers 5.2.0 computes with them in fp32 on a CPU.
    make_families.py [FOLDER]
Needs torch 2.11.0, transformers 5.2.0, safetensors and numpy. Weights are shared: a case is a config.json
over one of the weight files. cases.json: {name, weights, config}; references.safetensors: NAME.tensor.
Reference tensors: input_ids [n]; rows [r] positions; logits [r, V], hidden [L, r, D], keys and values
[L, G, r, d] (after RoPE) at those positions; greedy [32] (eager attention, a cache, no stop token)."""
import json, os, sys, tempfile
import numpy as np
import torch
from safetensors.torch import save_file

V, D, FFN = 96, 32, 48
ROWS = 6


def weights(seed, layers, heads, kv, d, dtype, qkv_bias=False, out_bias=False, mlp_bias=False, qk_norm=False, head=True):
    g = torch.Generator().manual_seed(seed)
    rand = lambda *shape, scale=1.0: torch.randn(*shape, generator=g) * scale
    t = {"model.embed_tokens.weight": rand(V, D), "model.norm.weight": 1 + rand(D, scale=0.3)}
    if head:
        t["lm_head.weight"] = rand(V, D, scale=0.6)
    for l in range(layers):
        b = f"model.layers.{l}."
        linear = lambda name, rows, cols, bias, gain=1.0: t.update(
            {b + name + ".weight": rand(rows, cols, scale=gain / cols ** 0.5)} | ({b + name + ".bias": rand(rows, scale=0.3)} if bias else {}))
        gain = 1.0 if qk_norm else 1.5
        linear("self_attn.q_proj", heads * d, D, qkv_bias, gain)
        linear("self_attn.k_proj", kv * d, D, qkv_bias, gain)
        linear("self_attn.v_proj", kv * d, D, qkv_bias)
        linear("self_attn.o_proj", D, heads * d, out_bias)
        linear("mlp.gate_proj", FFN, D, mlp_bias)
        linear("mlp.up_proj", FFN, D, mlp_bias)
        linear("mlp.down_proj", D, FFN, mlp_bias)
        t[b + "input_layernorm.weight"] = 1 + rand(D, scale=0.3)
        t[b + "post_attention_layernorm.weight"] = 1 + rand(D, scale=0.3)
        if qk_norm:
            t[b + "self_attn.q_norm.weight"] = 1.4 + rand(d, scale=0.3)
            t[b + "self_attn.k_norm.weight"] = 1.4 + rand(d, scale=0.3)
    return {k: v.to(dtype).contiguous() for k, v in t.items()}


F32, F16, BF16 = torch.float32, torch.float16, torch.bfloat16
WEIGHTS = {  # layers, heads, kv heads, head_dim, stored type
    "gqa": dict(seed=1, layers=2, heads=4, kv=2, d=8, dtype=BF16),
    "mha": dict(seed=2, layers=2, heads=4, kv=4, d=8, dtype=F16),
    "mqa": dict(seed=3, layers=2, heads=4, kv=1, d=8, dtype=F32),
    "wide": dict(seed=4, layers=2, heads=4, kv=2, d=16, dtype=BF16),
    "biased": dict(seed=5, layers=2, heads=4, kv=2, d=8, dtype=BF16, qkv_bias=True, out_bias=True, mlp_bias=True),
    "eight": dict(seed=6, layers=2, heads=8, kv=8, d=4, dtype=BF16),
    "qwen2": dict(seed=7, layers=4, heads=4, kv=2, d=8, dtype=BF16, qkv_bias=True),
    "qwen3": dict(seed=8, layers=4, heads=4, kv=2, d=16, dtype=BF16, qk_norm=True),
    "qwen3_biased": dict(seed=9, layers=2, heads=4, kv=1, d=16, dtype=BF16, qk_norm=True, qkv_bias=True, out_bias=True),
    "qwen3_128": dict(seed=10, layers=1, heads=2, kv=1, d=128, dtype=BF16, qk_norm=True),
    "tied": dict(seed=11, layers=2, heads=4, kv=2, d=8, dtype=BF16, head=False),
}
MODEL = {"Llama": "llama", "Mistral": "mistral", "Qwen2": "qwen2", "Qwen3": "qwen3"}


def case(name, family, source, n=48, without=(), **config):
    w = WEIGHTS[source]
    base = {
        "architectures": [family + "ForCausalLM"], "model_type": MODEL[family], "vocab_size": V, "hidden_size": D,
        "intermediate_size": FFN, "num_hidden_layers": w["layers"], "num_attention_heads": w["heads"],
        "num_key_value_heads": w["kv"], "head_dim": w["d"], "max_position_embeddings": 512, "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0, "hidden_act": "silu", "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 2,
        "torch_dtype": {F32: "float32", F16: "float16", BF16: "bfloat16"}[w["dtype"]],
    }
    if family == "Mistral" and "sliding_window" not in config and "sliding_window" not in without:
        base["sliding_window"] = None
    base.update(config)
    for key in without:
        base.pop(key, None)
    return {"name": name, "weights": source, "n": n, "config": base}


YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}
CASES = [
    # head layouts and left out numbers
    case("mha_left_out", "Llama", "mha", without=("num_key_value_heads", "head_dim", "rms_norm_eps", "rope_theta", "tie_word_embeddings", "hidden_act", "torch_dtype")),
    case("mha_null", "Llama", "mha", num_key_value_heads=None, head_dim=None, rope_scaling=None),
    case("mqa", "Llama", "mqa"),
    case("head_dim_wide", "Llama", "wide"),
    case("tied", "Llama", "tied", tie_word_embeddings=True),
    case("tied_with_head", "Llama", "gqa", tie_word_embeddings=True),
    case("biases", "Llama", "biased", attention_bias=True, mlp_bias=True),
    case("biases_unused", "Llama", "biased", attention_bias=False, mlp_bias=False),
    case("attention_bias", "Llama", "biased", attention_bias=True),
    case("mlp_bias", "Llama", "biased", mlp_bias=True),
    case("positions_left_out", "Llama", "gqa", without=("max_position_embeddings",)),
    case("eps_large", "Llama", "gqa", rms_norm_eps=0.01),
    case("eps_tiny", "Llama", "gqa", rms_norm_eps=1e-12),
    # RoPE
    case("theta_5e5", "Llama", "gqa", rope_theta=500000.0),
    case("theta_int", "Llama", "gqa", rope_theta=1000000),
    case("new_style", "Llama", "gqa", without=("rope_theta", "torch_dtype"), dtype="bfloat16", rope_parameters={"rope_type": "default", "rope_theta": 250000.0}),
    case("both_styles", "Llama", "gqa", rope_scaling={"type": "linear", "factor": 2.0}, rope_parameters={"rope_type": "default", "rope_theta": 250000.0}),
    case("empty_scaling", "Llama", "gqa", without=("rope_theta",), rope_scaling={}, rope_parameters={"rope_type": "linear", "factor": 3.0, "rope_theta": 777.0}),
    case("linear_type", "Llama", "gqa", rope_scaling={"type": "linear", "factor": 4.0}),
    case("linear_rope_type", "Llama", "gqa", rope_scaling={"rope_type": "linear", "type": "dynamic", "factor": 2.5}),
    case("dynamic_below", "Llama", "gqa", max_position_embeddings=128, rope_scaling={"rope_type": "dynamic", "factor": 2.0}),
    case("dynamic_beyond", "Llama", "gqa", n=150, max_position_embeddings=64, rope_scaling={"rope_type": "dynamic", "factor": 4.0}),
    case("dynamic_crossing", "Llama", "gqa", n=56, max_position_embeddings=64, rope_scaling={"type": "dynamic", "factor": 4.0}),
    case("dynamic_other_original", "Llama", "mha", n=60, max_position_embeddings=48, rope_scaling={"rope_type": "dynamic", "factor": 8.0, "original_max_position_embeddings": 16}),
    case("dynamic_qwen2", "Qwen2", "qwen2", n=100, max_position_embeddings=32, rope_scaling={"rope_type": "dynamic", "factor": 8.0}),
    case("llama3", "Llama", "gqa", n=120, rope_theta=500000.0, rope_scaling=LLAMA3),
    case("llama3_corner", "Llama", "wide", n=120, rope_scaling=LLAMA3 | {"factor": 32.0, "low_freq_factor": 0.5, "high_freq_factor": 0.75, "original_max_position_embeddings": 100}),
    case("llama3_no_original", "Llama", "gqa", n=100, rope_scaling={k: v for k, v in LLAMA3.items() if k[0] != "o"}),
    case("llama3_top_level_original", "Llama", "gqa", n=100, original_max_position_embeddings=32, rope_scaling=LLAMA3),
    case("llama3_int_factors", "Llama", "gqa", rope_scaling=LLAMA3 | {"factor": 8, "low_freq_factor": 1, "high_freq_factor": 4}),
    case("yarn", "Qwen2", "qwen2", n=120, rope_scaling=YARN),
    case("yarn_betas", "Llama", "wide", n=120, rope_scaling=YARN | {"beta_fast": 8.0, "beta_slow": 0.25}),
    case("yarn_attention_factor", "Llama", "wide", rope_scaling=YARN | {"attention_factor": 0.7}),
    case("yarn_mscale", "Llama", "wide", rope_scaling=YARN | {"mscale": 0.707, "mscale_all_dim": 1.3}),
    case("yarn_mscale_alone", "Llama", "wide", rope_scaling=YARN | {"mscale": 0.707}),
    case("yarn_untruncated", "Llama", "wide", rope_scaling=YARN | {"truncate": False}),
    case("yarn_factor_null", "Llama", "wide", rope_scaling=YARN | {"factor": None}),
    case("yarn_factor_below_1", "Llama", "wide", rope_scaling=YARN | {"factor": 0.5}),
    case("yarn_no_original", "Llama", "wide", n=100, rope_scaling={"rope_type": "yarn", "factor": 2.0}),
    case("yarn_qwen3", "Qwen3", "qwen3", n=100, rope_scaling={"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128}),
    case("yarn_mistral", "Mistral", "wide", without=("rope_theta",), rope_parameters=YARN | {"rope_theta": 1e6, "beta_fast": 32.0, "beta_slow": 1.0, "mscale": 1.0, "mscale_all_dim": 1.0}),
    # windows
    case("mistral_window", "Mistral", "gqa", n=60, sliding_window=16),
    case("mistral_window_2", "Mistral", "gqa", sliding_window=2),
    case("mistral_no_window", "Mistral", "wide"),
    case("mistral_left_out", "Mistral", "eight", without=("sliding_window", "num_key_value_heads", "head_dim")),
    case("mistral_other_keys", "Mistral", "gqa", n=60, sliding_window=16, use_sliding_window=False, max_window_layers=1, attention_bias=True, mlp_bias=True),
    case("qwen2_window_off", "Qwen2", "qwen2", without=("head_dim",), n=60, sliding_window=16, max_window_layers=2, use_sliding_window=False),
    case("qwen2_window", "Qwen2", "qwen2", n=60, sliding_window=16, max_window_layers=2, use_sliding_window=True),
    case("qwen2_window_default_first", "Qwen2", "qwen2", n=60, sliding_window=16, use_sliding_window=True),
    case("qwen2_layer_types", "Qwen2", "qwen2", n=60, sliding_window=12, max_window_layers=4, use_sliding_window=True,
         layer_types=["sliding_attention", "full_attention", "full_attention", "sliding_attention"]),
    case("qwen2_other_keys", "Qwen2", "qwen2", attention_bias=False, mlp_bias=True),
    case("qwen3_window", "Qwen3", "qwen3", n=60, sliding_window=20, max_window_layers=1, use_sliding_window=True),
    case("qwen3_all_windows", "Qwen3", "qwen3", n=60, sliding_window=20, max_window_layers=0, use_sliding_window=True, rope_theta=1e6),
    case("qwen3_biases", "Qwen3", "qwen3_biased", attention_bias=True),
    case("qwen3_head_dim_left_out", "Qwen3", "qwen3_128", without=("head_dim",)),
]


def tokenizer():
    chars = [chr(c) for c in range(0x21, 0x21 + 61)]
    vocab = {t: i for i, t in enumerate(["<unk>", "<s>", "</s>"] + chars)}
    added = [{"id": i, "content": t, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
             for t, i in list(vocab.items())[:3]]
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None, "pre_tokenizer": None,
            "post_processor": None, "decoder": None, "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>",
            "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
            "ignore_merges": False, "vocab": vocab, "merges": []}}


def reference(folder, n, seed):
    from transformers import AutoModelForCausalLM, DynamicCache, logging
    logging.disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    ids = torch.randint(3, V, (1, n), generator=torch.Generator().manual_seed(seed))
    cache = DynamicCache()  # not by config: the keys of a windowed layer are kept whole
    with torch.no_grad():
        out = model(ids, use_cache=True, past_key_values=cache, output_hidden_states=True)
        layers = [block.register_forward_hook(lambda m, i, o, k=k: last.__setitem__(k, o if torch.is_tensor(o) else o[0]))
                  for k, block in enumerate(model.model.layers)]
        last = {}
        model(ids, use_cache=False)
        for hook in layers:
            hook.remove()
        logits, greedy, gaps = out.logits[0], [], []
        own = DynamicCache(config=model.config)
        step = model(ids, use_cache=True, past_key_values=own)
        for _ in range(32):
            best = step.logits[0, -1].topk(2)
            greedy.append(int(best.indices[0]))
            gaps.append(float(best.values[0] - best.values[1]))
            step = model(torch.tensor([[greedy[-1]]]), use_cache=True, past_key_values=own)
    return {"ids": ids[0], "logits": logits, "hidden": torch.stack([last[k][0] for k in sorted(last)]),
            "keys": torch.stack([layer.keys[0] for layer in cache.layers]), "values": torch.stack([layer.values[0] for layer in cache.layers]),
            "greedy": torch.tensor(greedy), "gap": min(gaps)}


def main(out):
    os.makedirs(out, exist_ok=True)
    json.dump(tokenizer(), open(f"{out}/tokenizer.json", "w"))
    for name, settings in WEIGHTS.items():
        save_file(weights(**settings), f"{out}/{name}.weights.safetensors", metadata={"format": "pt"})
    listed, refs = [], {}
    for number, one in enumerate(CASES):
        with tempfile.TemporaryDirectory() as folder:
            json.dump(one["config"], open(f"{folder}/config.json", "w"))
            os.symlink(os.path.abspath(f"{out}/{one['weights']}.weights.safetensors"), f"{folder}/model.safetensors")
            for seed in range(number * 100, number * 100 + 100):  # greedy tokens are compared exactly: no near-tie
                full = reference(folder, one["n"], seed)
                lively = len(set(full["greedy"].tolist())) >= 8 or "tied" in one["name"]
                if full["gap"] >= 0.005 and lively:
                    break
            else:
                raise SystemExit(f"{one['name']}: every prompt runs into a near-tie or a loop")
        rows = torch.linspace(0, one["n"] - 1, ROWS).round().long()
        for key, value in {"input_ids": full["ids"].int(), "rows": rows.int(), "logits": full["logits"][rows], "hidden": full["hidden"][:, rows],
                           "keys": full["keys"][:, :, rows], "values": full["values"][:, :, rows], "greedy": full["greedy"].int()}.items():
            refs[f"{one['name']}.{key}"] = value.contiguous()
        listed.append({k: one[k] for k in ("name", "weights", "config")})
        print(f"{one['name']}: n {one['n']}, seed {seed}, gap {full['gap']:.4f}, logits std {full['logits'].std():.2f}", flush=True)
    save_file(refs, f"{out}/references.safetensors")
    with open(f"{out}/cases.json", "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(x) for x in listed) + "\n]\n")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "families"))
