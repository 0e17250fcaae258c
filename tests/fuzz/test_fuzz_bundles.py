"""A damaged bundle is refused, also one whose digests were made to fit what it holds."""

from __future__ import annotations

import json
import multiprocessing
import random
import shutil
from pathlib import Path

import pytest
from support.damage import damaged
from support.fuzzing import fuzz, mutated
from support.waiting import PATIENCE_S

from ruie.bundle import Bundle
from ruie.bundle.manifest import FILES, MANIFEST, Manifest, digest, file_card
from ruie.errors import BundleError
from ruie.packaged import packaged_bundle
from ruie.records import Query, Task

QUERY = Query(Task.NER, "Shell owns Pernis.", "s", {"ORG": "", "PLACE": ""})
WHOLE = packaged_bundle()
REFUSED = 77
FORK = multiprocessing.get_context("fork")  # nothing of FAISS or ONNX exists in this process


def damage(folder: Path, seed: int) -> None:
    """Damage one file of the bundle; of two bundles one then has digests that fit."""
    rng = random.Random(seed)
    name = rng.choice([*FILES, MANIFEST])
    raw = (WHOLE / name).read_bytes()
    if name == MANIFEST:
        changed = mutated(json.loads(raw), rng)
        if isinstance(changed, dict) and rng.random() < 0.8:
            changed["checksum"] = ""
            changed["checksum"] = digest((json.dumps(changed, indent=1) + "\n").encode())
        raw = (json.dumps(changed, indent=1) + "\n").encode()
        (folder / name).write_bytes(raw if rng.random() < 0.8 else damaged(raw, rng))
        return
    (folder / name).write_bytes(damaged(raw, rng))
    if rng.random() < 0.5:
        sealed(folder, name)


def sealed(folder: Path, name: str) -> None:
    file = folder / MANIFEST
    manifest = Manifest.from_bytes(file.read_bytes(), file)
    files = {**manifest.files, name: file_card(folder / name)}
    file.write_bytes(manifest.sealed(files).to_bytes())


def use(folder: Path) -> None:
    try:
        bundle = Bundle.open(folder, threads=1)
        bundle.check()
        for found in bundle.retrieve([QUERY], 8)[0]:
            assert found.text
    except BundleError as error:
        raise SystemExit(REFUSED if error.hint else 1) from None


@pytest.mark.timeout(0)
def test_a_damaged_bundle_is_refused(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    folder = tmp_path / "bundle"

    def check(seed: int) -> bool:
        shutil.copytree(WHOLE, folder)
        damage(folder, seed)
        child = FORK.Process(target=use, args=(folder,))
        child.start()
        child.join(PATIENCE_S)
        code = child.exitcode
        child.kill()
        shutil.rmtree(folder)
        assert code in (0, REFUSED), f"exit code {code}"
        return code == REFUSED

    assert sum(fuzz(request, 20, check)) > 10
