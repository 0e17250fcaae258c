"""PDF and DOCX: all text in its order, pages by their offsets, refusals with a reason."""

from __future__ import annotations

import gzip
import os
import sys
import zipfile
from bisect import bisect_right
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.office import docx_file, pdf_file

from ruie.db.jobs import NewInputError
from ruie.db.queue import NewDocument
from ruie.errors import UnavailableError
from ruie.worker.ingest.documents import DocumentOrError
from ruie.worker.ingest.sources import ColumnMapping, find_sources
from ruie.worker.ingest.sources.mapping import DEFAULT

THREE = pdf_file([["Crude fell.", "OPEC met."], ["Gas rose."], ["Gold fell."]], "Oil and gas")
PAGED = docx_file(
    "<w:p><w:r><w:t>Crude fell.</w:t></w:r></w:p>"
    '<w:p><w:r><w:br w:type="page"/></w:r><w:r><w:lastRenderedPageBreak/><w:t>Gas </w:t></w:r>'
    "<w:r><w:t>rose.</w:t></w:r></w:p>",
    "Oil &amp; gas",
)


def read(
    folder: Path, name: str, content: bytes, mapping: ColumnMapping = DEFAULT, limit: int = 200_000
) -> DocumentOrError:
    (folder / name).write_bytes(content)
    (source,) = find_sources([folder / name], mapping, limit)
    (row,) = source.read()
    return row


def text_of(folder: Path, body: str, footnotes: str = "") -> str:
    row = read(folder, "a.docx", docx_file(body, footnotes=footnotes))
    assert isinstance(row, NewDocument), row
    return row.text


def paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


@pytest.mark.parametrize(
    ("name", "content", "text", "starts", "title"),
    [
        ("a.pdf", THREE, "Crude fell.\nOPEC met.\n\nGas rose.\n\nGold fell.", [0, 23, 34],
         "Oil and gas"),
        ("a.docx", PAGED, "Crude fell.\n\nGas rose.", [0, 13], "Oil & gas"),
    ],
)  # fmt: skip  # a table
def test_an_offset_leads_back_to_its_page(
    tmp_path: Path, name: str, content: bytes, text: str, starts: list[int], title: str
) -> None:
    row = read(tmp_path, name, content)
    assert isinstance(row, NewDocument), row
    assert (row.text, row.external_id) == (text, str(tmp_path / name))
    assert row.metadata == {"pages": starts, "title": title}
    assert bisect_right(starts, text.index("Gas rose")) == 2


def test_a_column_mapping_chooses_the_metadata(tmp_path: Path) -> None:
    row = read(tmp_path, "a.pdf", THREE, ColumnMapping(metadata=("title",)))
    assert isinstance(row, NewDocument)
    assert row.metadata == {"title": "Oil and gas"}


