"""Small PDF and DOCX files, written byte by byte."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
MC = "http://schemas.openxmlformats.org/markup-compatibility/2006"


def pdf_file(pages: Sequence[Sequence[str]], title: str = "", encrypted: bool = False) -> bytes:
    """A PDF with these lines on each page."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", ""]
    objects.append("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    kids = []
    for lines in pages:
        shown = " ".join(f"({line}) Tj 0 -14 Td" for line in lines)
        content = f"BT /F1 12 Tf 72 720 Td {shown} ET"
        objects.append(f"<< /Length {len(content)} >>\nstream\n{content}\nendstream")
        kids.append(f"{len(objects) + 1} 0 R")
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources"
            f" << /Font << /F1 3 0 R >> >> /Contents {len(objects)} 0 R >>"
        )
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(pages)} >>"
    objects.append(f"<< /Title ({title}) >>")
    trailer = f"/Root 1 0 R /Info {len(objects)} 0 R"
    if encrypted:
        word = "41" * 32
        objects.append(f"<< /Filter /Standard /V 1 /R 2 /O <{word}> /U <{word}> /P -4 >>")
        trailer += f" /Encrypt {len(objects)} 0 R /ID [<{word}> <{word}>]"
    out = io.BytesIO(b"")
    out.write(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(out.tell())
        out.write(f"{number} 0 obj\n{body}\nendobj\n".encode("latin-1"))
    table = out.tell()
    out.write(f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode())
    out.write("".join(f"{place:010} 00000 n \n" for place in places).encode())
    out.write(f"trailer << /Size {len(objects) + 1} {trailer} >>\n".encode())
    out.write(f"startxref\n{table}\n%%EOF\n".encode())
    return out.getvalue()


def docx_file(body: str, title: str = "", footnotes: str = "") -> bytes:
    """A DOCX with this WordprocessingML in its body, and in its footnotes."""
    root = f'xmlns:w="{W}" xmlns:mc="{MC}"'
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        document = f"<w:document {root}><w:body>{body}</w:body></w:document>"
        archive.writestr("word/document.xml", document)
        if footnotes:
            notes = f"<w:footnotes {root}>{footnotes}</w:footnotes>"
            archive.writestr("word/footnotes.xml", notes)
        if title:
            dc = "http://purl.org/dc/elements/1.1/"
            core = f'<p xmlns:dc="{dc}"><dc:title>{title}</dc:title></p>'
            archive.writestr("docProps/core.xml", core)
    return out.getvalue()
