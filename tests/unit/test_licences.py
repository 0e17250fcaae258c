"""NOTICE and deploy/licences.md name what an installation brings."""

from __future__ import annotations

import importlib.util
import re
from types import ModuleType

import pytest
from support.commands import ROOT
from support.installed import PROJECT, closure

LISTED = dict(
    re.findall(
        r"^\| ([a-z0-9-]+) \| (.+) \|$",
        (ROOT / "deploy/licences.md").read_text(encoding="utf-8").partition("|---|")[2],
        re.MULTILINE,
    )
)
NOTICE = (ROOT / "NOTICE").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("licences", ROOT / "deploy/licences.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_dependency_is_listed_with_its_licence(script: ModuleType) -> None:
    installed = {
        n: script.licence(of) for n, of in script.dependencies(PROJECT["dependencies"]).items()
    }
    assert {"celery", "psycopg-binary", "numpy"} <= set(installed)
    assert set(installed) <= closure(PROJECT["dependencies"])
    assert all(installed.values()), [name for name, licence in installed.items() if not licence]
    missing = {name: licence for name, licence in installed.items() if LISTED.get(name) != licence}
    assert not missing, f"run deploy/licences.py: {missing}"


def test_nothing_is_listed_that_is_not_pinned() -> None:
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    names = {line.partition("==")[0].lower().replace("_", "-") for line in pinned.splitlines()}
    assert LISTED
    assert set(LISTED) <= names, set(LISTED) - names


def test_the_notice_names_each_that_asks_more_than_attribution() -> None:
    asking = {name for name, licence in LISTED.items() if re.search(r"GPL|MPL|EPL|CDDL", licence)}
    assert {"psycopg", "psycopg-binary"} <= asking
    for name in asking:
        assert re.search(rf"^\* {name}\b", NOTICE, re.MULTILINE), f"{name} is not in NOTICE"
    assert re.search(r"^\* certifi .*Mozilla Public License", NOTICE, re.MULTILINE)
    assert "deploy/licences.md" in NOTICE
