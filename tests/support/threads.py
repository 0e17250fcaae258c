"""Calls that are made at the same time."""

from __future__ import annotations

import threading
from typing import Any

from support.waiting import PATIENCE_S


def together(*calls: Any) -> None:
    """Run the calls at once, each in a thread; the first error of any is raised."""
    barrier = threading.Barrier(len(calls))
    errors: list[BaseException] = []

    def run(call: Any) -> None:
        barrier.wait()
        try:
            call()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    if errors:
        raise errors[0]
