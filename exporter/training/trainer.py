"""Training in the Trainer of transformers, which brings several GPUs, mixed precision, gradient
checkpointing and resuming from checkpoints."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from ruie.errors import UnavailableError
from ruie.exporter.training import distributed
from ruie.exporter.training.config import TrainerConfig
from ruie.exporter.training.groups import ScoredCandidates, draw_group
from ruie.exporter.training.pools import Pools
from ruie.exporter.training.stages import Progress

DATALOADER_WORKERS = 4
"""Processes that prepare steps for a GPU, which takes a step in less time than its texts take to be
tokenised."""

Group = tuple[int, list[int], list[float]]
"""A query, the rows of its group and their scores, the positive first."""
History = list[dict[str, float]]
"""Losses and measurements, each with its `step`."""
_UNUSED = {"epoch", "grad_norm", "learning_rate"}  # entries of the Trainer's log


class GroupDataset(Dataset[Group]):
    """Groups of all queries in random order, new ones in each epoch.

    They depend on index and seed alone, so that a resumed run continues as if not interrupted.
    """

    def __init__(
        self, pools: Pools, ranked: Sequence[ScoredCandidates], config: TrainerConfig, seed: int
    ) -> None:
        self._pools, self._ranked, self._config, self._seed = pools, ranked, config, seed
        devices = max(distributed.world_size(), torch.cuda.device_count())
        self._length = config.batch * config.accumulate * config.steps * devices
        self._order: tuple[int, list[int]] = (-1, [])

    def __len__(self) -> int:
        """Of all steps: the Trainer sees one epoch, of which a resumed run skips the beginning."""
        return self._length

    def __getitem__(self, index: int) -> Group:
        epoch, position = divmod(index, len(self._ranked))
        if self._order[0] != epoch:
            order = list(range(len(self._ranked)))
            random.Random(f"{self._seed} order {epoch}").shuffle(order)
            self._order = (epoch, order)
        ranked = self._ranked[self._order[1][position]]
        rng = random.Random(f"{self._seed} {index}")
        return ranked.query, *draw_group(self._pools, ranked, self._config, rng)


def train(
    model: torch.nn.Module,
    groups: GroupDataset,
    collate: Callable[[list[Group]], dict[str, Any]],
    config: TrainerConfig,
    folder: Path,
    seed: int,
    measure: Callable[[], dict[str, float]],
    progress: Progress,
) -> History:
    """Train `model`, whose forward returns {"loss"}; resumes from the last checkpoint in `folder`.

    `measure` is called at the start, at each checkpoint and at the end. Raises `UnavailableError`
    if the processes of the run do not train together.
    """
    checkpoints = folder / "checkpoints"
    every = min(config.save_steps, config.steps)
    trainer = _UnshuffledTrainer(
        model=model,
        args=_arguments(config, checkpoints, every, seed),
        train_dataset=groups,
        data_collator=collate,
        callbacks=[_Measure(model, every, measure, progress)],
    )
    trainer.remove_callback(PrinterCallback)
    last = last_checkpoint(checkpoints)
    # no process may save before all have looked for the last checkpoint
    trainer.accelerator.wait_for_everyone()
    together = trainer.args.world_size
    if together != distributed.world_size():
        raise UnavailableError(
            f"{distributed.world_size()} processes were started, and {together} train together.",
            "Start them with `accelerate launch` or `torchrun`.",
        )
    trainer.train(resume_from_checkpoint=str(last) if last else None)
    if not distributed.rank():
        shutil.rmtree(checkpoints, ignore_errors=True)
    return [
        {key: value for key, value in entry.items() if key not in _UNUSED}
        for entry in trainer.state.log_history
        if "train_runtime" not in entry
    ]


def last_checkpoint(checkpoints: Path) -> Path | None:
    """The last complete checkpoint in a folder; a killed process may leave half of one."""

    def step(checkpoint: Path) -> int:
        return int(checkpoint.name.rpartition("-")[2])

    for checkpoint in sorted(checkpoints.glob("checkpoint-*"), key=step, reverse=True):
        try:
            json.loads((checkpoint / "trainer_state.json").read_bytes())
        except (OSError, ValueError):  # the Trainer writes this file last
            continue
        return checkpoint
    return None


def _arguments(config: TrainerConfig, checkpoints: Path, every: int, seed: int) -> Any:
    """every: steps between two checkpoints."""
    cuda = torch.cuda.is_available()
    return TrainingArguments(
        output_dir=str(checkpoints),
        max_steps=config.steps,
        per_device_train_batch_size=config.batch,
        gradient_accumulation_steps=config.accumulate,
        learning_rate=config.learning_rate,
        warmup_steps=min(config.warmup, config.steps // 2),
        activation_checkpointing=config.gradient_checkpointing,
        bf16=distributed.supports_bfloat16(),
        logging_steps=max(1, every // 10),
        save_steps=every,
        save_total_limit=1,
        use_cpu=not cuda,  # else several processes do not find each other
        seed=seed,
        ddp_find_unused_parameters=True,  # an encoder's pooler, if vectors are means of tokens
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=cuda,
        dataloader_num_workers=DATALOADER_WORKERS if cuda else 0,
        remove_unused_columns=False,
        label_names=[],
    )


class _UnshuffledTrainer(Trainer):  # type: ignore[misc,unused-ignore]  # Any without torch
    """Keeps the order of a `GroupDataset`, which is shuffled already."""

    def _get_train_sampler(self, *_: Any, **__: Any) -> Any:
        # The Trainer's type allows data sets without a length, and ours has one.
        return torch.utils.data.SequentialSampler(self.train_dataset)  # type: ignore[arg-type]  # its stub wants Sized


class _Measure(TrainerCallback):  # type: ignore[misc,unused-ignore]  # Any without torch
    """Reports progress and measures; the Trainer's log, and so checkpoints, have the results."""

    def __init__(
        self,
        model: torch.nn.Module,
        every: int,
        measure: Callable[[], dict[str, float]],
        progress: Progress,
    ) -> None:
        self._model, self._every = model, every
        self._measure, self._progress = measure, progress

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 0:
            self._record(state)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        logged = (entry["loss"] for entry in reversed(state.log_history) if "loss" in entry)
        loss = next(logged, None)
        note = "" if loss is None else f"loss {loss:.4g}"
        self._progress(state.global_step, state.max_steps, "steps", note)
        if state.global_step % self._every == 0 or state.global_step == state.max_steps:
            self._record(state)

    def _record(self, state: Any) -> None:
        if distributed.rank():
            return
        training = self._model.training
        self._model.eval()
        with torch.inference_mode():
            measurements = self._measure()
        self._model.train(training)
        if measurements:
            state.log_history.append({"step": state.global_step, **measurements})
