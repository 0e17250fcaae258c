"""LangExtract on the sentences of overhead.py: documents a second, on standard output.

    python benchmarks/langextract_peer.py --url http://127.0.0.1:8999/v1 --documents 3000

It is called as its users call it: documents as a list, eight examples in each prompt, answers as
JSON, a call a sentence, 64 calls at once. It finds no examples for a sentence, and stores nothing.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

import langextract as lx  # noqa: E402  # after the path above
from langextract.providers.openai import OpenAILanguageModel  # noqa: E402  # likewise
from overhead import IN_FLIGHT, sentences  # noqa: E402  # likewise

from ruie.records import Task  # noqa: E402  # likewise
from ruie.worker.demo import gold  # noqa: E402  # likewise

EXAMPLES = 8
WARM = 64


def examples() -> list[Any]:
    """Annotated sentences, as many as ruie has in a prompt."""
    rows = [row for row in gold.corpus("entities").rows if row.gold[Task.NER]]
    return [
        lx.data.ExampleData(
            text=row.text,
            extractions=[
                lx.data.Extraction(extraction_class=item.type, extraction_text=item.spans[0].text)
                for item in row.gold[Task.NER]
            ],
        )
        for row in rows[:EXAMPLES]
    ]


def run(url: str, rows: list[dict[str, str]]) -> float:
    """Documents a second."""
    model = OpenAILanguageModel(
        model_id="scripted", api_key="none", base_url=url, max_workers=IN_FLIGHT
    )
    documents = [lx.data.Document(text=row["text"], document_id=row["id"]) for row in rows]
    began = time.monotonic()
    found = lx.extract(
        documents,
        prompt_description="Extract the named entities of the text, in its own words.",
        examples=examples(),
        model=model,
        batch_length=IN_FLIGHT,
        max_workers=IN_FLIGHT,
        show_progress=False,
    )
    assert len(list(found)) == len(rows)
    return len(rows) / (time.monotonic() - began)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--url", required=True)
    parser.add_argument("--documents", type=int, required=True)
    given = parser.parse_args()
    drawn = sentences(given.documents + WARM)
    run(given.url, drawn[given.documents :])
    print(run(given.url, drawn[: given.documents]))
