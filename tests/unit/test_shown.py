"""Text from outside does nothing to a terminal, and is not changed in files of data."""

from __future__ import annotations

import io
import json
import logging
import sys
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.panel import Panel
from rich.progress import Progress
from rich.text import Text

from ruie.console import Console
from ruie.shown import ShownStream, data_output, guard, harmless
from ruie.worker.logs import start_logging
from ruie.worker.terminal import table

EVIL = "a\x1b]0;owned\x07b\x1b]52;c;eA==\x1b\\c\x9b31md\u202ee\rf\x85g\x7f\u2066h\ud800i\x00j"


def obeyed(text: str) -> list[str]:
    """What a terminal would take for more than a letter."""
    return [c for c in text if not c.isprintable() and c not in "\n\t" and not c.isspace()] + [
        c for c in text if c in "\r\x85\x1c\x1d\x1e\x1f\x0b\x0c\u2028\u2029"
    ]


def test_a_code_is_shown_in_its_place() -> None:
    assert harmless("a\x1b[31mb\u202ec") == "a\\u001b[31mb\\u202ec"
    assert harmless("tabs\tand\r\nlines\n") == "tabs\tand\nlines\n"
    assert harmless("Zürich, 日本, עברית\u200f, 👩‍🚀") == "Zürich, 日本, עברית\u200f, 👩‍🚀"
    assert obeyed(harmless(EVIL)) == []
    codes = "a\x1bb\x9bc\u202ed\x7f"
    assert json.loads('"' + harmless(codes) + '"') == codes


@given(st.text(st.characters(exclude_categories=[])))
def test_it_is_total_and_says_the_same_twice(text: str) -> None:
    shown = harmless(text)
    shown.encode()  # halves of characters too can be written
    assert harmless(shown) == shown
    assert not set(shown) & set(map(chr, [*range(9), *range(11, 32), *range(127, 160)]))


def test_rich_writes_its_own_codes_and_no_others() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, color_system="standard", width=300)
    console.print(table([f"c{EVIL}", "n"], [[EVIL, 1], [Text(EVIL, "bold red"), 2]], f"t{EVIL}"))
    console.print(Panel(EVIL, title=Text(EVIL)), EVIL, markup=False)
    with Progress(console=console) as bar:
        bar.add_task(EVIL)
    written = out.getvalue()
    assert "\x1b[1;31m" in written  # bold and red, as it was asked for
    for code in ("\x1b]", "\x9b", "\x07", "\x85", "\u202e", "\x7f", "\x1b\\"):
        assert code not in written


def test_markup_in_a_title_or_a_column_is_text() -> None:
    out = io.StringIO()
    Console(file=out, width=80).print(table(["[link=x]c[/]"], [["[b]v"]], "[red]t[/]"))
    assert out.getvalue().split() == ["[red]t[/]", "[link=x]c[/]", "[b]v"]


def test_streams_and_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setattr(logging.root, "handlers", [])
    guard()
    guard()
    print(EVIL, file=sys.stderr)
    start_logging()
    try:
        raise ValueError(EVIL)
    except ValueError:
        logging.getLogger("x").exception("first\n00:00:00 INFO forged %s", EVIL)
    assert obeyed(err.getvalue()) == []
    assert "first\\n00:00:00 INFO forged" in err.getvalue()
    assert "Traceback" in err.getvalue()
    data_output().write("\x1b")  # a file of data has it as it is
    assert out.getvalue() == "\x1b"
    assert not hasattr(sys.stdout, "buffer")


def test_a_terminal_of_another_encoding() -> None:
    raw = io.BytesIO()
    stream = ShownStream(io.TextIOWrapper(raw, "latin-1", write_through=True))
    stream.write("ü → \x1b")
    assert raw.getvalue() == "ü \\u2192 \\u001b".encode("latin-1")
    assert stream.encoding == "latin-1"


def test_data_on_a_terminal_is_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    monkeypatch.setattr(sys, "stdout", ShownStream(cast(io.TextIOWrapper, out)))
    data_output().write('{"a": "\x9b"}')
    assert json.loads(out.getvalue()) == {"a": "\x9b"}
    assert "\x9b" not in out.getvalue()


def test_only_the_width_of_a_terminal_cuts_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    out = io.StringIO()
    Console(file=out).print(table(["fact"], [["longer than any line " * 20]]), "and " * 40)
    assert [len(line.rstrip()) for line in out.getvalue().splitlines()] == [4, 419, 159]
