// The Python text around the layers of a plan. Every block is written only when it is named.
#include "core/files.h"
#include "core/plan/kvpress.h"

namespace polykv {
namespace {

const char* const kAgnostic = R"(
The cut sees the context alone; a question is read after it.
)";

const char* const kAware = R"(
The plan lets the cut see the question: hand over context and question as one context.
)";

const char* const kUse = R"(
    import torch, transformers
    model = transformers.AutoModelForCausalLM.from_pretrained(
        FOLDER, dtype=torch.float32, attn_implementation="ATTENTION")
    answer_ids = generate(model, context_ids, question_ids)

or, as with every press: `with press(model): model.model(context_ids, past_key_values=cache)`.
Scores come from kvpress' presses; every layer keeps exactly its budget of tokens per kv head: its
protected ones and the best of the rest, ties to the earlier token. Half precision computes other
scores, and so may keep other tokens. Batch size is 1. Made for kvpress 0.5 and transformers 5.2.
"""
from dataclasses import dataclass
)";

const char* const kRule = R"(

@dataclass
class Layer:
    budget: int  # tokens kept per kv head, protected ones included
    press: ScorerPress
    sink: int = 0  # first tokens that always stay
    recent: int | Callable = 0  # last ones, or a function of the number of tokens
    refine: Callable | None = None  # what makes other scores of the press' scores
    alpha: float | None = None  # kv heads share the layer's budget beyond this part of it


def ranked(scores):
    return scores.argsort(dim=-1, descending=True, stable=True)


def protect(scores, sink, recent):
    """Puts protected tokens above all others."""
    last = scores.shape[-1] - recent
    scores, best = scores.clone(), scores[..., sink:last].max() + 1
    scores[..., :sink] = best
    scores[..., last:] = best
    return scores


def share(scores, fixed, budget, alpha):
    """Which tokens (kv_heads, n) stay: every head's own part, then the best of all heads."""
    own = ranked(scores)[..., : fixed + int(alpha * (budget - fixed) + 1e-9)]
    flat = scores.scatter(-1, own, float("inf")).flatten(1)
    best = ranked(flat)[:, : budget * scores.shape[1]]
    return torch.zeros_like(flat, dtype=torch.bool).scatter(1, best, True).view_as(scores)


class PlanPress(BasePress):
    """A press and a budget per layer; None keeps every token."""

    def __init__(self, layers):
        self.layers = layers

    def post_init_from_model(self, model):
        held, wanted = model.config.num_hidden_layers, ATTENTION_OF_PLAN
        if held != len(self.layers):
            raise ValueError(f"the plan has {len(self.layers)} layers, the model {held}")
        if wanted and model.config._attn_implementation not in wanted:
            raise ValueError(f"the plan needs a model with attn_implementation in {wanted}")

    def compress(self, module, hidden_states, keys, values, attentions, kwargs):
        layer, n = self.layers[module.layer_idx], keys.shape[2]
        if layer is None or layer.budget >= n:
            return keys, values
        recent = layer.recent(n) if callable(layer.recent) else layer.recent
        sink = min(layer.sink, layer.budget)
        recent = min(recent, layer.budget - sink)
        scores = torch.zeros(keys.shape[:3], device=keys.device)
        if sink + recent < layer.budget:
            layer.press.compression_ratio = 1 - (layer.budget + 0.5) / n
            scores = layer.press.score(
                module, hidden_states, keys, values, attentions, kwargs
            ).float()
            if layer.refine:
                scores = protect(scores, sink, recent)
                scores = layer.refine(scores, layer.budget, module, values)
        scores = protect(scores, sink, recent)
        if layer.alpha is not None:
            kept = share(scores, sink + recent, layer.budget, layer.alpha)
            module.masked_key_indices = (~kept).nonzero(as_tuple=True)
            return keys, values
        kept = ranked(scores)[..., : layer.budget].sort(dim=-1).values
        kept = kept.unsqueeze(-1).expand(-1, -1, -1, keys.shape[-1])
        return keys.gather(2, kept), values.gather(2, kept)
)";

