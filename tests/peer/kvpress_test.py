"""`export --to kvpress` against kvpress itself: every policy it maps keeps the same tokens as the
studio's `keep`, and answers as its `generate` does.

    PYTHON kvpress_test.py BINARY SOURCE [MODEL ..]

needs kvpress 0.5, transformers 5.2 and a CPU torch; exits with 77 ("skipped") without kvpress.
Kept positions are read from the cache after the cut: every key must equal a key of the same run
without a press, and names its position by that. Where the sets differ, scores must tie.
"""
import importlib.util
import json
import os
import subprocess
import sys
import tempfile

try:
    import kvpress  # noqa: F401
except ImportError as missing:
    print(f"skipped: kvpress is not installed ({missing})")
    sys.exit(77)

import torch
from transformers import AutoModelForCausalLM, DynamicCache
from transformers.utils import logging

logging.disable_progress_bar()
logging.set_verbosity_error()
torch.set_num_threads(1)
sys.dont_write_bytecode = True  # snippets follow each other within a second
BINARY, SOURCE = sys.argv[1:3]
GOLDENS = os.path.join(SOURCE, "tests/goldens/models")
MODELS = sys.argv[3:] or [os.path.join(GOLDENS, name) for name in ("llama_gqa", "qwen3_qknorm")]
SCRATCH = tempfile.TemporaryDirectory()
TIE = 2e-5  # of the score

SNAP = {"window": 8, "kernel": 5}
EXPECT = {"future": 64}
LAG = {"sink": 4, "lag": 32}
POLICIES = [
    ("streaming_llm", {}), ("streaming_llm", {"sink": 0}),
    ("h2o", {}), ("h2o", {"normalise": True, "recent": 0}), ("h2o", {"recent": 20}),
    ("tova", {}),
    ("snapkv", SNAP), ("snapkv", {"window": 16, "kernel": 7}), ("snapkv", {"window": 1, "kernel": 1}),
    ("pyramidkv", {"beta": 4}),
    ("compresskv", {}), ("compresskv", {"heads": 1, "window": 5, "kernel": 4}),
    ("knorm", {}), ("keydiff", {}),
    ("lagkv", LAG), ("lagkv", {}),
    ("expected_attention", EXPECT),
    ("expected_attention", {**EXPECT, "covariance": False, "vnorm": False, "sink": 0}),
    ("expected_attention", {**EXPECT, "eps": 0.01}),
    ("chunkkv", {"chunk": 8, **SNAP}), ("chunkkv", {"inner": "knorm"}),
    ("chunkkv", {"inner": "lagkv", "chunk": 5, **LAG}), ("chunkkv", {"inner": "h2o"}),
    ("criticalkv", SNAP), ("criticalkv", {"inner": "tova", "first": 0.9}),
    ("criticalkv", {"inner": "expected_attention", "first": 0, "eps": 0, "vnorm": False, **EXPECT}),
    ("criticalkv", {"inner": "h2o", "first": 0.25}), ("criticalkv", {"inner": "lagkv", **LAG}),
    ("adakv", SNAP), ("adakv", {"alpha": 0, **SNAP}),
    ("adakv", {"alpha": 0.75, "inner": "expected_attention", **EXPECT}),
]
BUDGETS = (3, 8, 16, 47, 128)
# One layer each; cycled over the layers of a model.
MIXES = [
    [("snapkv", SNAP, 24), ("full", {}, None), ("knorm", {}, 60), ("compresskv", {}, 33),
     ("streaming_llm", {}, 20)],
    [("adakv", SNAP, 40), ("tova", {}, 17), ("criticalkv", SNAP, 50), ("lagkv", LAG, 90)],
    [("h2o", {}, 31), ("keydiff", {}, 48), ("chunkkv", SNAP, 45), ("expected_attention", EXPECT, 64)],
]


def path(name):
    return os.path.join(SCRATCH.name, name)


def dump(name, value):
    with open(path(name), "w") as file:
        json.dump(value, file)
    return path(name)


def studio(*words):
    done = subprocess.run([BINARY, *map(str, words), "--threads", "1", "--json"],
                          capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{words}: exit {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def read_scores(file, layers):
    with open(file, "rb") as opened:
        data = opened.read()
    size = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8:8 + size]), data[8 + size:]
    scores = []
    for layer in range(layers):
        entry = header[f"score.{layer}"]
        begin, end = entry["data_offsets"]
        flat = torch.frombuffer(bytearray(body[begin:end]), dtype=torch.float32)
        scores.append(flat.view(entry["shape"]))
    return scores


