"""The model to export: loaded as its authors saved it, pooling and prefixes included."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruie.bundle.manifest import Pooling
from ruie.bundle.retrieval import KEYWORD_TOKENS
from ruie.errors import BundleError, RuieError, UnavailableError
from ruie.settings import settings

DEFAULT_MAX_TOKENS = 512
"""Where neither model nor tokenizer states a length; RUIE's own (arXiv 2409.11673)."""

_POOLING_KEYS = {
    "pooling_mode_mean_tokens": Pooling.MEAN,
    "pooling_mode_cls_token": Pooling.CLS,
}


@dataclass(frozen=True)
class BaseEncoder:
    """A pretrained encoder in torch: the model, its tokenizer and how both are used."""

    name: str
    architecture: str
    model: Any
    tokenizer: Any
    pooling: Pooling
    max_tokens: int
    query_prefix: str
    passage_prefix: str
    dimension: int
    keywords: bool
    """Whether it was trained with `KEYWORD_TOKENS`, and its tokenizer has them as single tokens."""

    @property
    def pad_id(self) -> int:
        pad = self.tokenizer.pad_token_id
        return int(pad) if pad is not None else 0


def check_libraries() -> None:
    """Raises `UnavailableError` without torch and transformers."""
    for name in ("torch", "transformers"):
        if importlib.util.find_spec(name) is None:
            raise UnavailableError(
                f"This needs {name}, which is not installed.",
                'Install it with: pip install "ruie[train]"',
            )


def silence_transformers() -> None:
    """Turn off its progress bars and warnings: a command reports its own progress."""
    from transformers.utils import logging as untyped

    logging: Any = untyped
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def first_line(error: BaseException) -> str:
    """The first line of an error's message; its class where the message is empty."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def load_pretrained(
    loader: Any,
    kind: str,
    model: str,
    *,
    raises: type[RuieError] = UnavailableError,
    **options: Any,
) -> Any:
    """`loader.from_pretrained(model, **options)`; a model that cannot be loaded raises `raises`.

    loader: a class of transformers. kind: what the model is, for the message. model: a Hugging
    Face id or a folder. Code that the model brings is run only if the settings allow it: without
    being told, transformers would ask on the terminal.
    """
    trusted = settings().model_code
    try:
        return loader.from_pretrained(model, trust_remote_code=trusted, **options)
    except Exception as error:  # transformers raises many kinds, for many kinds of wrong input
        if not trusted and "trust_remote_code" in str(error):
            raise raises(
                f"The {kind} {model} brings Python code of its own, which is not run.",
                "Choose another model, or set RUIE_MODEL_CODE=true if you have read that code.",
            ) from None
        raise raises(
            f"The {kind} {model} cannot be loaded: {first_line(error)}",
            "Give a Hugging Face id or the folder of a model with its tokenizer.",
        ) from None


def load_base_encoder(model: str) -> BaseEncoder:
    """Load a Hugging Face id or a local path in fp32.

    Pooling, maximum length and prompts come from the files of the sentence-transformers layout
    where the model has them. Raises `UnavailableError` without torch and transformers,
    `BundleError` if the model cannot be loaded or exported.
    """
    check_libraries()
    import torch
    from transformers import AutoModel, AutoTokenizer

    pooling, modules_length, prompts = _sentence_transformers_files(model)
    tokenizer = load_pretrained(AutoTokenizer, "encoder", model, raises=BundleError)
    network = load_pretrained(
        AutoModel,
        "encoder",
        model,
        raises=BundleError,
        # Eager attention is plain matrix products and a softmax: the form that ONNX Runtime
        # recognises and that carries no data-dependent branch into the trace.
        attn_implementation="eager",
        dtype=torch.float32,
    ).eval()
    if not getattr(tokenizer, "is_fast", False):
        raise BundleError(
            f"The encoder {model} has no fast tokenizer (tokenizer.json).",
            "Choose an encoder that has one.",
        )
    config = network.config
    limits = [
        limit
        for limit in (
            modules_length,
            tokenizer.model_max_length,
            getattr(config, "max_position_embeddings", None),
        )
        if limit is not None and 0 < limit < 100_000  # "unlimited" is stored as 1e30
    ]
    return BaseEncoder(
        name=Path(model).name if Path(model).exists() else model,
        architecture=str(config.model_type),
        model=network,
        tokenizer=tokenizer,
        pooling=pooling,
        max_tokens=min([*limits, DEFAULT_MAX_TOKENS]),
        query_prefix=prompts.get("query", ""),
        passage_prefix=prompts.get("passage", prompts.get("document", "")),
        dimension=int(config.hidden_size),
        keywords=set(KEYWORD_TOKENS) <= set(tokenizer.get_added_vocab()),
    )


def pooled(hidden: Any, mask: Any, pooling: Pooling) -> Any:
    """Unit vectors (batch, dimension) from token vectors (batch, tokens, dimension), in torch."""
    import torch

    if pooling is Pooling.CLS:
        vectors = hidden[:, 0]
    else:
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        vectors = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
    return torch.nn.functional.normalize(vectors, dim=-1)


def _sentence_transformers_files(model: str) -> tuple[Pooling, int | None, dict[str, str]]:
    pooling = Pooling.MEAN
    length: int | None = None
    prompts: dict[str, str] = {}
    for module in _read_json(model, "modules.json") or []:
        kind, path = str(module["type"]).rsplit(".", 1)[-1], str(module["path"])
        if kind == "Transformer":
            config = _read_json(model, f"{path}/sentence_bert_config.json".lstrip("/")) or {}
            length = config.get("max_seq_length")
        elif kind == "Pooling":
            pooling = _pooling(model, _read_json(model, f"{path}/config.json") or {})
        elif kind != "Normalize":
            raise BundleError(
                f"The encoder {model} has a {kind} module, which cannot be exported.",
                "Choose an encoder with transformer, pooling and normalisation modules alone.",
            )
    config = _read_json(model, "config_sentence_transformers.json") or {}
    prompts = {name: text for name, text in (config.get("prompts") or {}).items() if text}
    return pooling, length, prompts


def _pooling(model: str, config: dict[str, Any]) -> Pooling:
    """From the config of a Pooling module, which has one mode's name or a flag for each mode."""
    named = config.get("pooling_mode")
    modes = [named] if isinstance(named, str) else []
    modes += [key for key, on in config.items() if key.startswith("pooling_mode_") and on is True]
    known = [_POOLING_KEYS.get(mode, mode) for mode in modes]
    if len(known) == 1 and known[0] in tuple(Pooling):
        return Pooling(known[0])
    raise BundleError(
        f"The encoder {model} uses the pooling {', '.join(modes) or '(none named)'}.",
        "Only mean and cls pooling can be exported.",
    )


def _read_json(model: str, name: str) -> Any:
    """A JSON file of the model, local or from the hub; None if it has no such file."""
    from transformers.utils.hub import cached_file

    try:
        path = cached_file(model, name, _raise_exceptions_for_missing_entries=False)
    except OSError:  # no such model: loading it has the better message
        return None
    return json.loads(Path(path).read_text(encoding="utf-8")) if path else None
