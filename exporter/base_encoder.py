"""The model to export: loaded as its authors saved it, pooling and prefixes included."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruie.bundle.manifest import Pooling
from ruie.bundle.retrieval import KEYWORD_TOKENS
from ruie.errors import BundleError, UnavailableError

DEFAULT_MAX_TOKENS = 512
"""Where neither model nor tokenizer states a length; RUIE's own (arXiv 2409.11673)."""

_POOLING_KEYS = {
    "pooling_mode_mean_tokens": Pooling.MEAN,
    "pooling_mode_cls_token": Pooling.CLS,
}


@dataclass(frozen=True)
class Source:
    """A loaded encoder: the torch model, its tokenizer and how both are used."""

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
    """Its tokenizer has the keyword tokens as tokens of their own: it was trained with them."""

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


def quiet() -> None:
    """No bars and remarks of transformers: a command says itself what it does."""
    from transformers.utils import logging as untyped

    logging: Any = untyped
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def opened(loader: Any, what: str, model: str, **options: Any) -> Any:
    """What a class of transformers loads from a hub id or a folder. `what` names it in the
    `UnavailableError`."""
    try:
        return loader.from_pretrained(model, **options)
    except Exception as error:  # transformers raises many kinds, for many kinds of wrong input
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UnavailableError(
            f"The {what} {model} cannot be loaded: {reason}",
            "Give a Hugging Face id or the folder of a model with its tokenizer.",
        ) from None


def load_source(model: str) -> Source:
    """Load a hub id or a local path in fp32.

    The files of the sentence-transformers layout are respected where they are there: pooling,
    maximum length, prompts. Raises `UnavailableError` without torch, `BundleError` else.
    """
    check_libraries()
    import torch
    from transformers import AutoModel, AutoTokenizer

    pooling, modules_length, prompts = _sentence_transformers_files(model)
    try:
        tokenizer = AutoTokenizer.from_pretrained(model)
        # Eager attention is plain matrix products and a softmax: the form that ONNX Runtime
        # recognises and that carries no data-dependent branch into the trace.
        network = AutoModel.from_pretrained(
            model, attn_implementation="eager", dtype=torch.float32
        ).eval()
    except Exception as error:  # transformers raises many kinds, for many kinds of wrong input
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BundleError(
            f"The encoder {model} cannot be loaded: {reason}",
            "Give a Hugging Face id or the folder of a model with its tokenizer.",
        ) from None
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
    return Source(
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
    for module in _json(model, "modules.json") or []:
        kind, path = str(module["type"]).rsplit(".", 1)[-1], str(module["path"])
        if kind == "Transformer":
            described = _json(model, f"{path}/sentence_bert_config.json".lstrip("/")) or {}
            length = described.get("max_seq_length")
        elif kind == "Pooling":
            pooling = _pooling(model, _json(model, f"{path}/config.json") or {})
        elif kind != "Normalize":
            raise BundleError(
                f"The encoder {model} has a {kind} module, which cannot be exported.",
                "Choose an encoder of transformer, pooling and normalisation alone.",
            )
    described = _json(model, "config_sentence_transformers.json") or {}
    prompts = {name: text for name, text in (described.get("prompts") or {}).items() if text}
    return pooling, length, prompts


def _pooling(model: str, described: dict[str, Any]) -> Pooling:
    named = described.get("pooling_mode")
    modes = [named] if isinstance(named, str) else []
    modes += [
        key for key, on in described.items() if key.startswith("pooling_mode_") and on is True
    ]
    known = [_POOLING_KEYS.get(mode, mode) for mode in modes]
    if len(known) == 1 and known[0] in tuple(Pooling):
        return Pooling(known[0])
    raise BundleError(
        f"The encoder {model} pools by {', '.join(modes) or 'nothing known'}.",
        "Only mean and cls pooling can be exported.",
    )


def _json(model: str, name: str) -> Any:
    """A JSON file of the model, local or from the hub; None where there is none."""
    from transformers.utils.hub import cached_file

    try:
        path = cached_file(model, name, _raise_exceptions_for_missing_entries=False)
    except OSError:  # no such model: loading it says so better
        return None
    return json.loads(Path(path).read_text(encoding="utf-8")) if path else None
