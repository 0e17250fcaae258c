"""The project's documents as tests read them: tables, sections, blocks of code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from support.commands import ROOT

DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / "deploy/README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
DECISIONS = ROOT / "docs/decisions/README.md"
Row = tuple[str, ...]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def table_rows(text: str) -> list[Row]:
    """The rows of all tables in a text, in order, without heads."""
    rows: list[Row] = []
    lines = [line.strip() for line in text.splitlines()]
    for before, line in zip(["", *lines], lines, strict=False):
        if line.startswith("|---"):
            rows.pop()  # what was taken for a row was the head
        elif line.startswith("|"):
            cells = re.split(r"(?<!\\)\|", line.strip("|"))
            rows.append(tuple(cell.strip() for cell in cells))
        elif before.startswith("|") and line:
            raise AssertionError(f"a table is not followed by an empty line: {line}")
    return rows


def shown(rows: list[Row]) -> str:
    """Rows as they belong into the document: what to paste where a test fails."""
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def sections(text: str) -> dict[str, str]:
    """The second-level sections of a text by their headings."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@dataclass(frozen=True)
class Block:
    """A fenced block: its language and its text."""

    language: str
    text: str


def blocks(text: str) -> list[Block]:
    found = re.findall(r"^```(\w+)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [Block(language, body) for language, body in found]


def table_head(text: str) -> list[str]:
    """The head of the first table in a text."""
    lines = text.splitlines()
    (place, *_) = [i for i, line in enumerate(lines) if line.startswith("|---")]
    return [cell.strip() for cell in lines[place - 1].strip("|").split("|")]


def tables_page() -> str:
    """docs/sql.md without its last part, on full-text search: that has queries of its own."""
    return text_of("docs/sql.md").partition("\n# Full-text search\n")[0]


def questions(text: str) -> dict[str, str]:
    """The queries of docs/sql.md by the heading of their section."""
    found = {}
    for title, body in sections(text).items():
        for block in blocks(body):
            if block.language == "sql":
                assert title not in found, f"two queries under one heading: {title}"
                found[title] = block.text
    return found
