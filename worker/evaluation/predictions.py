"""`predictions.jsonl`: a line for each question, as soon as it is answered.

It is what an evaluation goes on from: an answer that is in it is never paid for again, while a call
that brought no answer is made again. A run that was killed may leave half a line at the end, which
is cut off when the file is opened.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from ruie.errors import UsageError
from ruie.evaluation import Prediction
from ruie.llm import Completion
from ruie.records import Item, Span

FILE = "predictions.jsonl"


class Predictions:
    """The open file. A context manager; one process at a time."""

    def __init__(self, folder: Path) -> None:
        """Raises `UsageError` where another process writes to it."""
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / FILE
        self.completions: dict[str, Completion] = {}
        """By the question's idempotency key, what the model said, readable or not."""
        self._there: set[tuple[str, ...]] = set()
        self._file = self.path.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise UsageError(
                f"Another evaluation writes to {folder}.", "Wait for it, or name another --output."
            ) from None
        self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _read(self) -> None:
        self._file.seek(0)
        whole = 0
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            try:
                self._keep(json.loads(line))
            except (ValueError, KeyError, TypeError):
                continue  # a line that is not ours, or damaged: what it said is asked again
        self._file.truncate(whole)

    def _keep(self, raw: Mapping[str, Any]) -> None:
        if raw["finish_reason"] is None:
            return
        self.completions[raw["key"]] = Completion(
            text=raw["output"],
            finish_reason=raw["finish_reason"],
            prompt_tokens=raw["prompt_tokens"],
            completion_tokens=raw["completion_tokens"],
            latency_s=raw["latency_s"],
        )
        self._there.add((raw["key"], raw["corpus"], raw["retriever"], raw["id"]))

    def add(self, corpus: str, retriever: str, model: str, prediction: Prediction) -> None:
        """Write a line, unless it is there. It survives the end of this process."""
        place = (prediction.key, corpus, retriever, prediction.gold.name)
        if place in self._there:
            return
        line = {
            "corpus": corpus,
            "id": prediction.gold.name,
            "retriever": retriever,
            "model": model,
            **_plain(prediction),
        }
        told = json.dumps(line, ensure_ascii=False).encode("utf-8", "surrogatepass")
        self._file.write(told + b"\n")
        self._file.flush()
        if prediction.completion is not None:
            self.completions[prediction.key] = prediction.completion
            self._there.add(place)


def _plain(prediction: Prediction) -> dict[str, Any]:
    completion, error = prediction.completion, prediction.error
    said = completion.text if completion else error.raw_output if error else None
    return {
        "task": str(prediction.gold.query.task),
        "key": prediction.key,
        "demonstrations": list(prediction.demonstrations),
        "output": said,
        "finish_reason": completion.finish_reason if completion else None,
        "items": _items(prediction.parsed.items),
        "rejects": [{"reason": str(r.reason), "raw": r.raw} for r in prediction.parsed.rejects],
        "error": {"kind": error.kind, "message": error.message} if error else None,
        "prompt_tokens": prediction.usage[0],
        "completion_tokens": prediction.usage[1],
        "latency_s": completion.latency_s if completion else None,
        "strings": asdict(prediction.strings),
        "offsets": asdict(prediction.offsets),
        "mistakes": {str(kind): count for kind, count in prediction.mistakes.items()},
    }


def _items(items: Sequence[Item]) -> list[dict[str, Any]]:
    return [{"type": item.type, "spans": [_span(span) for span in item.spans]} for item in items]


def _span(span: Span) -> dict[str, Any]:
    return {"text": span.text, "start": span.start, "end": span.end}
