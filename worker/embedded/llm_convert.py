"""A GGUF file converted for OpenVINO, once, into a cache."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import gguf
import openvino_genai

from ruie.errors import UnavailableError
from ruie.files import replacing

LAYOUT = 1  # of the converted folder; raise it when `_convert` changes


def prepare(model: Path, cache: Path) -> Path:
    """The folder of the converted model, from the cache or converted now (about 20 s, 270 MB).

    cache: the directory of `RUIE_CACHE_DIR`. Raises `UnavailableError`.
    """
    if not model.is_file():
        raise UnavailableError(f"There is no model file {model}.", "Name a GGUF file with --model.")
    with model.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(f"{openvino_genai.get_version()} {LAYOUT}".encode())
    root = cache / "local-llm"
    target = root / digest.hexdigest()[:16]
    if target.is_dir():
        return target
    try:
        root.mkdir(parents=True, exist_ok=True)
        with replacing(target, overwrite=False) as folder:
            folder.mkdir()
            _convert(model, folder)
    except (OSError, RuntimeError, ValueError, KeyError, IndexError) as error:
        if not target.is_dir():  # else another process was faster, and its copy is as good
            raise UnavailableError(
                f"The model {model} cannot be converted into {root}: {error}.",
                "It must be a GGUF file of a Llama or Qwen model; RUIE_CACHE_DIR moves the cache.",
            ) from error
    return target


def _convert(model: Path, folder: Path) -> None:
    # Half precision rather than the file's 4 bits: without 8-bit dot-product instructions the CPU
    # unpacks 4-bit weights on each use, which costs more than it saves.
    plain = folder / "model.gguf"
    reader = gguf.GGUFReader(model)
    _write_half(reader, plain)
    config = openvino_genai.SchedulerConfig()
    config.cache_size = 1  # GiB; nothing is generated here
    tokenizer = openvino_genai.Tokenizer(plain, enable_save_ov_model=True)
    openvino_genai.ContinuousBatchingPipeline(
        plain, tokenizer, config, "CPU", enable_save_ov_model=True
    )
    architecture = reader.fields["general.architecture"].contents()
    facts = {
        "model": model.stem,
        "context_tokens": int(reader.fields[f"{architecture}.context_length"].contents()),
    }
    (folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
    plain.unlink()


def _write_half(reader: gguf.GGUFReader, target: Path) -> None:
    """The same model with its weights in 16-bit floating point."""
    half, full = gguf.GGMLQuantizationType.F16, gguf.GGMLQuantizationType.F32
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue  # the writer's own
        value = field.contents()
        if field.name == "general.file_type":
            value = int(gguf.LlamaFileType.MOSTLY_F16)
        array = field.types[0] == gguf.GGUFValueType.ARRAY
        inner = field.types[-1] if array else None
        writer.add_key_value(field.name, value, field.types[0], sub_type=inner)
    for tensor in reader.tensors:
        kind = full if tensor.tensor_type == full else half  # the small ones keep their precision
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        writer.add_tensor(tensor.name, gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
