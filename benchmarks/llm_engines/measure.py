"""One run of one engine."""

from __future__ import annotations

import importlib.metadata
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llm_engines import CONCURRENT, MAX_TOKENS
from llm_engines.catalogue import ENGINES


def measure(name: str, model: Path, asked: Sequence[str]) -> dict[str, Any]:
    """The engine's figures (seconds, CPU seconds, tokens) and its answers."""
    engine = ENGINES[name]
    sizes = {package: _installed_mb(package) for package in engine.packages}
    tools = {package: _installed_mb(package) for package in ("psutil", *engine.conversion)}
    if missing := [package for package, size in (sizes | tools).items() if size is None]:
        return {"missing": missing}
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        generate = engine.load(model, Path(folder))
        loaded = time.monotonic() - began
        generate(["warm"], 2)
        (own, machine), start = _cpu(), time.monotonic()
        answers = generate(asked, MAX_TOKENS)
        wall, cpu = time.monotonic() - start, _cpu()[0] - own
        began = time.monotonic()
        # begun in another way, so that no prefix is in a cache
        generate([text.replace("Find", "Now find", 1) for text in asked[:CONCURRENT]], 1)
        prefill = time.monotonic() - began
        began = time.monotonic()
        counted = [f"{number}, {number + 1}, {number + 2}," for number in range(CONCURRENT)]
        tokens = sum(count for _, count in generate(counted, MAX_TOKENS))
        decode = time.monotonic() - began
        own, machine = (now - before for now, before in zip(_cpu(), (own, machine), strict=True))
        others = max(machine - own, 0) / (time.monotonic() - start)
    return {
        "load_s": loaded,
        "wall_s": wall,
        "cpu_s": cpu,
        "others_cores": others,
        "prefill_s": prefill,
        "decode_tokens_per_s": tokens / decode,
        "installed_mb": sum(size for size in sizes.values() if size is not None),
        "answers": [text.strip() for text, _ in answers],
    }


def _cpu() -> tuple[float, float]:
    """CPU seconds of this process and its children, and of the whole machine."""
    import psutil

    here = psutil.Process()
    own = [process.cpu_times() for process in (here, *here.children(recursive=True))]
    machine = psutil.cpu_times()
    used = machine.user + machine.system + machine.nice
    return sum(times.user + times.system for times in own), used


def _installed_mb(package: str) -> float | None:
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    return sum(file.size or 0 for file in files) / 1e6
