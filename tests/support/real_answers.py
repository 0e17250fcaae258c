"""Answers of a real model with their right readings, in real_answers.jsonl.gz beside this file.

    PYTHONPATH=tests python -m support.real_answers [DRAWN]

adds the answers that benchmarks/real_answers.py drew, each with its reading as it is now, and
prints every reading that is new or another than the one that was kept. Those are to be gone through
by eye before they are committed: where one is wrong, the reading is mended, not the row.

A row has the question (task, labels, text, for arguments the trigger), how it was asked (model,
form, temperature, demonstrations), the answer with its finish_reason, and the reading: `outcome`
(read, unreadable, cut off), `items` (a type, then each span with its start) and the number of
`rejects` for each reason.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from ruie.decoding import Decoding
from ruie.errors import OutputError, TruncatedError
from ruie.extractor import Extractor
from ruie.grammar import grammar
from ruie.llm import Call, Completion, LLMClient, Usage
from ruie.parsing import OutputForm
from ruie.questions import Question
from ruie.records import Grounding, Query, Span, Task, Trigger

FILE = Path(__file__).with_suffix(".jsonl.gz")
NOWHERE = "http://127.0.0.1:9/v1"

Row = dict[str, Any]


def rows() -> list[Row]:
    """Every answer with its reading."""
    with gzip.open(FILE, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def query(row: Row) -> Query:
    """What was asked."""
    trigger = None
    if "trigger" in row:
        kind, start, end = row["trigger"]
        trigger = Trigger(kind, Span(row["text"][start:end], start, end, Grounding.EXACT))
    labels = dict.fromkeys(row["labels"], "")
    return Query(Task(row["task"]), row["text"], "s", labels, trigger)


def reading(row: Row) -> Row:
    """What an extractor makes of the answer."""
    asked = query(row)
    form = OutputForm(row["form"])
    held = grammar(asked) if form is OutputForm.GRAMMAR else ""
    call = Call(row["model"], (), 128, 0, grammar=held)
    completion = Completion(row["answer"], row["finish_reason"], Usage(), 0.0)
    extractor = Extractor(None, LLMClient(NOWHERE), row["model"], Decoding(form=form))
    try:
        parsed = extractor.read(Question(asked, (), call), completion).parsed
    except TruncatedError:
        return {"outcome": "cut off"}
    except OutputError:
        return {"outcome": "unreadable"}
    return {
        "outcome": "read",
        "items": [[i.type, *([span.text, span.start] for span in i.spans)] for i in parsed.items],
        "rejects": dict(sorted(Counter(str(r.reason) for r in parsed.rejects).items())),
    }


def main() -> None:
    kept = rows() if FILE.exists() else []
    known = {row["id"] for row in kept}
    for name in sys.argv[1:]:
        for line in Path(name).read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if row["id"] not in known:
                kept.append(row)
                known.add(row["id"])
    for row in kept:
        found = reading(row)
        if found != row.get("reading"):
            print(json.dumps({**row, "reading": found, "was": row.get("reading")}, indent=1))
            row["reading"] = found
    written = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept)
    FILE.write_bytes(gzip.compress(written.encode(), mtime=0))


if __name__ == "__main__":
    main()
