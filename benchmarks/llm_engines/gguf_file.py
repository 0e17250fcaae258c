"""The model's GGUF file in other forms: other weights, a tokenizer, a Hugging Face folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def requantised(model: Path, target: Path, kind: str) -> Path:
    """The same model with its weights stored as `kind`, a name of `GGMLQuantizationType`."""
    import gguf

    reader = gguf.GGUFReader(model)
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for field in reader.fields.values():
        if not field.name.startswith("GGUF.") and field.name != "general.architecture":
            inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=inner)
    full, other = gguf.GGMLQuantizationType.F32, gguf.GGMLQuantizationType[kind]
    for tensor in reader.tensors:
        chosen = full if tensor.tensor_type == full else other  # the small ones stay exact
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        writer.add_tensor(tensor.name, gguf.quants.quantize(values, chosen), raw_dtype=chosen)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


def tokenizer(model: Path) -> Any:
    """The file's tokenizer, a `tokenizers.Tokenizer`, without transformers."""
    import gguf
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

    fields = gguf.GGUFReader(model).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(pair.split(" ")) for pair in fields["tokenizer.ggml.merges"].contents()]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    digits = pre_tokenizers.Split(Regex(r"\p{N}"), "isolated")
    pieces = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.pre_tokenizer = pre_tokenizers.Sequence([digits, pieces])
    made.decoder = decoders.ByteLevel()
    kinds = fields["tokenizer.ggml.token_type"].contents()
    special = [text for text, kind in zip(tokens, kinds, strict=True) if kind == 3]
    made.add_special_tokens([AddedToken(text, normalized=False) for text in special])
    return made


def network(model: Path, dtype: str) -> tuple[Any, Any]:
    """The model in transformers, its weights widened to `dtype`, and its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    found: Any = AutoModelForCausalLM.from_pretrained(
        model.parent,
        gguf_file=model.name,
        trust_remote_code=False,
        dtype=getattr(torch, dtype),
        quantization_config=GgufConfig(dequantize=True),
    )
    return found, AutoTokenizer.from_pretrained(
        model.parent, gguf_file=model.name, trust_remote_code=False
    )


def hugging_face(model: Path, target: Path) -> Path:
    """The same model as a folder of safetensors in 32 bits, for what reads no GGUF file."""
    for part in network(model, "float32"):
        part.save_pretrained(target)
    return target
