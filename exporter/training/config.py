"""`train.toml`: the configuration of a training run. Paths are relative to the file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal, Self

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from ruie.bundle.manifest import Quantisation
from ruie.errors import UsageError


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CorpusConfig(_Section):
    """One annotated corpus, whose files are one pool of demonstrations."""

    files: tuple[Path, ...] = Field(min_length=1)
    schema_file: Path | None = Field(default=None, alias="schema")
    queries: int = Field(default=0, ge=0)
    """Train on so many of its examples, drawn at random; 0: all. All of them are in the pool."""


class CandidatesConfig(_Section):
    """Stage 1."""

    top: int = Field(default=100, ge=1)
    """Candidates of each query."""


class PreferenceConfig(_Section):
    """Stage 2."""

    model: str
    """A Hugging Face id or a folder; with `endpoint` the name of the model that it serves."""
    gguf: str = ""
    """The file in the folder `model` that has the weights, if they are in GGUF."""
    endpoint: str = ""
    """Base URL of a server whose completions return `prompt_logprobs` (vLLM)."""
    tokenizer: str = ""
    """Of the endpoint's model; default: the same id as `model`."""
    candidates: int = Field(default=32, ge=2)
    """Scored for each query, drawn at random from those of stage 1."""
    batch_tokens: int = Field(default=0, ge=0)
    """Tokens of a forward pass; 0: 512 on a CPU, whose caches they then fit, and 16384 on a GPU."""
    max_tokens: int = Field(default=1792, ge=64)
    """Pairs of a longer prompt and output are not scored."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """auto: bfloat16 where the processor computes in it natively."""


class TrainerConfig(_Section):
    """What both trainings share; the defaults are the paper's for the reward model."""

    steps: int = Field(default=3000, ge=1)
    batch: int = Field(default=32, ge=1)
    """Queries of a step on each device, each with its group."""
    accumulate: int = Field(default=1, ge=1)
    """Batches whose gradients make one step."""
    learning_rate: float = Field(default=1e-5, gt=0)
    warmup: int = Field(default=400, ge=0)
    max_tokens: int = Field(default=512, ge=16)
    negatives: int = Field(default=7, ge=1)
    """Of a group."""
    positive_top_k: int = Field(
        default=3, ge=1, validation_alias=AliasChoices("positive_top_k", "positives_of")
    )
    """The positive is drawn from so many best candidates."""
    negative_bottom_k: int = Field(
        default=16, ge=1, validation_alias=AliasChoices("negative_bottom_k", "negatives_of")
    )
    """The negatives are drawn from so many worst candidates."""
    held_out: float = Field(default=0.05, ge=0, lt=1)
    """The share of the queries that is kept for measuring."""
    save_steps: int = Field(default=500, ge=1)
    """Steps between two checkpoints."""
    gradient_checkpointing: bool = False
    micro_batch_tokens: int = Field(
        default=0, ge=0, validation_alias=AliasChoices("micro_batch_tokens", "part_tokens")
    )
    """Tokens of a step whose activations are in memory together; those of the others are computed
    twice. 0: 2048 on a CPU, all on a GPU."""


class RewardConfig(TrainerConfig):
    """Stage 3."""

    model: str = "google/electra-base-discriminator"
    score_batch: int = Field(default=64, ge=1)
    """About how many pairs are scored in a forward pass."""


class DistillationConfig(TrainerConfig):
    """Stage 4."""

    teacher: Literal["reward", "llm", "none"] = "reward"
    """llm: train on the LLM's own scores, which are fewer, without a reward model.
    none: the encoder is not trained, only the ranking is learned."""
    teacher_temperature: float = Field(default=1.0, gt=0)
    """Divides the teacher's scores: the lower it is, the more the best candidates stand out."""
    steps: int = Field(default=6000, ge=1)
    batch: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=3e-5, gt=0)
    negatives: int = Field(default=3, ge=1)
    temperature: float = Field(default=0.01, gt=0)
    """Divides the similarities of vectors."""
    contrastive: float = Field(default=0.2, ge=0)
    """The weight of the contrastive loss."""
    query_prefix: str = "query: "
    passage_prefix: str = "passage: "


class RankingConfig(_Section):
    """Stage 5."""

    queries: int = Field(default=64, ge=1)
    """Of each task. Their prompts have eight demonstrations, so each takes as long as several pairs
    of stage 2."""


class ExportConfig(_Section):
    """Stage 6."""

    output: Path = Path("bundle")
    quantise: Quantisation = Quantisation.INT8
    demonstrations: tuple[CorpusConfig, ...] = ()
    """The corpora in the bundle; default: those trained on."""


class TrainConfig(_Section):
    """A training run."""

    run: Path
    encoder: str
    seed: int = 42
    corpora: tuple[CorpusConfig, ...] = Field(min_length=1)
    candidates: CandidatesConfig = CandidatesConfig()
    preference: PreferenceConfig
    reward: RewardConfig = RewardConfig()
    distillation: DistillationConfig = DistillationConfig()
    ranking: RankingConfig = RankingConfig()
    export: ExportConfig = ExportConfig()

    @model_validator(mode="after")
    def _check_candidates(self) -> Self:
        """Positives and negatives must not overlap."""
        scored_by_llm = self.preference.candidates
        trainings: dict[str, tuple[TrainerConfig, int]] = {}
        if self.distillation.teacher == "reward":  # which scores all candidates
            trainings["reward"] = self.reward, scored_by_llm
            trainings["distillation"] = self.distillation, self.candidates.top
        elif self.distillation.teacher == "llm":
            trainings["distillation"] = self.distillation, scored_by_llm
        for name, (training, scored) in trainings.items():
            best, worst = training.positive_top_k, training.negative_bottom_k
            if best + worst > scored:
                raise ValueError(
                    f"{name}: the {best} best and the {worst} worst "
                    f"are more than the {scored} candidates"
                )
        return self

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a TOML file. Raises `UsageError` naming the file and the entry."""
        try:
            raw = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise UsageError(
                f"{path} cannot be read: {error.strerror}.", "Check the path."
            ) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{path}: {error}.", "It must be TOML in UTF-8.") from None
        try:
            return cls.model_validate(raw)._resolved(path.parent)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            raise UsageError(
                f"{path}: {where}: {first['msg']}.", "See docs/training.md for the entries."
            ) from None

    def _resolved(self, folder: Path) -> Self:
        """With all paths relative to `folder`; a model's only if it exists there, as it may be the
        id of a hub."""

        def model(name: str) -> str:
            return str(folder / name) if name and (folder / name).exists() else name

        def corpus(c: CorpusConfig) -> CorpusConfig:
            schema = c.schema_file and folder / c.schema_file
            files = tuple(folder / file for file in c.files)
            return c.model_copy(update={"files": files, "schema_file": schema})

        preference = {
            "model": model(self.preference.model),
            "tokenizer": model(self.preference.tokenizer),
        }
        export = {
            "output": folder / self.export.output,
            "demonstrations": tuple(map(corpus, self.export.demonstrations)),
        }
        return self.model_copy(
            update={
                "run": folder / self.run,
                "encoder": model(self.encoder),
                "corpora": tuple(map(corpus, self.corpora)),
                "preference": self.preference.model_copy(update=preference),
                "reward": self.reward.model_copy(update={"model": model(self.reward.model)}),
                "export": self.export.model_copy(update=export),
            }
        )
