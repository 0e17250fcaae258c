"""Both trainings run in the Trainer of transformers: several GPUs, mixed precision, gradient
checkpointing and checkpoints to go on from are its own."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from ruie.errors import UnavailableError
from ruie.exporter.training import distributed
from ruie.exporter.training.config import TrainerConfig
from ruie.exporter.training.groups import Ranking, draw
from ruie.exporter.training.pools import Pools

WORKERS = 4
"""Processes that prepare steps for a GPU."""

History = list[dict[str, float]]
"""What was measured, each with its `step`."""


class Groups(Dataset[Any]):
    """Item i: the rows and scores of a group of query i; the groups differ from epoch to epoch,
    and are the same again when a run goes on."""

    def __init__(
        self, pools: Pools, ranked: Sequence[Ranking], config: TrainerConfig, seed: int
    ) -> None:
        self._pools, self._ranked, self._config, self._seed = pools, ranked, config, seed
        devices = max(distributed.world(), torch.cuda.device_count())
        self._length = config.batch * config.accumulate * config.steps * devices
        self._order: tuple[int, list[int]] = (-1, [])

    def __len__(self) -> int:
        """All steps in one epoch: the Trainer then skips to where a killed run stopped."""
        return self._length

    def __getitem__(self, index: int) -> tuple[int, list[int], list[float]]:
        epoch, place = divmod(index, len(self._ranked))
        if self._order[0] != epoch:
            order = list(range(len(self._ranked)))
            random.Random(f"{self._seed} order {epoch}").shuffle(order)
            self._order = (epoch, order)
        ranking = self._ranked[self._order[1][place]]
        rng = random.Random(f"{self._seed} {index}")
        return ranking.query, *draw(self._pools, ranking, self._config, rng)


def train(
    model: torch.nn.Module,
    groups: Groups,
    collate: Callable[[Any], dict[str, Any]],
    config: TrainerConfig,
    folder: Path,
    seed: int,
    measure: Callable[[], dict[str, float]],
    progress: Callable[[float], None],
) -> History:
    """Train `model`, whose forward gives {"loss"}; goes on from the last checkpoint in `folder`.

    `measure` is called at the start, at each checkpoint and at the end.
    """
    every = min(config.save_steps, config.steps)
    arguments = TrainingArguments(
        output_dir=str(folder / "checkpoints"),
        max_steps=config.steps,
        per_device_train_batch_size=config.batch,
        gradient_accumulation_steps=config.accumulate,
        learning_rate=config.learning_rate,
        warmup_steps=min(config.warmup, config.steps // 2),
        activation_checkpointing=config.gradient_checkpointing,
        bf16=distributed.computes_in_bfloat16(),
        logging_steps=max(1, every // 10),
        save_steps=every,
        save_total_limit=1,
        use_cpu=not torch.cuda.is_available(),  # else several processes do not find each other
        seed=seed,
        ddp_find_unused_parameters=True,  # an encoder's pooler, where the mean is taken
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
        # a GPU takes a step in less time than its texts take to become tokens
        dataloader_num_workers=WORKERS if torch.cuda.is_available() else 0,
        remove_unused_columns=False,
        label_names=[],
    )
    trainer = _InOrder(
        model=model,
        args=arguments,
        train_dataset=groups,
        data_collator=collate,
        callbacks=[_Watcher(model, every, measure, progress)],
    )
    trainer.remove_callback(PrinterCallback)
    checkpoints = folder / "checkpoints"
    find: Any = get_last_checkpoint
    last = find(str(checkpoints)) if checkpoints.is_dir() else None
    # nobody saves before all have looked what was saved
    trainer.accelerator.wait_for_everyone()
    together = trainer.args.world_size
    if together != distributed.world():
        raise UnavailableError(
            f"{distributed.world()} processes were started, and {together} train together.",
            "Start them with `accelerate launch` or `torchrun`.",
        )
    trainer.train(resume_from_checkpoint=last)
    if not distributed.rank():
        shutil.rmtree(checkpoints, ignore_errors=True)
    logged = trainer.state.log_history
    return [
        {key: value for key, value in entry.items() if key not in _NOISE}
        for entry in logged
        if "train_runtime" not in entry
    ]


_NOISE = {"epoch", "grad_norm", "learning_rate"}


class _InOrder(Trainer):  # type: ignore[misc,unused-ignore]
    """The groups are shuffled by their seed: in their own order they can be gone on with."""

    def _get_train_sampler(self, *_: Any, **__: Any) -> Any:
        return torch.utils.data.SequentialSampler(self.train_dataset)  # type: ignore[arg-type]


class _Watcher(TrainerCallback):  # type: ignore[misc,unused-ignore]
    """Measures now and then. What it finds stands in the Trainer's own history, and so in every
    checkpoint."""

    def __init__(
        self,
        model: torch.nn.Module,
        every: int,
        measure: Callable[[], dict[str, float]],
        progress: Callable[[float], None],
    ) -> None:
        self._model, self._every = model, every
        self._measure, self._progress = measure, progress

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 0:
            self._record(state)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._progress(state.global_step / state.max_steps)
        if state.global_step % self._every == 0 or state.global_step == state.max_steps:
            self._record(state)

    def _record(self, state: Any) -> None:
        if distributed.rank():
            return
        training = self._model.training
        self._model.eval()
        with torch.inference_mode():
            found = self._measure()
        self._model.train(training)
        if found:
            state.log_history.append({"step": state.global_step, **found})
