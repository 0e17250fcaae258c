"""The text of pages and notes: words that a reader sees apart are apart, and none is lost."""

from __future__ import annotations

import pytest

from ruie.worker.ingest.refusal import UnreadableError
from ruie.worker.ingest.sources.html import html_text, markdown_text

# https://html.spec.whatwg.org/multipage/rendering.html: 15.3.3 flow content, 15.3.7 sections and
# headings, 15.3.8 lists, 15.3.9 tables, 15.3.12 form controls, 15.5.6 details, 15.5.16 select
BLOCKS = """
address article aside blockquote button center dd details dialog dir div dl dt fieldset figcaption
figure footer form h1 h2 h3 h4 h5 h6 header hgroup legend li listing main menu nav ol p pre search
section summary textarea ul xmp
"""


@pytest.mark.parametrize("name", BLOCKS.split())
def test_a_block_parts_words(name: str) -> None:
    text = html_text(f"one<{name}>two</{name}>three")[0]
    assert sorted(text.split()) == ["one", "three", "two"]


def test_lines_and_options_part_words() -> None:
    assert html_text("one<hr>two<br>three")[0].split() == ["one", "two", "three"]
    table = "one<table><caption>two</caption><tr><td>three</table>"
    assert html_text(table)[0].split() == ["one", "two", "three"]
    options = "<select><optgroup><option>one<option>two</optgroup><option>three</select>"
    assert html_text(options)[0].split() == ["one", "two", "three"]


def test_a_page_has_the_names_that_it_shows() -> None:
    page = "<figcaption>Basra</figcaption><aside>Exxon</aside>one<hr>two"
    assert html_text(page)[0].split() == ["Basra", "Exxon", "one", "two"]
    assert html_text("Ex<b>x</b>on <span>Mobil</span><wbr>e")[0] == "Exxon Mobile"


@pytest.mark.parametrize("levels", [9, 10, 11, 25, 40])
def test_all_levels_of_a_list_are_text(levels: int) -> None:
    note = "".join(f"{'  ' * n}- level{n}\n" for n in range(levels)) + "\nthe end\n"
    words = markdown_text(note)[0].split()
    assert words == [*(f"level{n}" for n in range(levels)), "the", "end"]


@pytest.mark.parametrize(
    "note",
    [
        "".join(f"{'  ' * n}- level{n}\n" for n in range(60)) + "\nthe end\n",
        "> " * 120 + "deep\n\nthe end\n",
        "> " * 5000 + "deep\n\nthe end\n",
    ],
)
def test_what_is_nested_too_deeply_is_refused(note: str) -> None:
    with pytest.raises(UnreadableError, match="nested deeper than 100 levels"):
        markdown_text(note)


@pytest.mark.parametrize("deep", ["[" * 300 + "x" + "](y)" * 300, "*" * 300 + "x" + "*" * 300])
def test_no_depth_of_brackets_loses_text(deep: str) -> None:
    assert "x" in (text := markdown_text(f"{deep} and y\n\nthe end\n")[0])
    assert text.endswith("and y\n\nthe end")
