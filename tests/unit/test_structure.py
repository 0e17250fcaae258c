"""Folders, docs/architecture.md, the packages and the import contracts agree on what there is, and
no file or function is long without a reason."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import PYPROJECT, ROOT
from support.documents import Block, blocks, sections, table_rows, text_of
from support.installed import FOLDERS, PACKAGES

LAYERS: dict[str, list[str]] = {
    contract["containers"][0]: contract["layers"]
    for contract in PYPROJECT["tool"]["importlinter"]["contracts"]
    if contract["type"] == "layers"
}

FILE_LINES, FUNCTION_LINES = 300, 60
LONGER = {
    "db/migrations/versions/0001_tables.py": "a released migration stays as it is",
    "db/migrations/versions/0001_tables.py upgrade": "it lists every table once",
    "tests/integration/test_local_llm.py": "one server, started once, for all of its tests",
    "tests/integration/test_clients.py": "every call of both clients, against the same servers",
}
"""What may be longer, and why."""


def modules(*folders: str) -> Iterator[Path]:
    """The Python files under these folders of the checkout."""
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def architecture() -> str:
    return sections(text_of("docs/architecture.md"))["Folders"]


def test_the_table_of_folders_is_the_tree_and_what_is_packaged() -> None:
    folders = {str(file.parent.relative_to(ROOT)) for file in modules(*FOLDERS)}
    listed = [row[0].strip("`").rstrip("/") for row in table_rows(architecture())]
    packaged = [
        re.sub(r"^ruie/(?=(db|worker|exporter)\b)", "", p.replace(".", "/")) for p in PACKAGES
    ]
    assert sorted(listed) == sorted(folders)
    assert sorted(packaged) == sorted(folders)


@pytest.mark.parametrize("container", ["ruie", "ruie.worker"])
def test_every_file_and_folder_has_its_layer(container: str) -> None:
    folder = ROOT / container.replace(".", "/")
    children = [file.stem for file in folder.glob("*.py")] + [
        file.parent.name for file in folder.glob("*/__init__.py")
    ]
    layers = [name for layer in LAYERS[container] for name in re.split(r" [|:] ", layer)]
    assert sorted(layers) == sorted(set(children) - {"__init__"})


def test_the_layers_of_worker_are_shown_as_they_are() -> None:
    shown = [
        Block("text", "".join(f"{layer.replace(' | ', ', ')}\n" for layer in LAYERS["ruie.worker"]))
    ]
    assert blocks(architecture()) == shown, shown[0].text


def test_every_module_says_what_it_is() -> None:
    for file in modules(*FOLDERS, "tests", "benchmarks"):
        assert ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))), file


def long_parts(source: str, name: str) -> Iterator[str]:
    """The file's name if it is too long, and `file function` for each function that is."""
    if len(source.splitlines()) > FILE_LINES:
        yield name
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            if node.end_lineno - node.lineno >= FUNCTION_LINES:
                yield f"{name} {node.name}"


def test_a_file_or_function_that_is_long_has_a_reason() -> None:
    found = {
        part
        for file in modules(*FOLDERS, "tests", "benchmarks")
        for part in long_parts(file.read_text(encoding="utf-8"), str(file.relative_to(ROOT)))
    }
    assert found == set(LONGER)


def test_what_is_long_is_noticed() -> None:
    body = "def f():\n" + "    x = 1\n" * 59
    assert list(long_parts(body, "a.py")) == []
    assert list(long_parts(body + "    y = 1\n", "a.py")) == ["a.py f"]
    assert list(long_parts("x = 1\n" * 301, "a.py")) == ["a.py"]
