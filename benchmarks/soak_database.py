"""What a soak's database takes, beside what weight.md and docs/sizing.md say of so many rows.

    python benchmarks/soak_database.py FOLDER

The folder is that of soak.py, whose `report.json` has the sizes.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.corpus import rows  # noqa: E402  # after the path above

Row = Mapping[str, Any]


def database(report: Mapping[str, Any]) -> list[str]:
    """A row for each table: what it took, and what weight.md says of so many rows."""
    weight = (ROOT / "benchmarks" / "weight.md").read_text(encoding="utf-8").split("## SQLite")[0]
    a_row = {
        name: int(size)
        for name, size in re.findall(r"^\| `(\w+)` (?:\|[^|]*){3}\| (\d+) \|", weight, re.MULTILINE)
    }
    tables = sorted(report["sizes"].items(), key=lambda one: -one[1]["bytes"] - one[1]["indexes"])
    found, sums = [], [0.0, 0.0, 0.0]
    for name, size in tables:
        taken = (size["bytes"] + size["indexes"]) / 1e6
        full = (size["full"] + size["full_indexes"]) / 1e6
        predicted = size["rows"] * a_row.get(name, 0) / 1e6
        sums = [one + more for one, more in zip(sums, (taken, full, predicted), strict=True)]
        if taken > 1:
            known = f"{predicted:.1f}" if predicted else ""
            found.append(f"| `{name}` | {size['rows']:,} | {taken:.1f} | {full:.1f} | {known} |")
    found.append(f"| all | | {sums[0]:.1f} | {sums[1]:.1f} | {sums[2]:.1f} |")
    return [*found, "", f"by docs/sizing.md: {sized(report['sizes']) / 1e6:.1f}"]


def sized(tables: Row) -> float:
    """The bytes of docs/sizing.md for so many documents, calls, characters and records."""
    page = (ROOT / "docs" / "sizing.md").read_text(encoding="utf-8")
    document, call, character, record = (
        float(re.search(rf"^\| {name} \| ([\d,.]+)", page, re.MULTILINE)[1].replace(",", ""))  # type: ignore[index]  # it is there
        for name in (
            "a document with its first call",
            "a further call",
            "a character of text",
            "a record",
        )
    )
    documents, calls = tables["documents"]["rows"], tables["extractions"]["rows"]
    records = sum(tables[n]["rows"] for n in ("entities", "relations", "events", "event_arguments"))
    sample = rows(1000, 1)
    characters = documents * statistics.fmean(len(row["text"]) for row in sample)
    return (
        documents * document + (calls - documents) * call + characters * character
        + records * record
    )  # fmt: skip  # a sum


def main() -> None:
    report = (Path(sys.argv[1]) / "report.json").read_text(encoding="utf-8")
    print("| table | rows | MB | MB, no dead rows | MB by weight.md |\n|---|---|---|---|---|")
    print("\n".join(database(json.loads(report)["figures"])))


if __name__ == "__main__":
    main()
