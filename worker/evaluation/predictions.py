"""`predictions.jsonl`: a line for each query, as soon as it is answered.

An interrupted evaluation continues from it: an answer in it is never paid for again, while a call
without an answer is repeated. A run that was killed may leave an incomplete line at the end, which
is removed when the file is opened.
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
from ruie.llm import Completion, Usage
from ruie.records import Item, Span

FILE = "predictions.jsonl"


class Predictions:
    """The open file. A context manager; one process at a time."""

    def __init__(self, folder: Path) -> None:
        """Raises `UsageError` where another process writes to it."""
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / FILE
        self.completions: dict[str, Completion] = {}
        """By idempotency key, what the model answered, whether it could be parsed or not."""
        self._written: set[tuple[str, ...]] = set()
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
        complete = 0
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            complete += len(line)
            try:
                self._keep(json.loads(line))
            except (ValueError, KeyError, TypeError):
                continue  # not our line, or damaged: its query is sent again
        self._file.truncate(complete)

    def _keep(self, raw: Mapping[str, Any]) -> None:
        if raw["finish_reason"] is None:
            return
        self.completions[raw["key"]] = Completion(
            text=raw["output"],
            finish_reason=raw["finish_reason"],
            usage=Usage(raw["prompt_tokens"], raw["completion_tokens"]),
            latency_s=raw["latency_s"],
            # of earlier versions: there are none
            log_probs=tuple((token, value) for token, value in raw.get("log_probs", ())),
        )
        self._written.add((raw["key"], raw["corpus"], raw["retriever"], raw["id"]))

    def add(self, corpus: str, retriever: str, model: str, prediction: Prediction) -> None:
        """Write a line, unless it is there already, and flush it."""
        identity = (prediction.key, corpus, retriever, prediction.gold.name)
        if identity in self._written:
            return
        line = {
            "corpus": corpus,
            "id": prediction.gold.name,
            "retriever": retriever,
            "model": model,
            **_plain(prediction),
        }
        encoded = json.dumps(line, ensure_ascii=False).encode("utf-8", "surrogatepass")
        self._file.write(encoded + b"\n")
        self._file.flush()
        if prediction.completion is not None:
            self.completions[prediction.key] = prediction.completion
            self._written.add(identity)


def _plain(prediction: Prediction) -> dict[str, Any]:
    completion, error = prediction.completion, prediction.error
    output = completion.text if completion else error.raw_output if error else None
    return {
        "task": str(prediction.gold.query.task),
        "key": prediction.key,
        "demonstrations": list(prediction.demonstrations),
        "output": output,
        "finish_reason": completion.finish_reason if completion else None,
        "log_probs": [[*each] for each in completion.log_probs] if completion else [],
        "items": _items(prediction.parsed.items),
        "rejects": [{"reason": str(r.reason), "raw": r.raw} for r in prediction.parsed.rejects],
        "error": {"kind": error.kind, "message": error.message} if error else None,
        "prompt_tokens": prediction.usage.prompt,
        "completion_tokens": prediction.usage.completion,
        "latency_s": completion.latency_s if completion else None,
        "strings": asdict(prediction.strings),
        "offsets": asdict(prediction.offsets),
        "mistakes": {str(kind): count for kind, count in prediction.mistakes.items()},
    }


def _items(items: Sequence[Item]) -> list[dict[str, Any]]:
    return [
        {
            "type": item.type,
            "spans": [_span(span) for span in item.spans],
            "confidence": item.confidence,
        }
        for item in items
    ]


def _span(span: Span) -> dict[str, Any]:
    return {"text": span.text, "start": span.start, "end": span.end}
