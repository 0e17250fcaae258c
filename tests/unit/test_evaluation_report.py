"""From counts to tables, Markdown and a picture; the file of predictions."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from ruie.bootstrap import interval, resampled_f1
from ruie.errors import AnnotationError, UnavailableError, UsageError
from ruie.evaluation import GoldQuery, Prediction
from ruie.llm import Completion, Usage
from ruie.mistakes import Mistake
from ruie.parsing import Parsed
from ruie.records import Query, Task
from ruie.retrievers import NAMES
from ruie.scoring import Score
from ruie.worker.evaluation.chart import chart, draw
from ruie.worker.evaluation.corpora import load_corpora
from ruie.worker.evaluation.predictions import Predictions
from ruie.worker.evaluation.report import Report
from ruie.worker.evaluation.run import Part
from ruie.worker.evaluation.summary import summary
from ruie.worker.evaluation.tables import grids
from ruie.worker.prices import Price

SETTINGS: dict[str, Any] = {
    "model": "a|model", "k": 8, "corpora": {"news": {"sentences": 3}}, "limit": 3, "seed": 0,
    "resamples": 2000,
}  # fmt: skip  # a table
PRICE = Price(1, 2, "somebody")


def prediction(row: int, score: Score, key: str = "k", text: str = "a", **kinds: int) -> Prediction:
    query = Query(Task.NER, "Ada .", "news", {"PER": ""})
    return Prediction(
        gold=GoldQuery(row, f"{row}#NER", query, ()),
        key=key,
        demonstrations=("d",),
        completion=Completion(text, "stop", Usage(10, 5), 0.1),
        parsed=Parsed((), (), True),
        error=None,
        usage=Usage(10, 5),
        strings=score,
        offsets=score,
        mistakes=Counter({Mistake(kind): count for kind, count in kinds.items()}),
    )


GOOD = [Score(2, 2, 2), Score(1, 1, 0), Score(3, 2, 2)]
POOR = [Score(2, 2, 1), Score(1, 1, 0), Score(3, 2, 1)]


def parts(corpus: str = "news") -> list[Part]:
    return [
        Part(corpus, "bm25", [prediction(i, score, missed=1) for i, score in enumerate(POOR)]),
        Part(corpus, "trained", [prediction(i, score) for i, score in enumerate(GOOD)]),
    ]


def test_intervals_are_of_sentences_and_differences_paired() -> None:
    poor, good = summary(parts(), PRICE, seed=4)
    assert good.f1 == pytest.approx(8 / 11)
    assert good.interval == interval(resampled_f1(GOOD, seed=4))
    assert good.difference is not None
    assert poor.difference is not None
    assert good.difference.to == "bm25"
    assert good.difference.value == pytest.approx(4 / 11)
    paired = resampled_f1(GOOD, seed=4) - resampled_f1(POOR, seed=4)
    assert good.difference.interval == interval(paired)
    assert poor.difference.interval == pytest.approx((-good.difference.interval.high,
                                                      -good.difference.interval.low))  # fmt: skip
    assert good.cost_usd == pytest.approx(3 * (10 + 2 * 5) / 1e6)


def test_each_corpus_has_a_name_of_its_own_and_questions(tmp_path: Path) -> None:
    one, other, alien = (tmp_path / f"{name}.jsonl" for name in ("one", "other", "alien"))
    one.write_text('{"text": "Ada .", "entities": []}\n')
    other.write_text('{"text": "Bo .", "entities": []}\n')
    alien.write_text('{"text": "Bo .", "relations": []}\n')
    schema = tmp_path / "news.yaml"
    schema.write_text("name: news\nentities: [PER]\n")
    assert list(load_corpora([one, one], schema)) == ["news"]
    assert list(load_corpora([one, other], schema)) == [f"news ({one})", f"news ({other})"]
    with pytest.raises(AnnotationError, match=r"nothing to evaluate in .*alien"):
        load_corpora([one, alien], schema)


def test_several_questions_about_a_sentence_are_drawn_together() -> None:
    one = prediction(0, Score(1, 1, 1))
    (line,) = summary([Part("news", "trained", [one, one, prediction(7, Score(1, 0, 0))])], None)
    assert (line.sentences, line.evaluation.queries) == (2, 3)
    assert line.interval == interval(resampled_f1([Score(2, 2, 2), Score(1, 0, 0)]))
    assert line.difference is None
    assert line.cost_usd is None


def test_the_best_of_the_others_is_the_best_of_them() -> None:
    three = [*parts(), Part("news", "random", [prediction(i, Score(1, 1, 0)) for i in range(3)])]
    found = {line.retriever: line.difference for line in summary(three, None)}
    assert {name: other and other.to for name, other in found.items()} == {
        "bm25": "trained", "trained": "bm25", "random": "trained",
    }  # fmt: skip  # a table


def test_keys_that_repeat_are_empty_on_a_terminal() -> None:
    scores, means, _, wrong, _ = grids(summary([*parts(), *parts("oil")], None))
    assert [row[:3] for row in scores.without_repetition()] == [
        ("news", "NER", "bm25"), ("", "", "trained"), ("oil", "NER", "bm25"), ("", "", "trained"),
    ]  # fmt: skip  # a table
    found = {name: f1 for *_, name, _, _, f1, _, _ in scores.rows}
    assert {name: f1 for name, f1, _ in means.rows} == pytest.approx(found)  # both are alike
    assert len(grids(summary(parts(), None))) == 4  # of one corpus there is no mean
    assert wrong.rows[:2] == [("news", "NER", "right", 2, 4), ("news", "NER", "missed", 3, 0)]


def test_markdown_has_every_table_and_note() -> None:
    markdown = Report(SETTINGS, summary(parts("a|b"), PRICE), PRICE).markdown(picture=True)
    assert markdown.startswith("# Evaluation: a|model, k = 8\n\n![")
    assert "| a\\|b | NER | trained | 0.800 | 0.667 | 0.727 |" in markdown
    for line in markdown.splitlines():
        if line.startswith("|"):
            assert line.endswith("|")
    assert "(samples, seed 0)" in markdown
    assert "0.0001 USD at 1 USD for a million tokens in, 2 out (somebody)" in markdown
    assert "![" not in Report(SETTINGS, summary(parts(), None), None).markdown(picture=False)


def test_without_matplotlib_the_rest_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [name for name in sys.modules if name.startswith("matplotlib")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    report = Report(SETTINGS, summary(parts(), None), None)
    with pytest.raises(UnavailableError, match=r"ruie\[train\]"):
        report.save(tmp_path)
    assert sorted(f.name for f in tmp_path.iterdir()) == ["evaluation.json", "evaluation.md"]
    assert json.loads((tmp_path / "evaluation.json").read_bytes()) == report.document()


def test_the_chart_shows_the_figures_and_cuts_nothing_off() -> None:
    lines = summary([*parts(), *parts("a long name of a corpus " * 3)], None)
    figure = draw(lines, "a-model-with-a-long-name/" * 5)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    bars = [bar.get_width() for bar in axes.patches if isinstance(bar, Rectangle)]
    # a retriever after the other
    ordered = sorted(lines, key=lambda line: NAMES.index(line.retriever))
    assert bars == [line.f1 for line in ordered]
    reach = [path for drawn in axes.collections for path in drawn.get_paths()]
    corners = [np.asarray(path.vertices) for path in reach]
    ends = [(each[0, 0], each[-1, 0]) for each in corners]
    assert ends == [pytest.approx(line.interval) for line in ordered]
    assert [text.get_text() for text in axes.texts] == [f"{line.f1:.3f}" for line in ordered]
    texts = [*axes.texts, *axes.get_yticklabels(), *figure.legends[0].get_texts(), *figure.texts]
    page = figure.bbox
    for text in texts:
        box = text.get_window_extent()
        assert page.x0 <= box.x0, text
        assert page.y0 <= box.y0, text
        assert page.x1 >= box.x1, text
        assert page.y1 >= box.y1, text


@pytest.mark.parametrize("scores", [[Score()], [Score(1, 1, 1)]])
def test_the_chart_of_an_extreme(scores: list[Score]) -> None:
    found = [prediction(i, score) for i, score in enumerate(scores)]
    assert chart(summary([Part("x", "trained", found)], None), "m").startswith(b"\x89PNG")


def test_predictions_that_cannot_be_read_are_passed_over(tmp_path: Path) -> None:
    with Predictions(tmp_path) as kept:
        kept.add("news", "trained", "m", prediction(1, Score(1, 1, 1), "one", "PER: Ada\ud800"))
        kept.add("news", "trained", "m", prediction(1, Score(1, 1, 1), "one"))
        kept.add("news", "bm25", "m", prediction(1, Score(1, 1, 1), "one"))
        with pytest.raises(UsageError, match="Another evaluation"):
            Predictions(tmp_path)
    file = tmp_path / "predictions.jsonl"
    whole = file.read_bytes()
    assert whole.count(b"\n") == 2
    file.write_bytes(b'nonsense\n{"key": 1}\n[]\n\xff\n' + whole + b'{"key": "torn')
    with Predictions(tmp_path) as kept:
        assert list(kept.completions) == ["one"]
        kept.add("news", "trained", "m", prediction(2, Score(), "two"))
    lines = file.read_bytes().splitlines()
    assert len(lines) == 7
    assert json.loads(lines[-1])["key"] == "two"


def test_a_line_says_what_it_is(tmp_path: Path) -> None:
    with Predictions(tmp_path) as kept:
        kept.add("news", "bm25", "m", prediction(3, Score(2, 1, 1), "key", "PER: Ada", missed=1))
    (line,) = map(json.loads, (tmp_path / "predictions.jsonl").read_text().splitlines())
    assert (line["corpus"], line["id"], line["task"]) == ("news", "3#NER", "NER")
    assert (line["retriever"], line["model"], line["demonstrations"]) == ("bm25", "m", ["d"])
    assert (line["output"], line["items"], line["rejects"], line["error"]) == (
        "PER: Ada", [], [], None,
    )  # fmt: skip  # one row
    assert line["strings"] == {"gold": 2, "predicted": 1, "matched": 1}
    assert line["mistakes"] == {"missed": 1}
