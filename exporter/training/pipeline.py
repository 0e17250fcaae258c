"""`ruie bundle train`: the stages in order, each skipped as long as its inputs are unchanged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from ruie.bundle.layout import check_target
from ruie.exporter.base_encoder import load_base_encoder
from ruie.exporter.training import distributed
from ruie.exporter.training.candidates import find_candidates, read_candidates
from ruie.exporter.training.config import CorpusConfig, TrainConfig, TrainerConfig
from ruie.exporter.training.export import export
from ruie.exporter.training.groups import ScoredCandidates, scored_candidates, split_held_out
from ruie.exporter.training.plots import plot
from ruie.exporter.training.pools import Pools, load_pools
from ruie.exporter.training.preference import Scorer, Tokenise, read_scores, score_candidates
from ruie.exporter.training.ranking import learn_ranking, sample_queries
from ruie.exporter.training.stages import Figures, Progress, Stage, file_digest, write_json
from ruie.prompts import PROMPT_VERSION


class RunProgress(Protocol):
    """A `Progress` of the stage (or of the step of the export) whose name comes first."""

    def __call__(
        self, stage: str, done: float, total: float = 1, unit: str = "", note: str = "", /
    ) -> None:
        """Report it."""


class Training:
    """A run: `config.run` has a folder for each stage, `figures.json`, the plots and the base
    bundle."""

    def __init__(
        self, config: TrainConfig, progress: RunProgress, *, overwrite: bool = False
    ) -> None:
        self._config, self._progress, self._overwrite = config, progress, overwrite
        self._run = config.run
        self.figures: dict[str, Figures] = {}

    def run(self) -> dict[str, Figures]:
        """The figures of every stage. Raises `RuieError`; finished stages stay finished."""
        check_target(self._config.export.output, overwrite=self._overwrite)
        self._run.mkdir(parents=True, exist_ok=True)
        pools = load_pools(self._config.corpora, self._config.seed)
        teacher = self._config.distillation.teacher
        encoder, unseen = self._config.encoder, pools.queries
        if teacher != "none":
            candidates = self._candidates(pools)
            preference = self._preference(pools, candidates)
            judgement = None
            if teacher == "reward":
                reward = self._reward(pools, preference)
                judgement = self._judgement(pools, candidates, reward)
            student = self._distillation(pools, candidates, preference, judgement)
            encoder = str(student.folder / "model")
            _, held_out = self._split(pools, preference, self._config.distillation.held_out)
            unseen = tuple(ranked.query for ranked in held_out)
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
        all_processes: bool = False,
    ) -> Stage:
        stage = Stage(self._run, name, version, inputs)
        if stage.figures is None:
            self._progress(name, 0)
        self.figures[name] = stage.run(work, all_processes=all_processes)
        return stage

    def _progress_of(self, stage: str) -> Progress:
        def report(done: float, total: float = 1, unit: str = "", note: str = "", /) -> None:
            self._progress(stage, done, total, unit, note)

        return report

    def _candidates(self, pools: Pools) -> Stage:
        top = self._config.candidates.top
        inputs = {"corpora": _corpora(self._config.corpora), "top": top, "seed": self._config.seed}

        def work(folder: Path) -> Figures:
            return find_candidates(pools, top, folder, self._progress_of("candidates"))

        return self._stage("candidates", 1, inputs, work)

    def _preference(self, pools: Pools, candidates: Stage) -> Stage:
        config, seed = self._config.preference, self._config.seed
        inputs = preference_inputs(self._config, candidates.key)

        def work(folder: Path) -> Figures:
            return score_candidates(
                pools,
                read_candidates(candidates.folder),
                config.candidates,
                seed,
                *self._llm(),
                config.max_tokens,
                folder,
                self._progress_of("preference"),
            )

        return self._stage("preference", 1, inputs, work, all_processes=True)

    def _llm(self) -> tuple[Tokenise, Scorer]:
        from ruie.exporter.training.likelihood import EndpointScorer, LocalScorer, Tokeniser

        config = self._config.preference
        tokenise = Tokeniser(config.tokenizer or config.model, config.gguf)
        return tokenise, EndpointScorer(config) if config.endpoint else LocalScorer(config)

    def _split(
        self, pools: Pools, preference: Stage, held_out: float
    ) -> tuple[list[ScoredCandidates], list[ScoredCandidates]]:
        """The LLM's scores for the queries to train on, and for those held out."""
        ranked = scored_candidates(pools, *read_scores(preference.folder))
        return split_held_out(ranked, held_out, self._config.seed)

    def _reward(self, pools: Pools, preference: Stage) -> Stage:
        config, seed = self._config.reward, self._config.seed
        inputs = reward_inputs(self._config, preference.key)

        def work(folder: Path) -> Figures:
            from ruie.exporter.training.reward import train_reward

            ranked, held_out = self._split(pools, preference, config.held_out)
            progress = self._progress_of("reward")
            return train_reward(pools, ranked, held_out, config, seed, folder, progress)

        return self._stage("reward", 1, inputs, work, all_processes=True)

    def _judgement(self, pools: Pools, candidates: Stage, reward: Stage) -> Stage:
        def work(folder: Path) -> Figures:
            from ruie.exporter.training.reward import score_all_candidates

            return score_all_candidates(
                pools,
                read_candidates(candidates.folder),
                reward.folder / "model",
                self._config.reward,
                folder,
                self._progress_of("judgement"),
            )

        return self._stage("judgement", 1, {"reward": reward.key}, work)

    def _distillation(
        self, pools: Pools, candidates: Stage, preference: Stage, judgement: Stage | None
    ) -> Stage:
        config, seed = self._config.distillation, self._config.seed
        inputs = distillation_inputs(self._config, (judgement or preference).key)

        def work(folder: Path) -> Figures:
            from ruie.exporter.training.reward import read_rewards
            from ruie.exporter.training.student import train_student

            ranked, held_out = self._split(pools, preference, config.held_out)
            if judgement:
                queries = {each.query for each in held_out}
                judged = scored_candidates(
                    pools, read_candidates(candidates.folder), read_rewards(judgement.folder)
                )
                ranked = [each for each in judged if each.query not in queries]
            return train_student(
                pools,
                ranked,
                held_out,
                self._config.encoder,
                config,
                seed,
                folder,
                self._progress_of("distillation"),
            )

        return self._stage("distillation", 2, inputs, work, all_processes=True)

    def _ranking(self, pools: Pools, encoder: str, unseen: Sequence[int]) -> Stage:
        """unseen: queries that no model was trained on."""
        seed, llm = self._config.seed, self._config.preference
        queries = sample_queries(pools, unseen, self._config.ranking.queries, seed)
        inputs = {
            "corpora": _corpora(self._config.corpora),
            "prompts": PROMPT_VERSION,
            "queries": queries,
            "encoder": _model(encoder),
            "llm": [_model(llm.model), llm.gguf, llm.endpoint, llm.dtype],
        }

        def work(folder: Path) -> Figures:
            base = load_base_encoder(encoder)
            progress = self._progress_of("ranking")
            return learn_ranking(pools, queries, base, *self._llm(), folder, progress)

        return self._stage("ranking", 3, inputs, work)


