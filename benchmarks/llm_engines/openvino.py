"""OpenVINO GenAI with continuous batching, without HTTP, as `ruie.worker.embedded.llm` uses it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from llm_engines import CONCURRENT, THREADS, Generate
from llm_engines.gguf_file import requantised


def half(model: Path, _: Path) -> Generate:
    """16-bit weights, through the worker's own conversion and its cache."""
    from ruie.settings import settings
    from ruie.worker.embedded.llm_convert import prepare

    return as_it_is(prepare(model, settings().cache_dir.expanduser()), _)


def eight(model: Path, folder: Path) -> Generate:
    """8-bit weights."""
    return as_it_is(requantised(model, folder / "q8.gguf", "Q8_0"), folder)


def as_it_is(source: Path, _: Path) -> Generate:
    """A GGUF file with the weights it has, or a converted folder."""
    import openvino_genai as engine

    from ruie.worker.embedded.llm_engine import BATCH_TOKENS

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
