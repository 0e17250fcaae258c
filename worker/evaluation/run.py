"""Send every corpus's queries with the demonstrations of every retriever."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ruie.annotations import Corpus
from ruie.bundle import Bundle
from ruie.bundle.manifest import DEMONSTRATIONS
from ruie.confidence.model import opened
from ruie.errors import UsageError
from ruie.evaluation import Prediction, gold_queries, predict
from ruie.extractor import Extractor
from ruie.llm import connect
from ruie.questioner import Retriever
from ruie.records import Demonstration
from ruie.retrievers import BM25, NAMES, Random
from ruie.settings import Settings
from ruie.worker.client import decoding
from ruie.worker.evaluation.predictions import Predictions


@dataclass(frozen=True, slots=True)
class Part:
    """One corpus with the demonstrations of one retriever."""

    corpus: str
    retriever: str
    predictions: list[Prediction]


def open_retrievers(
    names: Sequence[str],
    bundle: Bundle,
    base: Path | None,
    seed: int,
    threads: int,
    added: Sequence[Demonstration] = (),
) -> dict[str, Retriever]:
    """The named retrievers, in the order of `NAMES`.

    base: a bundle of the same demonstrations, for the retriever of that name. added: further
    demonstrations that lie over the bundles, as those of a schema do in a job. Raises `UsageError`,
    `BundleError`, and `UnavailableError` where a library is missing.
    """
    selected = [name for name in NAMES if name in names]
    if "base" in selected and base is None:
        raise UsageError(
            "The retriever 'base' needs a bundle whose encoder was not trained.",
            "Name it with --base. Training writes one, and `ruie bundle build` makes one of the "
            "base model and the same demonstrations.",
        )
    if base is not None and "base" not in selected:
        raise UsageError("--base has no use without the retriever 'base'.", "Add --retriever base.")
    pool = bundle.over(added) if added else bundle

    def base_pool() -> Bundle:
        opened = _same_pool(Bundle.open(base or bundle.path, threads=threads), bundle)
        return opened.over(added) if added else opened

    openers: dict[str, Callable[[], Retriever]] = {
        "random": lambda: Random(pool, seed),
        "bm25": lambda: BM25(pool),
        "base": base_pool,
        "similarity": pool.by_similarity,
        "trained": lambda: pool,
    }
    return {name: openers[name]() for name in selected}


def _same_pool(base: Bundle, bundle: Bundle) -> Bundle:
    """`base`, if the two have the same demonstrations."""

    def pool(of: Bundle) -> set[object]:
        return {
            (d.task, d.schema, d.labels, d.text, d.items, d.trigger) for d in of.demonstrations()
        }

    same_file = base.manifest.files[DEMONSTRATIONS] == bundle.manifest.files[DEMONSTRATIONS]
    if not same_file and pool(base) != pool(bundle):
        raise UsageError(
            f"{base.path} and {bundle.path} do not have the same demonstrations.",
            "Build both from the same files, so that only the encoders differ.",
        )
    return base


def count_queries(corpora: Mapping[str, Corpus]) -> int:
    """The number of queries for one retriever."""
    return sum(sum(1 for _ in gold_queries(corpus)) for corpus in corpora.values())


async def run(
    config: Settings,
    corpora: Mapping[str, Corpus],
    retrievers: Mapping[str, Retriever],
    predictions: Predictions | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[str, list[Part]]:
    """The model that was used, and the outcomes, corpus by corpus.

    predictions: answers are taken from it where they are there, and added to it. progress is called
    with 1 after each query. Raises `FatalCallError`, `UnavailableError`.
    """
    llm = connect(config)
    try:
        model = await llm.resolve_model(config.llm_model)
        first = Extractor(None, llm, model, decoding(config))
        confidence = opened(config.calibration)
        await first.resolve()
        parts = []
        for corpus, gold in corpora.items():
            for name, retriever in retrievers.items():

                def save(prediction: Prediction, corpus: str = corpus, name: str = name) -> None:
                    if predictions is not None:
                        predictions.add(corpus, name, model, prediction)
                    progress(1)

                saved = predictions.completions if predictions is not None else None
                extractor = Extractor(retriever, llm, model, first.decoding, confidence=confidence)
                outcome = await predict(extractor, gold, saved=saved, on_prediction=save)
                parts.append(Part(corpus, name, outcome))
        return model, parts
    finally:
        await llm.close()
