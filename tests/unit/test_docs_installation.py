"""docs/installation.md names the extras that there are, and what it installs is there."""

from __future__ import annotations

import re

from support.commands import PYPROJECT, ROOT
from support.documents import blocks, sections, table_rows, text_of
from support.released import RELEASES

from ruie.packaged import ENCODER, LLM

PAGE = text_of("docs/installation.md")
EXTRAS = PYPROJECT["project"]["optional-dependencies"]


def test_the_extras_are_those_of_the_package() -> None:
    listed = [row[0].strip("`") for row in table_rows(sections(PAGE)["Extras"])]
    assert listed == list(EXTRAS)


def test_what_pip_is_told_is_there() -> None:
    shell = "".join(block.text for block in blocks(PAGE) if block.language == "sh")
    named = re.findall(r"^pip install .*?([\w.*/-]+)$", shell, flags=re.MULTILINE)
    assert set(named) == {"ruie", ".", "dist/*.whl", LLM, ENCODER}
    assert (ROOT / "constraints.txt").exists()
    for extras in re.findall(r"ruie\[([\w,]+)\]", PAGE):
        assert set(extras.split(",")) <= set(EXTRAS)


def test_what_is_optional_is_no_dependency() -> None:
    needed = {re.split(r"[\[><=]", each)[0] for each in PYPROJECT["project"]["dependencies"]}
    assert "pyarrow" in needed
    assert not needed & {"pandas", "polars", "tqdm", "torch", "transformers"}


def test_the_revisions_to_go_back_to_are_those_of_the_releases() -> None:
    listed = [[cell.strip("`") for cell in row] for row in table_rows(sections(PAGE)["Roll back"])]
    assert listed == [[each.version, each.revision] for each in RELEASES]
    assert f"ruie db downgrade {RELEASES[-1].revision}" in PAGE
