"""A network namespace with one link to this machine, as a host of its own has it (Linux, root).

with Namespace() as there:
    subprocess.run([*there.run, "curl", f"http://{there.gateway}:8000"])
    there.down()   # packets are lost in both directions, and nobody is told
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from typing import Self

import pytest

_numbers = itertools.count(os.getpid() % 200 * 64)


class Namespace:
    """A context manager; skips the test where this system does not allow it."""

    def __init__(self) -> None:
        number = next(_numbers)
        self.name = f"ruie-{number}"
        self._link = f"ruie{number}"
        network = f"10.231.{number // 64}.{number % 64 * 4}"
        first, _, last = network.rpartition(".")
        self.gateway = f"{first}.{int(last) + 1}"
        """This machine's address, as it is seen from there."""
        self._own = f"{first}.{int(last) + 2}"

    @property
    def run(self) -> tuple[str, ...]:
        """What stands before a command that is to run there."""
        return ("ip", "netns", "exec", self.name)

    def down(self) -> None:
        self._ip("link", "set", self._link, "down")

    def up(self) -> None:
        self._ip("link", "set", self._link, "up")

    def __enter__(self) -> Self:
        if shutil.which("ip") is None:
            pytest.skip("there is no `ip`: install iproute2")
        try:
            self._ip("netns", "add", self.name)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespace can be made here: {error.stderr.strip()}")
        there = ("-n", self.name)
        self._ip("link", "add", self._link, "type", "veth", "peer", "eth0", "netns", self.name)
        self._ip("addr", "add", f"{self.gateway}/30", "dev", self._link)
        self._ip(*there, "addr", "add", f"{self._own}/30", "dev", "eth0")
        self._ip(*there, "link", "set", "eth0", "up")
        self._ip(*there, "link", "set", "lo", "up")
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self._ip("netns", "del", self.name)  # its link ends with it

    def _ip(self, *arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
