"""transformers on torch, eight prompts in a static batch; in 32 bits, the reference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from llm_engines import CONCURRENT, THREADS, Generate
from llm_engines.gguf_file import network


def computed_in(dtype: str, model: Path, _: Path) -> Generate:
    """Weights and arithmetic in `dtype`: float32 or bfloat16."""
    import torch

    torch.set_num_threads(THREADS)
    loaded, tokenizer = network(model, dtype)
    tokenizer.padding_side = "left"
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")

    def generate(prompts: Sequence[str], max_tokens: int) -> list[tuple[str, int]]:
        found = []
        for first in range(0, len(prompts), CONCURRENT):
            batch = list(prompts[first:][:CONCURRENT])
            tokens = tokenizer(batch, return_tensors="pt", padding=True, add_special_tokens=False)
            with torch.inference_mode():
                output = loaded.generate(
                    **tokens,
                    max_new_tokens=max_tokens,
                    do_sample=False,
                    eos_token_id=end,
                    pad_token_id=end,
                )
            for row in output[:, tokens.input_ids.shape[1] :].tolist():
                ids = row[: row.index(end)] if end in row else row
                found.append((str(tokenizer.decode(ids)), len(ids)))
        return found

    return generate
