"""Which engine serves the local LLM fastest on a CPU, with 8 demonstrations in the prompt?

    python benchmarks/local_llm.py DATA [--sentences 16] [--rounds 2] [--python ENGINE=PATH ...]
        [--engine ENGINE ...] [--keep FILE]

DATA holds `crossner_ai` and `fewrel_wiki`. Each engine runs in a process of its own, in turns, on
the same prompts: 8 requests at once, greedy, at most 64 output tokens. An engine that is not
installed for this interpreter is reported as such; `--python` names another interpreter for it,
which needs psutil besides.
With `--keep` every run is added to FILE, and the table is of all runs in it.
The reference for the answers is transformers, with the file's weights widened to 32 bits.

Wall-clock figures suffer when the machine does other work; CPU seconds per sentence suffer less.
The engines are in `llm_engines/`, the results in `local_llm.md`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from llm_engines import CONCURRENT
from llm_engines.catalogue import ENGINES
from llm_engines.gguf_file import tokenizer
from llm_engines.measure import measure
from llm_engines.prompts import prompts
from llm_engines.report import report


def main() -> None:
    options = _options()
    if options.child:
        asked = prompts(options.data, options.sentences)
        print("RESULT " + json.dumps(measure(options.engine[0], options.model, asked)))
        return
    if options.model is None:
        from ruie.packaged import packaged_llm

        options.model = packaged_llm()
    with tempfile.TemporaryDirectory() as folder:
        kept = options.keep or Path(folder) / "runs.jsonl"
        kept.touch()
        for _ in range(options.rounds):
            for engine in options.engine or ENGINES:
                found = _run(engine, options)
                if "missing" in found:
                    print(f"{engine}: not installed: {', '.join(found['missing'])}\n")
                    continue
                with kept.open("a", encoding="utf-8") as file:
                    row = {"engine": engine, "sentences": options.sentences, **found}
                    file.write(json.dumps(row) + "\n")
        runs = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]
    _tell(runs, options)


def _run(engine: str, options: argparse.Namespace) -> dict[str, Any]:
    interpreters = dict(pair.split("=", 1) for pair in options.python)
    command = [interpreters.get(engine, sys.executable), __file__, str(options.data)]
    command += ["--sentences", str(options.sentences), "--model", str(options.model)]
    command += ["--engine", engine, "--child"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    said = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not said:
        sys.exit(f"{engine} failed with code {done.returncode}")
    found: dict[str, Any] = json.loads(said[-1].removeprefix("RESULT "))
    figures = {key: value for key, value in found.items() if key != "answers"}
    print(engine, figures, file=sys.stderr, flush=True)
    return found


def _tell(kept: list[dict[str, Any]], options: argparse.Namespace) -> None:
    runs: dict[str, list[dict[str, Any]]] = {}
    for row in kept:
        if row.pop("sentences") == options.sentences:
            runs.setdefault(row.pop("engine"), []).append(row)
    tokens = tokenizer(options.model)
    asked = prompts(options.data, options.sentences)
    counts = [len(tokens.encode(text).ids) for text in asked]
    print(f"{len(asked)} sentences, {sum(counts) / len(counts):.0f} prompt tokens on average\n")
    print(report(runs, len(asked), sum(counts[:CONCURRENT])))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--sentences", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--python", action="append", default=[], metavar="ENGINE=PATH")
    parser.add_argument("--engine", action="append", choices=list(ENGINES), default=[])
    parser.add_argument("--keep", type=Path, metavar="FILE")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