def test_they_are_read_from_archives_and_pipes_too(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("a.pdf", THREE)
        archive.writestr("b.docx", PAGED)
    rows = [row for source in find_sources([tmp_path / "all.zip"]) for row in source.read()]
    assert [isinstance(row, NewDocument) for row in rows] == [True, True]
    row = read(tmp_path, "c.pdf.gz", gzip.compress(THREE))
    assert isinstance(row, NewDocument)
    read_end, write_end = os.pipe()
    with os.fdopen(write_end, "wb") as pipe:
        pipe.write(THREE)
    (source,) = find_sources([f"/dev/fd/{read_end}"], input_format="pdf")
    (row,) = source.read()
    assert isinstance(row, NewDocument)
    os.close(read_end)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.pdf", b"%PDF-1.4\nnothing", "is no PDF, or a damaged one"),
        ("a.pdf", b"", "is no PDF, or a damaged one"),
        ("a.pdf", pdf_file([["Crude fell."]], encrypted=True), "is protected by a password"),
        ("a.pdf", pdf_file([[], []]), "has no text; pictures"),
        ("a.docx", b"PK\x03\x04 and more", "is no DOCX, or a damaged one"),
        ("a.docx", PAGED[:200], "is no DOCX, or a damaged one"),
        ("a.docx", docx_file("<w:p>"), "is a damaged DOCX: "),
        ("a.docx", docx_file(paragraph(" ")), "has no text; pictures"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_reason(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    row = read(tmp_path, name, content)
    assert isinstance(row, NewInputError)
    assert row.reason.startswith(reason)
    assert row.source == str(tmp_path / name)


def test_without_pdfium_a_named_file_is_an_error_and_one_in_a_folder_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    (tmp_path / "a.pdf").write_bytes(THREE)
    (tmp_path / "b.docx").write_bytes(PAGED)
    rows = [row for source in find_sources([tmp_path]) for row in source.read()]
    assert [isinstance(row, NewDocument) for row in rows] == [False, True]
    assert "ruie[pdf]" in str(rows[0])
    with pytest.raises(UnavailableError, match=r"ruie\[pdf\]"):
        find_sources([tmp_path / "a.pdf"])


@pytest.mark.parametrize("name", ["a.pdf", "a.docx"])
def test_a_long_one_is_refused_before_all_of_it_is_read(tmp_path: Path, name: str) -> None:
    pages = 40
    content = pdf_file([["Crude fell."]] * pages)
    if name.endswith("docx"):
        page = paragraph("Crude fell.") + '<w:p><w:r><w:br w:type="page"/></w:r></w:p>'
        content = docx_file(page * pages)
    row = read(tmp_path, name, content, limit=100)
    assert isinstance(row, NewInputError)
    assert "has at least 1" in row.reason


class TestWordprocessing:
    def test_what_is_shown_is_read(self, tmp_path: Path) -> None:
        body = (
            "<w:sdt><w:sdtContent>" + paragraph("In a control.") + "</w:sdtContent></w:sdt>"
            "<w:p><w:ins><w:r><w:t>Inserted. </w:t></w:r></w:ins><w:hyperlink><w:r><w:t>A link."
            "</w:t></w:r></w:hyperlink></w:p>"
            "<w:p><w:r><mc:AlternateContent><mc:Choice><w:txbxContent>" + paragraph("In a box.")
            + "</w:txbxContent></mc:Choice><mc:Fallback><w:txbxContent>" + paragraph("In a box.")
            + "</w:txbxContent></mc:Fallback></mc:AlternateContent></w:r></w:p>"
        )  # fmt: skip  # element by element
        notes = f"<w:footnote>{paragraph('A note.')}</w:footnote>"
        text = text_of(tmp_path, body, notes)
        assert text.split("\n\n")[0] == "In a control.\nInserted. A link.\nIn a box."
        assert text.endswith("A note.")
        assert text.count("In a box.") == 1

    def test_what_is_not_shown_is_not(self, tmp_path: Path) -> None:
        body = (
            "<w:p><w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"
            "<w:moveFrom><w:r><w:t>moved</w:t></w:r></w:moveFrom>"
            "<w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r>"
            "<w:r><w:instrText>PAGE</w:instrText></w:r>"
            '<w:r><w:rPr><w:vanish w:val="0"/></w:rPr><w:t>Shown.</w:t></w:r></w:p>'
        )
        assert text_of(tmp_path, body) == "Shown."

    def test_rows_and_cells_are_apart(self, tmp_path: Path) -> None:
        def row(*cells: str) -> str:
            filled = (f"<w:tc>{paragraph(cell)}</w:tc>" for cell in cells)
            return f"<w:tr>{''.join(filled)}</w:tr>"

        table = f"<w:tbl>{row('Well', 'Depth')}{row('A1', '3 m')}</w:tbl>"
        assert text_of(tmp_path, table + paragraph("End.")) == "Well\tDepth\nA1\t3 m\nEnd."

    def test_a_bomb_of_entities_is_refused(self, tmp_path: Path) -> None:
        entities = "".join(
            f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "ha"}">' for n in range(12)
        )
        bomb = docx_file(paragraph("x"))
        with zipfile.ZipFile(tmp_path / "b.docx", "w") as archive:
            archive.writestr("word/document.xml", f"<!DOCTYPE w [{entities}]><w><t>&e11;</t></w>")
        row = read(tmp_path, "c.docx", (tmp_path / "b.docx").read_bytes())
        assert isinstance(row, NewInputError)
        assert isinstance(read(tmp_path, "d.docx", bomb), NewDocument)


@pytest.mark.parametrize("content", [THREE, PAGED], ids=["pdf", "docx"])
@given(data=st.data())
def test_damage_is_a_refusal_or_a_document(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, data: st.DataObject
) -> None:
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        if data.draw(st.booleans()):
            damaged[at] = data.draw(st.integers(0, 255))
        else:
            del damaged[at : at + data.draw(st.integers(1, 50))]
    folder = tmp_path_factory.mktemp("damaged")
    suffix = "pdf" if content is THREE else "docx"
    row = read(folder, f"a.{suffix}", bytes(damaged))
    assert isinstance(row, NewDocument | NewInputError)
