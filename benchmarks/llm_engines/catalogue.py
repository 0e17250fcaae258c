"""Every engine by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from llm_engines import (
    Generate,
    ctranslate,
    llama_cpp,
    onnx_genai,
    openvino,
    transformers_serve,
    transformers_static,
)

REFERENCE = "transformers-f32"


@dataclass(frozen=True, slots=True)
class Engine:
    """`load` gets the GGUF file and an empty folder."""

    load: Callable[[Path, Path], Generate]
    packages: tuple[str, ...]  # needed to serve, besides what ruie needs anyway
    conversion: tuple[str, ...] = ()  # needed only to make the weights


_TORCH = ("torch", "transformers", "accelerate", "gguf")
_SERVER = (*_TORCH, "fastapi", "uvicorn", "starlette")
_OPENVINO = ("openvino", "openvino-genai", "openvino-tokenizers")
_ONNX = (("onnxruntime-genai",), (*_TORCH, "onnx-ir"))

ENGINES = {
    REFERENCE: Engine(partial(transformers_static.computed_in, "float32"), _TORCH),
    "transformers-bf16": Engine(partial(transformers_static.computed_in, "bfloat16"), _TORCH),
    "serve-f32": Engine(partial(transformers_serve.one_by_one, "float32"), _SERVER),
    "serve-bf16": Engine(partial(transformers_serve.one_by_one, "bfloat16"), _SERVER),
    "serve-bf16-batching": Engine(partial(transformers_serve.batching, "bfloat16"), _SERVER),
    "openvino-f16": Engine(openvino.half, (*_OPENVINO, "gguf")),
    "openvino-q8_0": Engine(openvino.eight, (*_OPENVINO, "gguf")),
    "openvino-q4_1": Engine(openvino.as_it_is, _OPENVINO),
    "onnx-f32": Engine(partial(onnx_genai.weights_in, "fp32"), *_ONNX),
    "onnx-int8": Engine(partial(onnx_genai.weights_in, "int8"), *_ONNX),
    "onnx-int4": Engine(partial(onnx_genai.weights_in, "int4"), *_ONNX),
    "llama.cpp-bf16": Engine(partial(llama_cpp.stored_as, "BF16"), ("xllamacpp", "gguf")),
    "llama.cpp-q8_0": Engine(partial(llama_cpp.stored_as, "Q8_0"), ("xllamacpp", "gguf")),
    "llama.cpp-q4_1": Engine(llama_cpp.as_it_is, ("xllamacpp",)),
    "ctranslate2-int8": Engine(ctranslate.int8, ("ctranslate2", "gguf")),
}