class Peer:
    """One model: transformers' and the studio's view of the same prompt."""

    def __init__(self, folder):
        self.folder, self.name = folder, os.path.basename(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        config = self.model.config
        self.layers = config.num_hidden_layers
        draw = torch.Generator().manual_seed(11)
        # Half of a vocabulary, twice over in part: repeated tokens bring ties of key norms.
        ids = torch.randint(3, config.vocab_size // 2, (150,), generator=draw).tolist()
        self.ids = (ids + ids[20:70])[:190] + [5, 9, 12]
        self.question = torch.randint(3, config.vocab_size // 2, (9,), generator=draw).tolist()
        self.ids_file = dump("ids.json", self.ids)
        self.question_file = dump("question.json", self.question)
        count = config.num_attention_heads
        order = [torch.randperm(count, generator=draw).tolist() for _ in range(self.layers)]
        self.heads = dump("heads.json", {str(l): order[l] for l in range(self.layers)})
        self.full = {}

    def prefill(self, press=None):
        cache = DynamicCache()
        with torch.no_grad():
            if press is None:
                self.model.model(torch.tensor([self.ids]), past_key_values=cache)
            else:
                with press(self.model):
                    self.model.model(torch.tensor([self.ids]), past_key_values=cache)
        return cache

    def use(self, implementation):
        self.model.set_attn_implementation(implementation)
        if implementation not in self.full:
            self.full[implementation] = self.prefill()
        return self.full[implementation]

    def plan(self, choices):
        chosen = [{"policy": policy, "budget": budget, "params": params}
                  for policy, params, budget in choices]
        return dump("plan.json", {"format": "polykv-plan/1", "name": "a \"plan\" \u00e9",
                                  "query": "agnostic", "prefill": {"layers": chosen}})

    def export(self, plan):
        answer = studio("export", "--model", self.folder, "--heads", self.heads, "--plan", plan,
                        "--to", "kvpress", "--out", path("snippet.py"))
        spec = importlib.util.spec_from_file_location("snippet", path("snippet.py"))
        snippet = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(snippet)
        return snippet, "eager" if answer["eager"] else "sdpa"

    def kept(self, snippet, full):
        """Per layer and kv head the positions that are left, from keys and values themselves."""
        for layer in self.model.model.layers:
            layer.self_attn.masked_key_indices = None  # of an earlier plan
        cache, layers = self.prefill(snippet.press), []
        for index in range(self.layers):
            module = self.model.model.layers[index].self_attn
            all_keys, all_values = full.layers[index].keys[0], full.layers[index].values[0]
            keys, values = cache.layers[index].keys[0], cache.layers[index].values[0]
            masked = getattr(module, "masked_key_indices", None)
            heads = []
            for head in range(keys.shape[0]):
                same = (keys[head][:, None] == all_keys[head][None]).all(-1)
                assert same.any(1).all(), "a key of the cut cache is none of the full one"
                where = same.int().argmax(1)
                assert (values[head] == all_values[head][where]).all(), "values of other tokens"
                gone = set() if masked is None else set(masked[2][masked[1] == head].tolist())
                heads.append([place for place in where.tolist() if place not in gone])
            layers.append(heads)
        return layers


class Count:
    def __init__(self):
        self.equal = self.tied = self.wrong = 0

    def add(self, what, got, want, scores):
        """One layer: lists of positions per kv head."""
        if got == want:
            self.equal += 1
            return
        swapped = [(h, set(want[h]) ^ set(got[h])) for h in range(len(want))]
        groups = [[scores[h, p].item() for p in places] for h, places in swapped if places]
        if [len(head) for head in got] != [len(head) for head in want]:  # a tie between heads
            groups = [sum(groups, [])]
        if sum(map(len, got)) == sum(map(len, want)) and all(
                max(group) < float("inf")  # what is protected ties with nothing
                and max(group) - min(group) <= TIE * abs(max(group)) for group in groups):
            self.tied += 1
            return
        self.wrong += 1
        print(f"  {what}: the studio keeps {want}, kvpress {got}; their scores differ: {groups}")

    def __str__(self):
        return f"{self.equal} layers equal, {self.tied} within ties, {self.wrong} wrong"


def check_kept(peer, what, choices, count):
    plan = peer.plan(choices)
    snippet, implementation = peer.export(plan)
    full = peer.use(implementation)
    want = studio("keep", "--model", peer.folder, "--heads", peer.heads, "--plan", plan, "--ids",
                  peer.ids_file, "--scores", path("scores.safetensors"))["layers"]
    scores = read_scores(path("scores.safetensors"), peer.layers)
    got = peer.kept(snippet, full)
    for index in range(peer.layers):
        count.add(f"{peer.name} {what} layer {index}", got[index], want[index]["positions"],
                  scores[index])


def check_answers(peer, choices, count):
    plan = peer.plan(choices)
    snippet, implementation = peer.export(plan)
    peer.use(implementation)
    for question in (None, peer.question):
        asked = [] if question is None else ["--question-ids", peer.question_file]
        want = studio("generate", "--model", peer.folder, "--heads", peer.heads, "--plan", plan,
                      "--ids", peer.ids_file, *asked, "--max-new", 16, "--no-stop-at-eos")["ids"]
        fed = None if question is None else torch.tensor([question])
        got = snippet.generate(peer.model, torch.tensor([peer.ids]), fed, 16)
        count.append(got == want)
        if got != want:
            print(f"  {peer.name}: answers {want} in the studio, {got} in kvpress")


def main():
    failed = False
    for folder in MODELS:
        peer, answers = Peer(folder), []
        total = len(peer.ids)
        counts = {}
        for policy, params in POLICIES:
            count = counts.setdefault(policy, Count())
            budgets = (*BUDGETS, total - 1, total)
            for first in range(0, len(budgets), peer.layers):
                choices = [(policy, params, budgets[(first + l) % len(budgets)])
                           for l in range(peer.layers)]
                check_kept(peer, f"{policy} {params}", choices, count)
        for mix in MIXES:
            choices = [mix[l % len(mix)] for l in range(peer.layers)]
            check_kept(peer, "mix", choices, counts.setdefault("mixed plans", Count()))
            check_answers(peer, choices, answers)
        for policy, count in counts.items():
            print(f"{peer.name} {policy}: {count}")
            failed |= count.wrong > 0
        print(f"{peer.name}: {sum(answers)} of {len(answers)} answers of 16 tokens equal")
        failed |= not all(answers)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
