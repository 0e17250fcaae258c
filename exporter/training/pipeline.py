"""`ruie bundle train`: the stages in order, each skipped while its inputs are unchanged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ruie.bundle.layout import check_target
from ruie.exporter.base_encoder import load_source
from ruie.exporter.training import candidates, distributed, preference
from ruie.exporter.training.config import CorpusConfig, TrainConfig
from ruie.exporter.training.export import export
from ruie.exporter.training.groups import rankings, split
from ruie.exporter.training.plots import plot
from ruie.exporter.training.pools import Pools, load_pools
from ruie.exporter.training.ranking import learn_ranking, sample
from ruie.exporter.training.stages import Figures, Stage, file_digest, write_json
from ruie.prompts import PROMPT_VERSION

Progress = Callable[[str, float], None]
"""Called with a stage's name and the share of it that is done, 0 to 1."""


class Training:
    """A run: `config.run` holds a folder a stage, `figures.json`, the plots and the base bundle."""

    def __init__(self, config: TrainConfig, progress: Progress, *, overwrite: bool = False) -> None:
        self._config, self._progress, self._overwrite = config, progress, overwrite
        self._run = config.run
        self.figures: dict[str, Figures] = {}

    def run(self) -> dict[str, Figures]:
        """The figures of every stage. Raises `RuieError`; what is finished stays finished."""
        check_target(self._config.export.output, overwrite=self._overwrite)
        self._run.mkdir(parents=True, exist_ok=True)
        pools = load_pools(self._config.corpora, self._config.seed)
        teacher = self._config.distillation.teacher
        encoder, unseen = self._config.encoder, pools.queries
        if teacher != "none":
            found = self._candidates(pools)
            scored = self._preference(pools, found)
            judged = self._reward(pools, found, scored) if teacher == "reward" else None
            student = self._distillation(pools, found, scored, judged)
            encoder = str(student.folder / "model")
            unseen = self._held_out(pools, scored)
        self._ranking(pools, encoder, unseen)
        if not distributed.rank():
            plot({k: v for k, v in self.figures.items() if v.get("history")}, self._run)
            self.figures["export"] = export(
                self._config,
                pools,
                encoder,
                self.figures,
                self._progress,
                overwrite=self._overwrite,
            )
            write_json(self._run / "config.json", self._config.model_dump(mode="json"))
            write_json(self._run / "figures.json", self.figures)
        return self.figures

    def _stage(
        self,
        name: str,
        version: int,
        inputs: dict[str, Any],
        work: Callable[[Path], Figures],
        *,
        together: bool = False,
    ) -> Stage:
        stage = Stage(self._run, name, version, inputs)
        if stage.figures is None:
            self._progress(name, 0)
        self.figures[name] = stage.run(work, together=together)
        return stage

    def _told(self, name: str) -> Callable[[float], None]:
        return lambda share: self._progress(name, share)

    def _candidates(self, pools: Pools) -> Stage:
        top, name = self._config.candidates.top, "candidates"
        inputs = {"corpora": _corpora(self._config.corpora), "top": top, "seed": self._config.seed}
        return self._stage(
            name,
            1,
            inputs,
            lambda folder: candidates.find_candidates(pools, top, folder, self._told(name)),
        )

    def _preference(self, pools: Pools, found: Stage) -> Stage:
        config, name, seed = self._config.preference, "preference", self._config.seed
        batching = {"batch_tokens"}  # changes no score
        inputs = {
            "candidates": found.key,
            "prompts": PROMPT_VERSION,
            "seed": seed,
            **config.model_dump(mode="json", exclude=batching),
        }

        def work(folder: Path) -> Figures:
            return preference.score_candidates(
                pools,
                candidates.read_candidates(found.folder),
                config.candidates,
                seed,
                *self._llm(),
                config.max_tokens,
                folder,
                self._told(name),
            )

        return self._stage(name, 1, inputs, work, together=True)

    def _llm(self) -> tuple[preference.Tokenise, preference.Scorer]:
        from ruie.exporter.training.likelihood import EndpointScorer, LocalScorer, Tokeniser

        config = self._config.preference
        tokenise = Tokeniser(config.tokenizer or config.model, config.gguf)
        return tokenise, EndpointScorer(config) if config.endpoint else LocalScorer(config)

    def _reward(self, pools: Pools, found: Stage, scored: Stage) -> Stage:
        config, seed = self._config.reward, self._config.seed
        inputs = {
            "preference": scored.key,
            "seed": seed,
            **config.model_dump(mode="json", exclude={"score_batch", "part_tokens"}),
        }

        def learn(folder: Path) -> Figures:
            from ruie.exporter.training.reward import train_reward

            ranked = rankings(pools, *preference.read_scores(scored.folder))
            kept, held = split(ranked, config.held_out, seed)
            return train_reward(pools, kept, held, config, seed, folder, self._told("reward"))

        model = self._stage("reward", 1, inputs, learn, together=True)

        def judge(folder: Path) -> Figures:
            from ruie.exporter.training.reward import judge

            everything = candidates.read_candidates(found.folder)
            trained = model.folder / "model"
            return judge(pools, everything, trained, config, folder, self._told("judgement"))

        return self._stage("judgement", 1, {"reward": model.key}, judge)

    def _distillation(
        self, pools: Pools, found: Stage, scored: Stage, judged: Stage | None
    ) -> Stage:
        config, seed = self._config.distillation, self._config.seed
        inputs = {
            "teacher": judged.key if judged else scored.key,
            "seed": seed,
            "encoder": _model(self._config.encoder),
            **config.model_dump(mode="json", exclude={"part_tokens"}),
        }

        def work(folder: Path) -> Figures:
            from ruie.exporter.training.reward import read_rewards
            from ruie.exporter.training.student import train_student

            liked = rankings(pools, *preference.read_scores(scored.folder))
            kept, held = split(liked, config.held_out, seed)
            if judged:
                everything = candidates.read_candidates(found.folder)
                asked = {ranking.query for ranking in held}
                told = rankings(pools, everything, read_rewards(judged.folder))
                kept = [ranking for ranking in told if ranking.query not in asked]
            return train_student(
                pools,
                kept,
                held,
                self._config.encoder,
                config,
                seed,
                folder,
                self._told("distillation"),
            )

        return self._stage("distillation", 2, inputs, work, together=True)

    def _held_out(self, pools: Pools, scored: Stage) -> tuple[int, ...]:
        """The queries that no model was trained on."""
        ranked = rankings(pools, *preference.read_scores(scored.folder))
        _, held = split(ranked, self._config.distillation.held_out, self._config.seed)
        return tuple(ranking.query for ranking in held)

    def _ranking(self, pools: Pools, encoder: str, unseen: Sequence[int]) -> Stage:
        seed, llm = self._config.seed, self._config.preference
        queries = sample(pools, unseen, self._config.ranking.queries, seed)
        inputs = {
            "corpora": _corpora(self._config.corpora),
            "prompts": PROMPT_VERSION,
            "queries": queries,
            "encoder": _model(encoder),
            "llm": [_model(llm.model), llm.gguf, llm.endpoint, llm.dtype],
        }

        def work(folder: Path) -> Figures:
            told = self._told("ranking")
            source = load_source(encoder)
            return learn_ranking(pools, queries, source, *self._llm(), folder, told)

        return self._stage("ranking", 3, inputs, work)


def _corpora(corpora: tuple[CorpusConfig, ...]) -> list[Any]:
    """What decides the examples: the contents of the files, wherever they lie."""
    return [
        [
            [file_digest(file) for file in corpus.files],
            corpus.schema_file and file_digest(corpus.schema_file),
            corpus.queries,
        ]
        for corpus in corpora
    ]


def _model(name: str) -> str:
    """A local model by its contents, one from a hub by its id."""
    return file_digest(Path(name)) if Path(name).is_dir() else name
