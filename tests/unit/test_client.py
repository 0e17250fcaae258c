"""`ruie.client`: what it exports, what its import costs, and the example of the documents."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
from support.documents import blocks, text_of

from ruie import client
from ruie.db import migrate
from ruie.db.engine import open_engine

HEAVY = {"aiohttp", "celery", "faiss", "kombu", "numpy", "onnxruntime", "openai", "pyarrow",
         "redis", "tokenizers", "torch", "transformers"}  # fmt: skip  # a list


def python(code: str, **options: Any) -> str:
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, **options)
    assert not run.returncode, run.stderr
    return str(run.stdout)


def test_its_import_loads_no_model_queue_or_llm_library() -> None:
    loaded = python("import sys, ruie.client; print(*sys.modules)").split()
    assert "ruie.worker.client" in loaded
    assert not HEAVY & set(loaded)


def classes(annotation: Any) -> Iterator[type]:
    """The classes of ruie in an annotation: `Job` in `list[Job] | None`."""
    for part in typing.get_args(annotation):
        for inner in part if isinstance(part, list) else [part]:
            yield from classes(inner)
    if isinstance(annotation, type) and annotation.__module__.startswith("ruie."):
        yield annotation


def named_by(cls: type) -> set[type]:
    """The classes that the public fields, properties, arguments and returns of a class, and of
    those of ruie that it inherits from, name."""
    every = [base for base in cls.__mro__ if base.__module__.startswith("ruie.")]
    public = [
        member
        for base in every
        for name, member in vars(base).items()
        if not name.startswith("_") or (name == "__init__" and not dataclasses.is_dataclass(cls))
    ]
    functions = [getattr(member, "fget", member) for member in public]
    typed = [*every, *functions] if dataclasses.is_dataclass(cls) else functions
    known = {"pa": pyarrow}  # loaded by the call that needs it
    hints = [
        hint
        for one in filter(callable, typed)
        for hint in typing.get_type_hints(one, localns=known).values()
    ]
    return {found for hint in hints for found in classes(hint)}


def test_what_its_signatures_name_is_exported() -> None:
    exported: set[type] = {getattr(client, name) for name in client.__all__}
    results = {cls for cls in exported if dataclasses.is_dataclass(cls)} - {client.Schema}
    assert {client.DryRun, client.Enqueued, client.Estimate, client.Job} <= results
    for cls in (client.Client, client.AsyncClient, client.Schedules, *results):
        assert named_by(cls) <= exported, cls


def test_the_example_of_the_documents_runs(tmp_path: Path) -> None:
    (example,) = [b.text for b in blocks(text_of("docs/command.md")) if b.language == "python"]
    (tmp_path / "news").mkdir()
    (tmp_path / "news/a.txt").write_text("Crude fell 2 %.")
    (tmp_path / "oil.yaml").write_text("{name: oil, entities: [COMMODITY]}")
    url = f"sqlite:///{tmp_path}/ruie.db"
    engine = open_engine(url)
    migrate.upgrade(engine)
    path = os.pathsep.join(map(os.path.abspath, sys.path))
    python(example, cwd=tmp_path, env={"RUIE_DATABASE_URL": url, "PYTHONPATH": path})
    ((schedule, _),) = client.Schedules(client.Client(engine=engine)).listed()
    assert schedule.spec["sources"] == [str(tmp_path / "news")]
    assert [job.name for job in client.Client(engine=engine).jobs()] == ["a.txt"]
    engine.dispose()
