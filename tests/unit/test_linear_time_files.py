"""Whatever reads a file takes time in proportion to it, also of the worst kind."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from support.linear_time import Made, assert_linear, cpu_s, repeated

from ruie.errors import AnnotationError, SchemaError
from ruie.formats import Format, collect
from ruie.schema import Schema
from ruie.secrets import without_credentials
from ruie.worker.ingest.documents import read_jsonl
from ruie.worker.ingest.refusal import UnreadableError
from ruie.worker.ingest.sources.delimited import delimited
from ruie.worker.ingest.sources.html import (
    html_min_chars,
    html_text,
    markdown_min_chars,
    markdown_text,
)
from ruie.worker.ingest.sources.mapping import DEFAULT

pytestmark = pytest.mark.slow  # what is measured says as much about the machine

HTML = [
    "<div>", "<p>", "<b>", "<b><p>", "<ul><li>", "<dl><dt>", "<table><td>", "<td>", "<table>",
    "<a><div></a>", "</div>", "<", "</", "<!--", "<!-- --", "<!", "<?", "<svg ", "<svg>",
    "<svg></svg>", "<script ", "<script>", "<style>", "<title>", "<template>", "<noscript>",
    "<iframe>", "<textarea>", "<plaintext>", "<p a=1 ", '<p a="', "<p =", "<body a=b>", "&", "&#",
    "&amp", "&#x1;", "&#1", "\x02", "\0", "]]>", "--!",
]  # fmt: skip  # a list
MARKDOWN = [
    "![", "[", "]", "[]", "[a](", "[a](b)", "](", "](<", "[a]: b\n", "[a]:", "*", "**a", "*a_ ",
    "_a ", "`", "`a ", "> ", "- ", "> - ", "1. ", "<", "<a ", "<!--", "<![CDATA[", "|",
    "a|b\n-|-\n", "#", "---\n", "a\n===\n", "\\", "&amp;", "\n", "a\n", "~~~\n", "<div>\n", "\t",
]  # fmt: skip  # a list


@pytest.mark.parametrize("piece", HTML)
@pytest.mark.parametrize("function", [html_text, html_min_chars, markdown_min_chars])
def test_html(function: Callable[[str], object], piece: str) -> None:
    assert_linear(function, repeated(piece), 20_000)


def shown_or_refused(source: str) -> None:
    with suppress(UnreadableError):  # nested too deeply
        markdown_text(source)


@pytest.mark.parametrize("piece", MARKDOWN)
def test_markdown(piece: str) -> None:
    assert_linear(shown_or_refused, repeated(piece), 4_000)
    assert_linear(markdown_min_chars, repeated(piece), 20_000)


def attributes(size: int) -> str:
    return "<p " + " ".join(f"a{n}=1" for n in range(size // 8)) + ">a"


def code_spans(size: int) -> str:
    return " ".join("`" * n for n in range(1, int((2 * size) ** 0.5)))


def levels(size: int) -> str:
    return "".join("  " * n + "- a\n" for n in range(int(size**0.5)))


@pytest.mark.parametrize(
    ("function", "made"),
    [
        (html_text, attributes),
        (html_text, lambda size: "<body " + "><body ".join(f"a{n}=1" for n in range(size // 12))),
        (html_text, lambda size: f"&#{'1' * size};"),
        (html_text, lambda size: "<table>" + "<b>a" * (size // 4)),
        (html_text, lambda size: "<div>" * (size // 11) + "</div>" * (size // 11)),
        (markdown_text, code_spans),
        (shown_or_refused, levels),
    ],
)
def test_pages(function: Callable[[str], object], made: Made) -> None:
    assert_linear(function, made, 20_000)


MERGES = "\n".join(
    ["a0: &a0 {x: 1}", *(f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 9)}]"
                         for n in range(1, 10))]
)  # fmt: skip  # one list


def test_front_matter_merges_no_keys() -> None:
    note = f"---\ntitle: Oil\n{MERGES}\n---\nCrude fell."
    assert cpu_s(markdown_text, note) < 5  # 40 s and 1.5 GB where they are merged
    assert markdown_text(note) == ("Crude fell.", {"title": "Oil"})


@pytest.mark.parametrize(
    "piece", ["a: *a\n", "[", "{a: ", "? ", "- ", "1", "1:", "b ", "!a ", "&a ", "\n", '"\\\n']
)
def test_front_matter_and_schema_files(piece: str) -> None:
    def front(size: int) -> str:
        return f"---\na: {repeated(piece)(size)}\n---\nb"

    def schema(source: str) -> None:
        with pytest.raises(SchemaError):
            Schema.parse(source)

    if piece != "[":  # a second each, of any size: keys are looked for in 1,024 characters
        assert_linear(markdown_text, front, 2_000)
    assert_linear(schema, lambda size: f"a: {repeated(piece)(size)}", 2_000)


@pytest.mark.parametrize(
    "written",
    [
        lambda size: f"entities: [{', '.join(f'a{n}' for n in range(size // 6))}]",
        lambda size: f"events: {{a: [{', '.join(f'a{n}' for n in range(size // 6))}]}}",
    ],
)
def test_schema_of_many_types(written: Callable[[int], str]) -> None:
    assert_linear(Schema.parse, lambda size: f"name: s\n{written(size)}", 6_000)


def test_a_schema_has_a_bounded_number_of_names() -> None:
    roles = ", ".join(f"r{n}" for n in range(1_000))
    events = "\n".join(f"  b{n}: *roles" for n in range(1_000))
    with pytest.raises(SchemaError, match="more than 100,000 names"):
        Schema.parse(f"name: s\nevents:\n  a: &roles [{roles}]\n{events}")


ROWS = ['"', '""', ",", '","', ',"', '\n"', '"\n', '"a\n', "a", "\r", '"\n\n']
LINES: list[Made] = [
    repeated("["),
    repeated('{"a":'),
    repeated("\n"),
    lambda size: '{"text": "a", "n": ' + "1" * size + "}",
    lambda size: '{"text": "a", "n": 1e' + "9" * size + "}",
    lambda size: '{"text": "' + "\\ud83d" * (size // 6) + '"}',
    lambda size: '{"text": "' + "\\\\" * (size // 2),
]


@pytest.mark.parametrize("longest", [1_000, 10_000_000])
@pytest.mark.parametrize("piece", ROWS)
def test_csv(piece: str, longest: int) -> None:
    def read(rows: str) -> None:
        stream = io.BytesIO(b"text,id\n" + rows.encode())
        list(delimited(",")(stream, "a.csv", DEFAULT, longest, 0))

    assert_linear(read, repeated(piece), 40_000)


@pytest.mark.parametrize("longest", [1_000, 10_000_000])
@pytest.mark.parametrize("made", LINES)
def test_json_lines(made: Made, longest: int) -> None:
    def read(lines: str) -> None:
        list(read_jsonl(io.BytesIO(lines.encode()), "a.jsonl", longest))

    assert_linear(read, made, 40_000)


ANNOTATIONS: dict[str, tuple[Format, Made]] = {
    "x.conll": (Format.CONLL, repeated("a B-X\n")),
    "spaces.conll": (Format.CONLL, repeated(" ")),
    "tabs.conll": (Format.CONLL, repeated("\t")),
    "list.json": (Format.INSTRUCTIONS, repeated("[{},")),
    "blank.json": (Format.INSTRUCTIONS, lambda size: "[" + " " * size),
    "deep.jsonl": (Format.JSONL, repeated('{"a":')),
    "roles.ann": (Format.BRAT, lambda size: "E1\tA:T1" + " B:T1" * (size // 5)),
    "fragments.ann": (Format.BRAT, lambda size: "T1\tA 0 1" + ";0 1" * (size // 4)),
    "wrong.ann": (Format.BRAT, lambda size: "".join(f"T{n} wrong\n" for n in range(size // 12))),
    "covering.ann": (
        Format.BRAT,
        lambda size: "".join(f"T{n}\tA 0 {size // 2}\n" for n in range(size // 14)),
    ),
}


@pytest.mark.parametrize("name", ANNOTATIONS)
def test_annotations(tmp_path: Path, name: str) -> None:
    format, made = ANNOTATIONS[name]

    def written(size: int) -> Path:
        path = tmp_path / str(size) / name
        path.parent.mkdir()
        path.write_text(made(size), encoding="utf-8")
        if format is Format.BRAT:
            path.with_suffix(".txt").write_text("ab c\n" * (size // 5), encoding="utf-8")
        return path

    def read(path: Path) -> None:
        with suppress(AnnotationError):
            collect(path, format)

    assert_linear(read, written, 8_000)


@pytest.mark.parametrize("piece", ["http://", "://a", "a:b@", "?a=b&", "&sig=1", "?sig=%41&", "@"])
def test_urls(piece: str) -> None:
    assert_linear(without_credentials, repeated(piece), 20_000)
