"""CTranslate2, eight prompts in a static batch; the model is built from the GGUF file's tensors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llm_engines import CONCURRENT, THREADS, Generate
from llm_engines.gguf_file import tokenizer

_LAYER = [f"attn_{part}" for part in ("norm", "q", "k", "v", "output")]
_LAYER += [f"ffn_{part}" for part in ("norm", "gate", "up", "down")]


def int8(model: Path, folder: Path) -> Generate:
    """Weights and arithmetic in 8 bits."""
    import ctranslate2

    spec = _spec(model)
    spec.validate()
    spec.optimize()
    spec.save(str(folder))
    generator = ctranslate2.Generator(str(folder), compute_type="int8", intra_threads=THREADS)
    tokens = tokenizer(model)

    def generate(prompts: Sequence[str], max_tokens: int) -> list[tuple[str, int]]:
        answers = []
        for first in range(0, len(prompts), CONCURRENT):
            batch = [tokens.encode(text).tokens for text in prompts[first:][:CONCURRENT]]
            answers += generator.generate_batch(
                batch, max_length=max_tokens, sampling_topk=1, include_prompt_in_result=False
            )
        found = [answer.sequences_ids[0] for answer in answers]
        return [(tokens.decode(ids), len(ids)) for ids in found]

    return generate


def _spec(model: Path) -> Any:
    import gguf
    import numpy as np
    from ctranslate2.specs import common_spec, transformer_spec

    reader = gguf.GGUFReader(model)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    weights = {
        tensor.name: gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        for tensor in reader.tensors
    }
    heads, shared = (fields[f"llama.attention.head_count{kind}"] for kind in ("", "_kv"))

    def halves(matrix: Any, count: int) -> Any:  # GGUF interleaves what rotary embedding pairs
        split = matrix.reshape(count, matrix.shape[0] // count // 2, 2, matrix.shape[1])
        return split.swapaxes(1, 2).reshape(matrix.shape)

    spec = transformer_spec.TransformerDecoderModelSpec.from_config(
        fields["llama.block_count"],
        heads,
        activation=common_spec.Activation.SWISH,
        pre_norm=True,
        ffn_glu=True,
        rms_norm=True,
        rotary_dim=0,
        rotary_interleave=False,
        rotary_base=fields["llama.rope.freq_base"],
        num_heads_kv=shared,
    )
    decoder = spec.decoder
    decoder.scale_embeddings = False
    decoder.embeddings.weight = decoder.projection.weight = weights["token_embd.weight"]
    decoder.layer_norm.gamma = weights["output_norm.weight"]
    for number, layer in enumerate(decoder.layer):
        of = {key: weights[f"blk.{number}.{key}.weight"] for key in _LAYER}
        layer.self_attention.layer_norm.gamma = of["attn_norm"]
        layer.ffn.layer_norm.gamma = of["ffn_norm"]
        layer.self_attention.linear[0].weight = np.concatenate(
            [halves(of["attn_q"], heads), halves(of["attn_k"], shared), of["attn_v"]]
        )
        layer.self_attention.linear[1].weight = of["attn_output"]
        layer.ffn.linear_0.weight = of["ffn_gate"]
        layer.ffn.linear_0_noact.weight = of["ffn_up"]
        layer.ffn.linear_1.weight = of["ffn_down"]
    spec.register_vocabulary(fields["tokenizer.ggml.tokens"])
    spec.config.bos_token, spec.config.eos_token = "<|im_start|>", "<|im_end|>"
    spec.config.unk_token = "<|endoftext|>"
    spec.config.layer_norm_epsilon = fields["llama.attention.layer_norm_rms_epsilon"]
    return spec