def preference_inputs(config: TrainConfig, candidates: str) -> dict[str, Any]:
    """What decides the result of the stage. candidates: the key of that stage."""
    return {
        "candidates": candidates,
        "prompts": PROMPT_VERSION,
        "seed": config.seed,
        # how many tokens are read at once changes no score
        "settings": config.preference.model_dump(mode="json", exclude={"batch_tokens"}),
    }


def reward_inputs(config: TrainConfig, preference: str) -> dict[str, Any]:
    """What decides the result of the stage. preference: the key of that stage."""
    return {"preference": preference, "seed": config.seed, "settings": _settings(config.reward)}


def distillation_inputs(config: TrainConfig, teacher: str) -> dict[str, Any]:
    """What decides the result of the stage. teacher: the key of the stage with its scores."""
    return {
        "teacher": teacher,
        "seed": config.seed,
        "encoder": _model(config.encoder),
        "settings": _settings(config.distillation),
    }


def _settings(config: TrainerConfig) -> dict[str, Any]:
    """All but those that change memory and speed alone."""
    return config.model_dump(mode="json", exclude={"score_batch", "micro_batch_tokens"})


def _corpora(corpora: tuple[CorpusConfig, ...]) -> list[Any]:
    """What decides the examples: the contents of the files, not where they are."""
    return [
        [
            [file_digest(file) for file in corpus.files],
            corpus.schema_file and file_digest(corpus.schema_file),
            corpus.queries,
        ]
        for corpus in corpora
    ]


def _model(name: str) -> str:
    """The digest of a local model, the id of one from a hub."""
    return file_digest(Path(name)) if Path(name).is_dir() else name
