"""`train.toml`: everything that a training run depends on. Paths are relative to the file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ruie.bundle.manifest import Quantisation
from ruie.errors import UsageError


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CorpusConfig(_Part):
    """One annotated corpus: its files are one pool of demonstrations."""

    files: tuple[Path, ...] = Field(min_length=1)
    schema_file: Path | None = Field(default=None, alias="schema")
    queries: int = Field(default=0, ge=0)
    """Train on a random sample of so many of its examples; 0: all. The pool is always whole."""


class CandidatesConfig(_Part):
    """Stage 1."""

    top: int = Field(default=100, ge=1)


class PreferenceConfig(_Part):
    """Stage 2. `model`: a Hugging Face id or folder, or with `endpoint` the name it serves."""

    model: str
    gguf: str = ""
    """The file in the folder `model` that holds the weights, where they are in GGUF."""
    endpoint: str = ""
    """Base URL of a server whose completions return `prompt_logprobs` (vLLM)."""
    tokenizer: str = ""
    """Of the endpoint's model; default: the same id as `model`."""
    candidates: int = Field(default=32, ge=2)
    """A random so many of stage 1's are scored."""
    batch_tokens: int = Field(default=0, ge=0)
    """Read at once; 0: 512 on a CPU, whose caches they then fit, and 16384 on a GPU."""
    max_tokens: int = Field(default=1792, ge=64)
    """Pairs whose prompt is longer are not scored."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """auto: bfloat16 where the processor computes in it."""


class TrainerConfig(_Part):
    """What both trainings share; the numbers are the paper's for the reward model."""

    steps: int = Field(default=3000, ge=1)
    batch: int = Field(default=32, ge=1)
    """Queries a step on each device, each with its group."""
    accumulate: int = Field(default=1, ge=1)
    """Batches whose gradients make one step."""
    learning_rate: float = Field(default=1e-5, gt=0)
    warmup: int = Field(default=400, ge=0)
    max_tokens: int = Field(default=512, ge=16)
    negatives: int = Field(default=7, ge=1)
    positives_of: int = Field(default=3, ge=1)
    """The positive is one of the so many best."""
    negatives_of: int = Field(default=16, ge=1)
    """The negatives are of the so many worst."""
    held_out: float = Field(default=0.05, ge=0, lt=1)
    """The share of the queries that is kept for measuring."""
    save_steps: int = Field(default=500, ge=1)
    gradient_checkpointing: bool = False
    part_tokens: int = Field(default=0, ge=0)
    """Held in memory of a step; the rest is computed twice. 0: 2048 on a CPU, all on a GPU."""


class RewardConfig(TrainerConfig):
    """Stage 3."""

    model: str = "google/electra-base-discriminator"
    score_batch: int = Field(default=64, ge=1)


class DistillationConfig(TrainerConfig):
    """Stage 4."""

    teacher: Literal["reward", "llm", "none"] = "reward"
    """llm: learn from the LLM's own scores. There are fewer of them, and no reward model.
    none: the encoder stays as it is, and only the ranking is learned."""
    teacher_temperature: float = Field(default=1.0, gt=0)
    """Divides the teacher's scores: the lower, the more its best candidates stand out."""
    steps: int = Field(default=6000, ge=1)
    batch: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=3e-5, gt=0)
    negatives: int = Field(default=3, ge=1)
    temperature: float = Field(default=0.01, gt=0)
    contrastive: float = Field(default=0.2, ge=0)
    query_prefix: str = "query: "
    passage_prefix: str = "passage: "


class RankingConfig(_Part):
    """Stage 5."""

    queries: int = Field(default=64, ge=1)
    """Of each task; whole prompts, so that each takes as long as some of stage 2's pairs."""


class ExportConfig(_Part):
    """Stage 6. `demonstrations`: the pools of the bundle; default: those trained on."""

    output: Path = Path("bundle")
    quantise: Quantisation = Quantisation.INT8
    demonstrations: tuple[CorpusConfig, ...] = ()


class TrainConfig(_Part):
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
    def _enough(self) -> Self:
        teacher = self.distillation.teacher
        judged = teacher == "reward"
        asked: dict[str, TrainerConfig] = {"reward": self.reward} if judged else {}
        if teacher != "none":
            asked["distillation"] = self.distillation
        for name, part in asked.items():
            wanted = part.positives_of + part.negatives_of
            all_of_them = name == "distillation" and judged
            have = self.candidates.top if all_of_them else self.preference.candidates
            if wanted > have:
                raise ValueError(
                    f"{name}: {part.positives_of} positives and {part.negatives_of} negatives "
                    f"are more than the {have} candidates"
                )
        return self

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises `UsageError` naming the file and the entry."""
        try:
            raw = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise UsageError(
                f"{path} cannot be read: {error.strerror}.", "Check the path."
            ) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{path}: {error}.", "It must be TOML in UTF-8.") from None
        try:
            return cls.model_validate(raw)._placed(path.parent)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            raise UsageError(
                f"{path}: {where}: {first['msg']}.", "See docs/training.md for the entries."
            ) from None

    def _placed(self, folder: Path) -> Self:
        """Every path from the file's folder; a model's, where that is a path of this machine."""

        def model(name: str) -> str:
            return str(folder / name) if name and (folder / name).exists() else name

        def corpus(c: CorpusConfig) -> CorpusConfig:
            schema = c.schema_file and folder / c.schema_file
            files = tuple(folder / file for file in c.files)
            return c.model_copy(update={"files": files, "schema_file": schema})

        part = self.export
        export = part.model_copy(
            update={
                "output": folder / part.output,
                "demonstrations": tuple(map(corpus, part.demonstrations)),
            }
        )
        return self.model_copy(
            update={
                "run": folder / self.run,
                "encoder": model(self.encoder),
                "corpora": tuple(map(corpus, self.corpora)),
                "preference": self.preference.model_copy(
                    update={
                        "model": model(self.preference.model),
                        "tokenizer": model(self.preference.tokenizer),
                    }
                ),
                "reward": self.reward.model_copy(update={"model": model(self.reward.model)}),
                "export": export,
            }
        )
