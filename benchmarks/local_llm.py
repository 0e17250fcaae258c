"""Which engine serves the local LLM fastest on a CPU, with 8 demonstrations in the prompt?

    python benchmarks/local_llm.py DATA [--sentences 16] [--rounds 2] [--python ENGINE=PATH ...]

DATA holds `crossner_ai` and `fewrel_wiki`. Each engine runs in a process of its own, in turns, on
the same prompts: 8 requests at once, greedy, at most 64 output tokens. An engine that is not
installed for this interpreter is reported as such; `--python` names another interpreter for it.
The reference for the answers is transformers, with the file's weights widened to 32 bits.

Wall-clock figures suffer when the machine does other work; CPU seconds per sentence suffer less.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.metadata
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

SHOTS = 8
CONCURRENT = 8
MAX_TOKENS = 64
THREADS = 2
TASKS = {
    "crossner_ai": ("entities", "type: span; type: span"),
    "fewrel_wiki": ("relations", "type: head, tail; type: head, tail"),
}

# Prompts and the most output tokens → (text, output tokens) of each.
Generate = Callable[[Sequence[str], int], list[tuple[str, int]]]


def openvino_half(model: Path, _: Path) -> Generate:
    """As `worker.embedded.llm` serves it, without HTTP."""
    from ruie.settings import settings
    from worker.embedded.llm_convert import prepare

    return _openvino(prepare(model, settings().cache_dir.expanduser()))


def openvino_file(model: Path, _: Path) -> Generate:
    """The file's own 4-bit weights, unpacked on each use."""
    return _openvino(model)


def _openvino(source: Path) -> Generate:
    import openvino_genai as engine

    from worker.embedded.llm_engine import BATCH_TOKENS

    scheduler = engine.SchedulerConfig()
    scheduler.cache_size = 1
    scheduler.max_num_seqs = CONCURRENT
    scheduler.max_num_batched_tokens = BATCH_TOKENS
    scheduler.enable_prefix_caching = True
    tokenizer = engine.Tokenizer(source)
    pipeline = engine.ContinuousBatchingPipeline(
        source, tokenizer, scheduler, "CPU", INFERENCE_NUM_THREADS=THREADS
    )
    end = tokenizer.get_eos_token_id()

    def generate(prompts: Sequence[str], max_tokens: int) -> list[tuple[str, int]]:
        config = engine.GenerationConfig()
        config.max_new_tokens = max_tokens
        config.do_sample = False
        config.apply_chat_template = False
        config.eos_token_id = end
        config.stop_token_ids = {end}
        tokens = [tokenizer.encode(text, add_special_tokens=False).input_ids for text in prompts]
        results = pipeline.generate(tokens, [config] * len(prompts))
        found = [result.m_generation_ids[0] for result in results]
        return [(tokenizer.decode(ids), len(ids)) for ids in found]

    return generate


def llama_file(model: Path, _: Path) -> Generate:
    """llama.cpp with the file as it is (Q4_1)."""
    return _llama(model)


