"""Batches from file to file, as `vllm run-batch -i IN -o OUT` does them: OpenAI's lines, without a
server and without a price. Errors stand among the answers.

    python -m support.batch_file IN OUT
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

from support.batch_provider_answers import answer_in_batch, shuffle
from support.batch_provider_lines import OpenAILines
from support.batch_provider_plan import BatchPlan, Draws
from support.metered_answer import asked
from support.metering import Plan

LINES = OpenAILines()


def run_batch(
    source: Path, target: Path, plan: Plan | None = None, batch_plan: BatchPlan | None = None
) -> None:
    """Answer a file of requests. Of `batch_plan` only `drop`, `repeat` and `shuffle` count."""
    plan, draws = plan or Plan(), Draws(batch_plan or BatchPlan())
    prompts: Counter[str] = Counter()
    with source.open("rb") as requests, target.open("wb") as answers:
        for number, raw in enumerate(requests):
            custom_id, body = LINES.request(json.loads(raw))
            try:
                entry, question = asked(body, number)
            except (KeyError, IndexError, TypeError):
                answers.write(LINES.bad(number, custom_id, 400))
                continue
            entry = answer_in_batch(entry, question, plan, prompts[entry.prompt])
            prompts[entry.prompt] += 1
            if entry.status == 200:
                answers.write(draws.shown() * LINES.good(number, custom_id, entry))
            else:
                answers.write(LINES.bad(number, custom_id, entry.status))
    if draws.hit("shuffle"):
        shuffle(target, draws.plan.seed)


if __name__ == "__main__":
    run_batch(Path(sys.argv[1]), Path(sys.argv[2]))
