"""deploy/monitoring and docs/metrics.md name the metrics of the code, and all of them; each alert
is fired by a scene."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.commands import ROOT
from support.documents import Row, sections, shown, table_rows, text_of

from ruie.settings import Settings
from ruie.worker.metrics import catalogue
from ruie.worker.metrics.catalogue import METRICS, Metric

FOLDER = ROOT / "deploy/monitoring"
PAGE = "docs/metrics.md"
SECTIONS = {
    "Of each coordinator": catalogue.OF_PROCESS,
    "Totals of the fleet": catalogue.TOTALS,
    "Jobs": catalogue.JOBS,
    "The fleet now": catalogue.FLEET,
    "Limits": catalogue.LIMITS,
}
OUTSIDE = {"job", "instance", "le"}
"""Labels that are not ours: of Prometheus, and of every histogram."""


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((FOLDER / "rules.yml").read_text(encoding="utf-8"))["groups"]
    listed: list[dict[str, Any]] = group["rules"]
    return listed


def panels() -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(
        (FOLDER / "dashboard.json").read_text(encoding="utf-8")
    )["panels"]
    return listed


def dashboard() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel.get("targets", [])]


def series() -> list[str]:
    scenes = yaml.safe_load((FOLDER / "rules.test.yml").read_text(encoding="utf-8"))["tests"]
    return [one["series"] for scene in scenes for one in scene["input_series"]]


def named(expression: str) -> Iterator[Metric]:
    """The metrics of an expression. Fails for one that does not exist."""
    for name in re.findall(r"\bruie_\w+", expression):
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        metric = METRICS.get(name) or METRICS.get(base)
        assert metric, f"{name} is in no table of worker/metrics/catalogue.py"
        assert name == metric.name or metric.kind == "histogram", name
        yield metric


def labels(expression: str) -> set[str]:
    """Labels that it selects by, or groups by."""
    selected = re.findall(r"[{,]\s*(\w+)\s*=", expression)
    grouped = re.findall(r"\b(?:by|on|without)\s*\(([^)]*)\)", expression)
    return {*selected, *(name.strip() for names in grouped for name in names.split(","))}


EXPRESSIONS = [*(rule["expr"] for rule in rules()), *dashboard(), *series()]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_names_metrics_and_labels_that_exist(expression: str) -> None:
    metrics = list(named(expression))
    assert metrics
    known = {label for metric in metrics for label in metric.labels} | OUTSIDE
    assert labels(expression) <= known


def test_the_dashboard_and_the_alerts_use_every_metric() -> None:
    used = {metric.name for expression in EXPRESSIONS for metric in named(expression)}
    assert set(METRICS) - used == set()


def test_legends_and_summaries_have_labels_that_exist() -> None:
    every = {label for metric in METRICS.values() for label in metric.labels} | OUTSIDE
    texts = [t["legendFormat"] for panel in panels() for t in panel.get("targets", [])]
    assert {label for text in texts for label in re.findall(r"{{(\w+)}}", text)} <= every
    for rule in rules():
        for label in re.findall(r"\$labels\.(\w+)", str(rule["annotations"])):
            assert label in every
            assert label == "instance" or label in labels(rule["expr"]), rule["alert"]


def test_the_dashboards_panels_have_places_and_numbers_of_their_own() -> None:
    assert len({panel["id"] for panel in panels()}) == len(panels())
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_each_alert_fires_in_a_scene_and_says_what_to_do() -> None:
    scenes = yaml.safe_load((FOLDER / "rules.test.yml").read_text(encoding="utf-8"))["tests"]
    fired = {
        test["alertname"]
        for scene in scenes
        for test in scene["alert_rule_test"]
        if test["exp_alerts"]
    }
    assert fired == {rule["alert"] for rule in rules()}
    assert all({"summary", "action"} <= set(rule["annotations"]) for rule in rules())


def test_the_scrape_configuration_has_the_port_that_the_page_sets() -> None:
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
    (target,) = config["scrape_configs"][0]["static_configs"][0]["targets"]
    port = target.rpartition(":")[2]
    assert f"RUIE_METRICS_PORT={port}" in text_of(PAGE)
    assert config["rule_files"] == ["rules.yml"]
    assert "metrics_port" in Settings.model_fields


@pytest.mark.parametrize(
    "words",
    [["check", "rules", "rules.yml"], ["test", "rules", "rules.test.yml"],
     ["check", "config", "prometheus.yml"]],
    ids=" ".join,
)  # fmt: skip  # one call a line
def test_promtool_accepts_them(words: list[str]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool (Debian's package `prometheus`) is not installed")
    done = subprocess.run(
        [promtool, *words], cwd=FOLDER, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


def expected_rows(metrics: tuple[Metric, ...]) -> list[Row]:
    return [
        (f"`{m.name}`", m.kind, ", ".join(f"`{label}`" for label in m.labels), m.help)
        for m in metrics
    ]


@pytest.mark.parametrize("title", SECTIONS)
def test_the_page_describes_the_metrics_of_the_code(title: str) -> None:
    expected = expected_rows(SECTIONS[title])
    assert table_rows(sections(text_of(PAGE))[title]) == expected, shown(expected)


def test_the_sections_have_every_metric() -> None:
    listed = [metric.name for metrics in SECTIONS.values() for metric in metrics]
    assert sorted(listed) == sorted(METRICS)


def test_the_page_names_no_other_metric_and_every_alert() -> None:
    text = text_of(PAGE)
    for name in re.findall(r"`(ruie_\w+)`", text):
        list(named(name))
    alerts = [row[0].strip("`") for row in table_rows(sections(text)["Alerts"])]
    assert alerts == [rule["alert"] for rule in rules()]
    assert Path(ROOT / "deploy/monitoring/dashboard.json").exists()
