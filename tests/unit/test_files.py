"""Files and folders are written whole or not at all, through errors, kills and power cuts."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ruie.files import MANY_FILES, replacing, write_atomically


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write(path: Path, kind: str, content: str) -> None:
    if kind == "folder":
        path.mkdir()
        path /= "inside"
    path.write_text(content)


def read(path: Path) -> str:
    return (path / "inside" if path.is_dir() else path).read_text()


both = pytest.mark.parametrize("kind", ["file", "folder"])


@both
def test_the_new_takes_the_place_of_the_old_and_leaves_nothing_beside(
    tmp_path: Path, kind: str
) -> None:
    for content in ("first", "second"):
        with replacing(tmp_path / "a.txt") as partial:
            assert partial.suffix == ".txt"
            write(partial, kind, content)
            assert (tmp_path / "a.txt").exists() == (content == "second")
        assert read(tmp_path / "a.txt") == content
        assert names(tmp_path) == ["a.txt"]


@both
@pytest.mark.parametrize("old", [True, False])
def test_an_error_leaves_the_place_as_it_was(tmp_path: Path, kind: str, old: bool) -> None:
    path = tmp_path / "a"
    if old:
        write(path, kind, "old")

    def fail() -> None:
        with replacing(path) as partial:
            write(partial, kind, "half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert names(tmp_path) == (["a"] if old else [])
    assert not old or read(path) == "old"


def test_a_file_and_a_folder_do_not_replace_each_other(tmp_path: Path) -> None:
    for old, new in (("file", "folder"), ("folder", "file")):
        path = tmp_path / old
        write(path, old, "old")
        with pytest.raises(OSError, match="directory"), replacing(path) as partial:
            write(partial, new, "new")
        assert read(path) == "old"
    assert names(tmp_path) == ["file", "folder"]


def test_without_overwrite_a_folder_that_came_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with pytest.raises(FileExistsError), replacing(path, overwrite=False) as partial:  # noqa: PT012 - the block is what is tested
        write(partial, "folder", "slow")
        write(path, "folder", "fast")
    assert read(path) == "fast"
    assert names(tmp_path) == ["a"]


def run(script: str, path: Path) -> int:
    imports = "import os, sys; from pathlib import Path; from ruie.files import replacing\n"
    command = [sys.executable, "-c", imports + script, str(path)]
    return subprocess.run(command, check=False).returncode


KILLED_WHILE_WRITING = """
with replacing(Path(sys.argv[1])) as partial:
    partial.mkdir(); (partial / "inside").write_text("half"); os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("old", [True, False])
def test_a_killed_process_leaves_the_place_and_the_next_one_sweeps(
    tmp_path: Path, old: bool
) -> None:
    path = tmp_path / "a"
    if old:
        write(path, "folder", "old")
    assert run(KILLED_WHILE_WRITING, path) == -9
    assert len(names(tmp_path)) == 1 + old
    assert path.exists() == old
    assert not old or read(path) == "old"
    with replacing(path) as partial:
        write(partial, "folder", "new")
    assert read(path) == "new"
    assert names(tmp_path) == ["a"]


KILLED_BETWEEN_THE_RENAMES = """
import ruie.files
ruie.files._exchange = lambda *_: False  # as on a disk that cannot
def kill(*_): os.kill(os.getpid(), 9)
with replacing(Path(sys.argv[1])) as partial:
    partial.mkdir(); (partial / "inside").write_text("new")
    type(partial).rename, rename = lambda a, b: (rename(a, b), kill()), type(partial).rename
"""


def test_after_a_kill_between_the_two_renames_the_old_folder_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write(path, "folder", "old")
    assert run(KILLED_BETWEEN_THE_RENAMES, path) == -9
    assert not path.exists()
    with pytest.raises(RuntimeError), replacing(path):
        raise RuntimeError
    assert read(path) == "old"
    assert names(tmp_path) == ["a"]


REPLACED_OFTEN = """
for _ in range(300):
    with replacing(Path(sys.argv[1])) as partial:
        partial.mkdir(); (partial / "inside").write_text("new")
"""


def test_a_folder_is_there_at_every_moment_while_it_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write(path, "folder", "old")
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(run, REPLACED_OFTEN, path)
        looked = 0
        while not writing.done():
            assert path.is_dir()
            looked += 1
    assert writing.result() == 0
    assert looked > 300
    assert names(tmp_path) == ["a"]


def test_what_a_living_process_writes_is_not_swept(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with replacing(path) as slow:
        slow.write_text("slow")
        assert run('with replacing(Path(sys.argv[1])) as p: p.write_text("fast")', path) == 0
        assert path.read_text() == "fast"
        assert slow.read_text() == "slow"
    assert path.read_text() == "slow"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("files", [1, MANY_FILES + 1])
def test_all_is_on_the_disk_before_it_moves_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    path, flushed = tmp_path / "a", list[str]()
    fsync, sync = os.fsync, os.sync

    def record_fsync(descriptor: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        flushed.append(f"{name}, {'moved in' if path.exists() else 'beside'}")
        fsync(descriptor)

    def record_sync() -> None:
        flushed.append(f"all, {'moved in' if path.exists() else 'beside'}")
        sync()

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "sync", record_sync)
    with replacing(path) as partial:
        partial.mkdir()
        for number in range(files):
            (partial / f"file{number}").write_text("x")
    contents = ["file0, beside", "a, beside"] if files == 1 else ["all, beside"]
    assert flushed == [*contents, f"{tmp_path.name}, moved in"]


def test_write_atomically(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", b"1")
    write_atomically(tmp_path / "a", b"2")
    assert (tmp_path / "a").read_bytes() == b"2"
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "absent" / "a", b"1")


def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    """So are devices, which root could replace by a file: `-o /dev/stdout`."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_atomically(pipe, b"new")
        assert os.read(reading, 10) == b"new"
    finally:
        os.close(reading)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]