def llama_q8(model: Path, folder: Path) -> Generate:
    """llama.cpp with the same weights stored in 8 bits."""
    import gguf

    target = folder / "q8.gguf"
    reader = gguf.GGUFReader(model)
    writer = gguf.GGUFWriter(target, "llama")
    for field in reader.fields.values():
        if not field.name.startswith("GGUF.") and field.name != "general.architecture":
            inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
            value = field.contents()
            writer.add_key_value(field.name, value, field.types[0], sub_type=inner)
    full, eight = gguf.GGMLQuantizationType.F32, gguf.GGMLQuantizationType.Q8_0
    for tensor in reader.tensors:
        kind = full if tensor.tensor_type == full else eight
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        writer.add_tensor(tensor.name, gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return _llama(target)


def _llama(model: Path) -> Generate:
    import xllamacpp

    options = xllamacpp.CommonParams()
    options.model.path = str(model)
    options.n_parallel = CONCURRENT
    options.n_ctx = 2048 * CONCURRENT
    options.cpuparams.n_threads = options.cpuparams_batch.n_threads = THREADS
    options.verbosity = 0
    server = xllamacpp.Server(options)

    def complete(prompt: str, max_tokens: int) -> tuple[str, int]:
        body = {"prompt": prompt, "temperature": 0, "max_tokens": max_tokens}
        reply = server.handle_completions(body)
        found = reply if isinstance(reply, dict) else json.loads(reply)
        return found["choices"][0]["text"], found["usage"]["completion_tokens"]

    def generate(prompts: Sequence[str], max_tokens: int) -> list[tuple[str, int]]:
        with ThreadPoolExecutor(CONCURRENT) as pool:
            return list(pool.map(complete, prompts, [max_tokens] * len(prompts)))

    return generate


def ctranslate2_int8(model: Path, folder: Path) -> Generate:
    """CTranslate2, int8, eight prompts in a static batch."""
    import ctranslate2
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
    spec.validate()
    spec.optimize(quantization="int8")
    spec.save(str(folder))
    generator = ctranslate2.Generator(str(folder), compute_type="int8", intra_threads=THREADS)
    tokenizer = _tokenizer(fields)

    def generate(prompts: Sequence[str], max_tokens: int) -> list[tuple[str, int]]:
        answers = []
        for first in range(0, len(prompts), CONCURRENT):
            batch = [tokenizer.encode(text).tokens for text in prompts[first:][:CONCURRENT]]
            answers += generator.generate_batch(
                batch, max_length=max_tokens, sampling_topk=1, include_prompt_in_result=False
            )
        found = [answer.sequences_ids[0] for answer in answers]
        return [(tokenizer.decode(ids), len(ids)) for ids in found]

    return generate


_LAYER = [f"attn_{part}" for part in ("norm", "q", "k", "v", "output")]
_LAYER += [f"ffn_{part}" for part in ("norm", "gate", "up", "down")]


def _tokenizer(fields: dict[str, Any]) -> Any:
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

    tokens = fields["tokenizer.ggml.tokens"]
    merges = [tuple(pair.split(" ")) for pair in fields["tokenizer.ggml.merges"]]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\p{N}"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    kinds = fields["tokenizer.ggml.token_type"]
    special = [text for text, kind in zip(tokens, kinds, strict=True) if kind == 3]
    tokenizer.add_special_tokens([AddedToken(text, normalized=False) for text in special])
    return tokenizer


def transformers_full(model: Path, _: Path) -> Generate:
    """transformers on torch, 32 bits, eight prompts in a static batch: the reference."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(THREADS)
    files = {"gguf_file": model.name}
    tokenizer = AutoTokenizer.from_pretrained(model.parent, **files)
    tokenizer.padding_side = "left"
    network: Any = AutoModelForCausalLM.from_pretrained(model.parent, dtype=torch.float32, **files)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")

    def generate(prompts: Sequence[str], max_tokens: int) -> list[tuple[str, int]]:
        found = []
        for first in range(0, len(prompts), CONCURRENT):
            batch = list(prompts[first:][:CONCURRENT])
            tokens = tokenizer(batch, return_tensors="pt", padding=True, add_special_tokens=False)
            with torch.inference_mode():
                output = network.generate(
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


# Engine → how to load it, the packages that a worker needs besides its own for it.
ENGINES: dict[str, tuple[Callable[[Path, Path], Generate], tuple[str, ...]]] = {
    "transformers": (transformers_full, ("torch", "transformers", "accelerate", "gguf")),
    "openvino-f16": (openvino_half, ("openvino", "openvino-genai", "openvino-tokenizers", "gguf")),
    "openvino-q4_1": (openvino_file, ("openvino", "openvino-genai", "openvino-tokenizers")),
    "llama.cpp-q4_1": (llama_file, ("xllamacpp",)),
    "llama.cpp-q8_0": (llama_q8, ("xllamacpp", "gguf")),
    "ctranslate2-int8": (ctranslate2_int8, ("ctranslate2", "gguf")),
}


def prompts(data: Path, count: int) -> list[str]:
    """`count` prompts in the model's chat template, half entities, half relations."""
    chosen = random.Random(7)
    made = []
    for corpus, (kind, form) in TASKS.items():
        labels = json.loads((data / corpus / "schema.json").read_text(encoding="utf-8"))["labels"]
        pool = _rows(data / corpus, "train") + _rows(data / corpus, "dev")
        for row in chosen.sample(_rows(data / corpus, "test"), count // 2):
            system = f"Find the {kind} in the text. Types: {', '.join(labels)}. Form: {form}"
            turns = [("system", system)]
            for demo in chosen.sample(pool, SHOTS):
                turns += [("user", f"Text: {demo['text']}"), ("assistant", _gold(demo, kind))]
            turns.append(("user", f"Text: {row['text']}"))
            told = "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in turns)
            made.append(f"{told}<|im_start|>assistant\n")
    return made


def _rows(folder: Path, split: str) -> list[dict[str, Any]]:
    path = folder / f"{split}.jsonl.gz"
    if not path.exists():
        return []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _gold(row: dict[str, Any], kind: str) -> str:
    def spans(item: dict[str, Any]) -> str:
        if kind == "entities":
            return str(item["text"])
        return f"{item['head']['text']}, {item['tail']['text']}"

    return "; ".join(f"{item['type']}: {spans(item)}" for item in row[kind]) or "None"


def measure(engine: str, model: Path, asked: Sequence[str]) -> dict[str, Any]:
    """One engine's figures: seconds, output tokens and answers. Runs in its own process."""
    load, packages = ENGINES[engine]
    sizes = {name: _installed_mb(name) for name in packages}
    if missing := [name for name, size in sizes.items() if size is None]:
        return {"missing": missing}
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        generate = load(model, Path(folder))
        loaded = time.monotonic() - began
        generate(["warm"], 2)
        cpu, began = _cpu(), time.monotonic()
        answers = generate(asked, MAX_TOKENS)
        wall, cpu = time.monotonic() - began, _cpu() - cpu
        began = time.monotonic()
        # turned round, so that no prefix is in a cache
        generate([text.replace("Find", "Now find", 1) for text in asked[:CONCURRENT]], 1)
        prefill = time.monotonic() - began
        began = time.monotonic()
        counted = [f"{number}, {number + 1}, {number + 2}," for number in range(CONCURRENT)]
        tokens = sum(count for _, count in generate(counted, MAX_TOKENS))
        decode = time.monotonic() - began
    return {
        "load_s": loaded,
        "wall_s": wall,
        "cpu_s": cpu,
        "prefill_s": prefill,
        "decode_tokens_per_s": tokens / decode,
        "installed_mb": sum(size for size in sizes.values() if size is not None),
        "answers": [text.strip() for text, _ in answers],
    }


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _installed_mb(package: str) -> float | None:
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    return sum(file.size or 0 for file in files) / 1e6


def report(runs: dict[str, list[dict[str, Any]]], asked: Sequence[str], tokens: int) -> str:
    """A Markdown table; each figure is the median of the rounds. `tokens`: of 8 prompts."""
    reference = next((run["answers"] for run in runs["transformers"] if "answers" in run), None)
    lines = [
        "| engine | sentences/min | CPU s/sentence | prefill tok/s | decode tok/s "
        "| installed MB | start s | same answer |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for engine, results in runs.items():
        if "missing" in results[0]:
            lines.append(f"| {engine} | not installed: {', '.join(results[0]['missing'])} |")
            continue
        of = {key: median(run[key] for run in results) for key in results[0] if key != "answers"}
        pairs = zip(results[0]["answers"], reference or [], strict=False)
        same = f"{sum(a == b for a, b in pairs)}/{len(asked)}" if reference else "–"
        lines.append(
            f"| {engine} | {60 * len(asked) / of['wall_s']:.1f} | {of['cpu_s'] / len(asked):.2f} "
            f"| {tokens / of['prefill_s']:.0f} | {of['decode_tokens_per_s']:.0f} "
            f"| {of['installed_mb']:.0f} | {of['load_s']:.1f} | {same} |"
        )
    return "\n".join(lines)


def main() -> None:
    from ruie.packaged import packaged_llm

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--sentences", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--python", action="append", default=[], metavar="ENGINE=PATH")
    parser.add_argument("--engine", action="append", choices=list(ENGINES), default=[])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    model = options.model or packaged_llm()
    asked = prompts(options.data, options.sentences)
    if options.child:
        print("RESULT " + json.dumps(measure(options.engine[0], model, asked)))
        return
    interpreters = dict(pair.split("=", 1) for pair in options.python)
    engines = options.engine or list(ENGINES)
    runs: dict[str, list[dict[str, Any]]] = {engine: [] for engine in engines}
    for _ in range(options.rounds):
        for engine in engines:
            command = [interpreters.get(engine, sys.executable), __file__, str(options.data)]
            command += ["--sentences", str(options.sentences), "--model", str(model)]
            done = subprocess.run(
                [*command, "--engine", engine, "--child"],
                stdout=subprocess.PIPE,
                text=True,
                check=False,
            )
            said = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
            if not said:
                sys.exit(f"{engine} failed with code {done.returncode}")
            runs[engine].append(json.loads(said[-1].removeprefix("RESULT ")))
            found = {key: value for key, value in runs[engine][-1].items() if key != "answers"}
            print(engine, found, file=sys.stderr, flush=True)
    import gguf

    fields = {name: field.contents() for name, field in gguf.GGUFReader(model).fields.items()}
    tokenizer = _tokenizer(fields)
    counts = [len(tokenizer.encode(text).ids) for text in asked]
    print(f"{len(asked)} sentences, {sum(counts) / len(counts):.0f} prompt tokens on average\n")
    print(report(runs, asked, sum(counts[:CONCURRENT])))


if __name__ == "__main__":
    main()