struct Block {
  const char* name;  // written when the layers name it
  const char* text;
};
const Block kBlocks[] = {
    {"H2OPress", R"(

@dataclass
class H2OPress(ObservedAttentionPress):
    """Sums of attention: undoes the division by the number of queries unless it is wanted."""

    normalise: bool = False

    def score(self, module, hidden_states, keys, values, attentions, kwargs):
        scores = super().score(module, hidden_states, keys, values, attentions, kwargs)
        n = keys.shape[2]
        return scores if self.normalise else scores * torch.arange(n, 0, -1, device=scores.device)
)"},
    {"CompressKVPress", R"(

@dataclass
class CompressKVPress(SnapKVPress):
    """The votes of a layer's semantic retrieval heads, shared by all kv heads (arXiv 2508.02401)."""

    heads: tuple = ()

    def score(self, module, hidden_states, keys, values, attentions, kwargs):
        window, kernel = self.window_size, self.kernel_size
        seen = self.compute_window_attention(
            module, hidden_states, keys, window, kwargs["position_embeddings"]
        )
        votes = seen[:, list(self.heads)].sum(dim=-2)
        pooled = F.avg_pool1d(votes, kernel, 1, kernel // 2)[..., : votes.shape[-1]]
        shared = F.pad(pooled.mean(dim=1, keepdim=True), (0, window))
        return shared.expand(-1, keys.shape[1], -1)
)"},
    {"lag_tail", R"(

def lag_tail(n, sink, lag):
    """Tokens from the last full partition on."""
    parts = (n - sink) // lag
    return n - sink - (parts - 1) * lag if parts >= 2 else 0
)"},
    {"chunk_means", R"(

def chunk_means(scores, budget, module, values, chunk):
    """Every token gets the mean of its chunk, of all kv heads together."""
    parts = scores.sum(dim=1, keepdim=True).split(chunk, dim=-1)
    means = [part.mean(dim=-1, keepdim=True).expand_as(part) for part in parts]
    return torch.cat(means, dim=-1).expand_as(scores)
)"},
    {"two_stages", R"(

def two_stages(scores, budget, module, values, eps, first):
    """The best by score for a part of the budget, then by score times norm of the output."""
    best = ranked(scores)[..., : int(first * budget + 1e-9)]
    module.config.head_dim = module.head_dim  # vwl1norm asks for it, Qwen2's config has none
    scores = (scores + eps) * CriticalKVPress.vwl1norm(values, module)
    return scores.scatter(-1, best, torch.finfo(scores.dtype).max)
)"},
};

const char* const kGenerate = R"(

@torch.no_grad()
def generate(model, context_ids, question_ids=None, max_new_tokens=32):
    """Greedy answer, a list of ids: the context, (1, n) ids, is cut, then the question read. Tokens
    are fed one by one without a mask: layers may hold different numbers of tokens now, and
    transformers makes one mask for all of them. Positions go on from n."""

    def drop_mask(module, args, kwargs):
        return args, {**kwargs, "attention_mask": None}

    cache, answer = DynamicCache(), []
    waiting = [] if question_ids is None else question_ids.flatten().tolist()
    with press(model):
        logits = model(context_ids, past_key_values=cache).logits
    hooks = [
        layer.self_attn.register_forward_pre_hook(drop_mask, with_kwargs=True)
        for layer in model.model.layers
    ]
    try:
        for position in count(context_ids.shape[1]):
            if waiting:
                token = waiting.pop(0)
            else:
                token = logits[0, -1].argmax().item()
                answer.append(token)
                if len(answer) >= max_new_tokens:
                    return answer
            at = torch.tensor([[token], [position]], device=context_ids.device)
            logits = model(at[:1], past_key_values=cache, position_ids=at[1:]).logits
    finally:
        for hook in hooks:
            hook.remove()
)";

// Of kvpress; imported when the text names them.
const char* const kClasses[] = {"BasePress",
                                "CriticalKVPress",
                                "ExpectedAttentionPress",
                                "KeyDiffPress",
                                "KnormPress",
                                "LagKVPress",
                                "ObservedAttentionPress",
                                "ScorerPress",
                                "SnapKVPress",
                                "StreamingLLMPress",
                                "TOVAPress"};

bool contains(const std::string& text, const std::string& word) {
  return text.find(word) != std::string::npos;
}

void replace(std::string& text, const std::string& word, const std::string& by) {
  const std::size_t at = text.find(word);
  if (at != std::string::npos) text.replace(at, word.size(), by);
}

}  // namespace

std::string kvpress_file(const Plan& plan, std::span<const std::string> presses, bool eager) {
  std::string layers = "\n\npress = PlanPress(\n    [\n";
  for (std::size_t l = 0; l < presses.size(); ++l) {
    layers += "        " + presses[l] + ",  # " + std::to_string(l) + "\n";
  }
  layers += "    ]\n)\n";

  std::string body = kRule;
  const bool masks = contains(layers, "alpha=");  // which kvpress does in its attention patch
  replace(body, "ATTENTION_OF_PLAN",
          eager   ? "(\"eager\",)"
          : masks ? "(\"sdpa\", \"flash_attention_2\")"
                  : "()");
  for (const Block& block : kBlocks) {
    if (contains(layers, block.name)) body += block.text;
  }
  body += layers + kGenerate;

  std::string imports;
  if (contains(body, "partial(")) imports += "from functools import partial\n";
  imports +=
      "from itertools import count\nfrom typing import Callable\n\nimport torch\n"
      "from transformers import DynamicCache\n";
  if (contains(body, "F.")) imports += "from torch.nn import functional as F\n";
  imports += "from kvpress import (\n";
  for (const char* name : kClasses) {
    if (contains(body, name)) imports += std::string("    ") + name + ",\n";
  }
  std::string use = kUse;
  replace(use, "ATTENTION", eager ? "eager" : "sdpa");
  // Escaped to ASCII on one line: a name may hold anything.
  const std::string name = Json(plan.name).dump(-1, ' ', true);
  return "# PolyKV Studio, plan " + name +
         "\n\"\"\"One press and budget per layer, for kvpress.\n" +
         (plan.query == QueryVisibility::agnostic ? kAgnostic : kAware) + use + imports + ")\n" +
         body;
}

}  // namespace polykv
