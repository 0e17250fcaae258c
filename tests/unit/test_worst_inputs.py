"""The worst inputs of each kind, large: each took minutes before its function became linear.

`test_linear_time.py` and `test_linear_time_files.py` measure many more, on demand.
"""

from __future__ import annotations

import pytest
from support.linear_time import repeated

from ruie.chunking import Chunker
from ruie.errors import SchemaError
from ruie.grounding import Grounder
from ruie.parsing import OutputForm, parse
from ruie.records import Query, Task
from ruie.schema import Schema
from ruie.worker.ingest.sources.html import html_text, markdown_text

SIZE = 100_000


@pytest.mark.parametrize("sign", ["\u0301\u0316", "\u1100", "👩\u200d", "क\u094d", "\U0001f1e6"])
def test_texts(sign: str) -> None:
    text = repeated(sign)(SIZE)
    parts = Chunker()(text)
    assert (parts[0][0], parts[-1][1]) == (0, SIZE)
    assert Grounder(text).occurrences("Mara Quill") == ()


@pytest.mark.parametrize(
    "piece", ["<div>", "<b><p>", "<table><td>", "<a><div></a>", "<svg></svg>", "<!--", "&#"]
)
def test_pages(piece: str) -> None:
    text, _ = html_text(repeated(piece)(SIZE))
    assert set(text) <= set("&# \n<")


@pytest.mark.parametrize("piece", ["![", "[a](", "*a_ ", "`a ", "<![CDATA["])
def test_markdown(piece: str) -> None:
    text, metadata = markdown_text(f"Oil\n\n{repeated(piece)(40_000)}")
    assert text.startswith("Oil")
    assert metadata == {}


@pytest.mark.parametrize("piece", ['{"a":', '{"a": "x, ', "(", "\\u", "<think>", "- "])
@pytest.mark.parametrize("form", [OutputForm.LINEAR, OutputForm.JSON])
def test_answers(piece: str, form: OutputForm) -> None:
    query = Query(Task.NER, "Mara Quill left Orvane.", "s", {"PERSON": ""})
    assert not parse(repeated(piece)(30_000), query, form=form).items


def test_schemas() -> None:
    with pytest.raises(SchemaError):
        Schema.parse("name: s\nentities: " + "{a: " * 30_000)
