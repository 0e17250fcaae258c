"""`ruie bundle`: build, extend, train, inspect and verify a bundle.

Loads nothing heavier than click until a command runs; only `build` and `train` need torch.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ruie.exporter.shown import megabytes, print_bundle

if TYPE_CHECKING:
    from ruie.exporter.build import StepProgress

LEARNED = "ruie.learned"
"""Entry point: what was learned for a schema, of the worker, which exporter may not import."""

_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False)
_ROWS = click.Path(path_type=Path)  # brat has a folder
_SCHEMA = click.option(
    "--schema", type=_FILE, help="Schema of all rows. Default: schema.yaml or .json beside each."
)
_OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace an existing bundle.")
_THREADS = click.option("--threads", type=click.IntRange(min=1), help="CPU threads. Default: all.")
_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")


@click.group()
def bundle() -> None:
    """Build, train, inspect and verify the bundle of encoder, index and demonstrations."""


@bundle.command()
@click.option(
    "--encoder", required=True, metavar="MODEL", help="Hugging Face id, or a local model folder."
)
@click.option(
    "--demonstrations",
    "-d",
    "first",
    required=True,
    multiple=True,
    type=_ROWS,
    metavar="FILE...",
    help="Annotated rows: JSONL or another format. More files may follow.",
)
@click.argument("more", nargs=-1, type=_ROWS, metavar="")
@_SCHEMA
@click.option("--output", "-o", required=True, type=_FOLDER, help="Directory to write.")
@click.option(
    "--quantise",
    type=click.Choice(["none", "int8"]),
    default="none",
    show_default=True,
    help="Encoder weights: int8 is a quarter of the size, and faster.",
)
@_OVERWRITE
@_THREADS
@_JSON
def build(
    encoder: str,
    first: tuple[Path, ...],
    more: tuple[Path, ...],
    schema: Path | None,
    output: Path,
    quantise: str,
    overwrite: bool,
    threads: int | None,
    as_json: bool,
) -> None:
    """Export an encoder to ONNX and index annotated rows with it.

    The exported encoder is compared with the original; if it differs too much, nothing is written.
    """
    from ruie.bundle.manifest import Quantisation
    from ruie.console import Console
    from ruie.exporter.build import build_bundle, read_demonstrations

    rows = read_demonstrations([*first, *more], schema)
    errors = Console(stderr=True)
    with errors.status("starting") as status:

        def show(step: str, share: float) -> None:
            status.update(f"{step} … {share:.0%}" if share else f"{step} …")

        progress: StepProgress = show
        manifest = build_bundle(
            encoder,
            rows,
            output,
            quantisation=Quantisation(quantise),
            overwrite=overwrite,
            threads=threads,
            progress=progress,
        )
    print_bundle(output, manifest, as_json=as_json, read=len(rows))


@bundle.command()
@click.argument("directory", type=_FOLDER)
@click.argument("files", nargs=-1, required=True, type=_ROWS)
@_SCHEMA
@click.option(
    "--output", "-o", type=_FOLDER, help="Directory to write. Default: the bundle itself."
)
@_OVERWRITE
@_THREADS
@_JSON
def add(
    directory: Path,
    files: tuple[Path, ...],
    schema: Path | None,
    output: Path | None,
    overwrite: bool,
    threads: int | None,
    as_json: bool,
) -> None:
    """Add annotated rows, such as reviews, to a bundle's demonstrations.

    Nothing is trained. Rows replace demonstrations of the same text, task and labels.
    """
    from ruie.console import Console
    from ruie.exporter.add import add_demonstrations
    from ruie.exporter.build import read_demonstrations

    rows = read_demonstrations(files, schema)
    target = output or directory
    with Console(stderr=True).status("starting") as status:
        result = add_demonstrations(
            directory,
            rows,
            target,
            overwrite=overwrite,
            threads=threads,
            progress=lambda step, share: status.update(f"{step} … {share:.0%}"),
        )
    if not as_json:
        click.echo(f"{result.added:,} added, {result.replaced:,} older ones replaced.")
    print_bundle(target, result.manifest, as_json=as_json)


@bundle.command()
@click.argument("directory", type=_FOLDER)
@click.argument("ids", nargs=-1, required=True, metavar="DEMONSTRATION...")
@click.option(
    "--output", "-o", type=_FOLDER, help="Directory to write. Default: the bundle itself."
)
@_OVERWRITE
@_JSON
def remove(
    directory: Path, ids: tuple[str, ...], output: Path | None, overwrite: bool, as_json: bool
) -> None:
    """Remove demonstrations, by their ids, from a bundle."""
    from ruie.exporter.add import remove_demonstrations

    target = output or directory
    manifest = remove_demonstrations(directory, ids, target, overwrite=overwrite)
    if not as_json:
        click.echo(f"{len(set(ids)):,} removed.")
    print_bundle(target, manifest, as_json=as_json)


@bundle.command()
@click.argument("schema")
@click.option("--output", "-o", required=True, type=_FOLDER, help="Directory to write.")
@click.option("--bundle", "base", type=_FOLDER, help="Bundle to begin with. Default: RUIE_BUNDLE.")
@_OVERWRITE
@_JSON
def pack(schema: str, output: Path, base: Path | None, overwrite: bool, as_json: bool) -> None:
    """Write a bundle that has what was learned for SCHEMA.

    For other databases, and as a state to keep. Where workers use it, what it has is no longer laid
    over it.
    """
    from importlib.metadata import entry_points

    from ruie.console import Console
    from ruie.errors import UnavailableError
    from ruie.exporter.add import add_demonstrations

    learned = next(iter(entry_points(group=LEARNED)), None)
    if learned is None:
        raise UnavailableError("ruie is not installed whole.", "Install it again with pip.")
    rows = learned.load()(schema)
    with Console(stderr=True).status("starting") as status:
        result = add_demonstrations(
            base or _configured(),
            rows,
            output,
            overwrite=overwrite,
            progress=lambda step, share: status.update(f"{step} … {share:.0%}"),
        )
    if not as_json:
        click.echo(f"{result.added:,} added, {result.replaced:,} older ones replaced.")
    print_bundle(output, result.manifest, as_json=as_json)


@bundle.command()
@click.option(
    "--config",
    required=True,
    type=_FILE,
    help="Training configuration in TOML; see docs/training.md.",
)
@_OVERWRITE
@_JSON
def train(config: Path, overwrite: bool, as_json: bool) -> None:
    """Train a retriever for an LLM, and build its bundle.

    Finished stages are kept in the run's folder and skipped as long as their inputs are unchanged;
    a run that was killed resumes where it stopped.
    """
    from ruie.exporter.base_encoder import check_libraries, silence_transformers

    check_libraries()
    silence_transformers()
    from ruie.console import Console
    from ruie.exporter.training import distributed
    from ruie.exporter.training.config import TrainConfig
    from ruie.exporter.training.pipeline import Training
    from ruie.exporter.training.report import StageProgress, summary

    settings = TrainConfig.load(config)
    with StageProgress(Console(stderr=True, quiet=distributed.rank() > 0)) as progress:
        figures = Training(settings, progress, overwrite=overwrite).run()
    if distributed.rank():
        return  # the process of rank 0 reports for all
    if as_json:
        click.echo(json.dumps(figures, indent=1))
        return
    Console().print(summary(figures))
    click.echo(f"Run, figures and plots: {settings.run}. Bundle: {settings.export.output}.")


@bundle.command()
@click.argument("directory", type=_FOLDER, required=False)
@_JSON
def inspect(directory: Path | None, as_json: bool) -> None:
    """Show what a bundle contains. Reads its manifest only."""
    from ruie.bundle.bundle import read_manifest

    directory = directory or _configured()
    print_bundle(directory, read_manifest(directory)[0], as_json=as_json)


@bundle.command()
@click.argument("directory", type=_FOLDER, required=False)
@_JSON
def verify(directory: Path | None, as_json: bool) -> None:
    """Compare every file of a bundle with its manifest, and open it."""
    from ruie.bundle import Bundle

    directory = directory or _configured()
    opened = Bundle.open(directory)
    opened.check()
    if as_json:
        click.echo(json.dumps({"path": str(directory), "digest": opened.digest, "ok": True}))
        return
    size = sum(card.size for card in opened.manifest.files.values())
    click.echo(f"{directory} is undamaged: {len(opened.manifest.files)} files, {megabytes(size)}.")
    click.echo(f"digest {opened.digest}")


def _configured() -> Path:
    from ruie.settings import load

    return load().bundle
