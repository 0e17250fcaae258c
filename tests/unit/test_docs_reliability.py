"""docs/reliability.md has a row for each scene of tests/chaos in both of its lists."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from support.commands import ROOT
from support.documents import sections, table_rows, text_of

BROKEN = "What is broken on purpose"
MEASURED = "What each scene guarantees, and what was measured"


def scenes() -> Iterator[tuple[str, str]]:
    """Every test of tests/chaos with the name in its `pytest.mark.scene(name)`; "" without one."""
    for path in sorted((ROOT / "tests/chaos").glob("test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                marks = [d for d in node.decorator_list if isinstance(d, ast.Call)]
                names = [
                    ast.literal_eval(mark.args[0])
                    for mark in marks
                    if ast.unparse(mark.func) == "pytest.mark.scene"
                ]
                yield f"{path.name}::{node.name}", "".join(names)


def test_every_test_of_the_suite_is_a_scene_with_a_name_of_its_own() -> None:
    named = dict(scenes())
    assert [test for test, name in named.items() if not name] == []
    assert sorted(named.values()) == sorted(set(named.values()))


@pytest.mark.parametrize("title", [BROKEN, MEASURED])
def test_the_page_lists_the_scenes_of_the_suite(title: str) -> None:
    listed = [row[0] for row in table_rows(sections(text_of("docs/reliability.md"))[title])]
    assert sorted(listed) == sorted(name for _, name in scenes())
