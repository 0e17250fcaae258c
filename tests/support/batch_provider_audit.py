"""The books of the scripted batch provider against the database of ruie.

    audit = BatchAudit(engine, provider.books(), since=started, calls=provider.log())
    audit.check(cap_nusd=10**9)
    audit.figures()

It knows nothing of items and records; those are `support.audit`'s, which takes `provider.log()`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import Engine, text
from support.batch_provider_books import Answer, Batch, Books, File
from support.metered import Entry

NAMED = "SELECT provider_id FROM provider_batches WHERE provider_id IS NOT NULL"
"""Every batch at the provider that ruie knows of, duplicates that it cancelled too."""
BOOKED = """SELECT COALESCE(SUM(cost_usd), 0) FROM
(SELECT job_id, cost_usd FROM extractions UNION ALL SELECT job_id, cost_usd FROM attempts) c
WHERE job_id = :job OR :job = ''"""
"""What ruie thinks it has spent, in US dollars."""


@dataclass
class BatchAudit:
    """What the provider did since a time (of `time.time()`), for one job ("": for all).

    calls: single calls that count too, as in `provider.log()`. Give them, and `people`, the first
    word of each document, if the provider served others meanwhile.
    """

    engine: Engine
    books: Books
    job_id: str = ""
    since: float = 0.0
    calls: Sequence[Entry] = ()
    people: frozenset[str] = frozenset()

    @cached_property
    def batches(self) -> list[Batch]:
        return self.books.batches(self.since)

    @cached_property
    def entries(self) -> list[Entry]:
        """What was billed: answers of these batches and the single calls."""
        mine = {batch.id for batch in self.batches}
        found: list[Entry] = [a for a in self.books.answers() if a.batch in mine]
        found += [call for call in self.calls if not isinstance(call, Answer) and call.nusd]
        return [entry for entry in found if not self.people or entry.person in self.people]

    def _excused(self, entry: Entry) -> bool:
        """The provider billed it for nothing: the batch was doubled by it, or no client could ever
        read the answer."""
        return isinstance(entry, Answer) and (self._unseen(entry) or entry.batch in self._twins)

    def _unseen(self, entry: Entry) -> bool:
        return isinstance(entry, Answer) and (entry.shown == 0 or entry.batch in self._vanished)

    @cached_property
    def _twins(self) -> set[str]:
        return {batch.id for batch in self.batches if batch.twin_of}

    @cached_property
    def _vanished(self) -> set[str]:
        return {batch.id for batch in self.batches if batch.vanishes_at and not batch.read}

    def doubled_by_ruie(self) -> int:
        """Prompts that were answered well again, though a first answer could be read."""
        good = [entry for entry in self.entries if entry.good]
        return _repeated(entry.prompt for entry in good if not self._excused(entry))

    def doubled_by_provider(self) -> int:
        """Those that were billed again by the provider's own fault."""
        return _repeated(e.prompt for e in self.entries if e.good) - self.doubled_by_ruie()

    def orphans(self) -> list[Batch]:
        """Batches that a client could find, but that no row names."""
        with self.engine.connect() as conn:
            named = set(conn.execute(text(NAMED)).scalars())
        return [b for b in self.batches if b.id not in named and b.id not in self._vanished]

    def still_open(self) -> list[Batch]:
        return [batch for batch in self.batches if not batch.ended]

    def files(self) -> list[File]:
        """What is left of uploads and results."""
        return self.books.files(self.since)

    def bill(self) -> int:
        """In billionths of a dollar, as `unseen_bill` and `booked`."""
        return sum(entry.nusd for entry in self.entries)

    def unseen_bill(self) -> int:
        """The part whose usage ruie cannot know."""
        return sum(entry.nusd for entry in self.entries if self._unseen(entry))

    def unread_calls(self) -> int:
        """Single calls that were answered and billed, but whose usage could not be read: they are
        booked as the most that they can cost."""
        return sum(
            not isinstance(e, Answer) and e.fault not in ("", "length") for e in self.entries
        )

    def booked(self) -> int:
        with self.engine.connect() as conn:
            usd = conn.execute(text(BOOKED), {"job": self.job_id}).scalar_one()
        return round(float(usd) * 1e9)

    def check(self, cap_nusd: int | None = None, may_double: int = 0) -> None:
        """Raises AssertionError with everything that is wrong. may_double: prompts that ruie may
        have paid for twice."""
        orphans, still_open, files = self.orphans(), self.still_open(), self.files()
        bill, unseen, booked = self.bill(), self.unseen_bill(), self.booked()
        doubled = self.doubled_by_ruie()
        wrong = {
            f"{doubled} prompts were paid for twice, more than {may_double}": doubled > may_double,
            f"{len(orphans)} batches are orphans: {_ids(orphans)}": orphans,
            f"{len(still_open)} batches are still open: {_ids(still_open)}": still_open,
            f"{len(files)} files are left: {[file.filename for file in files[:5]]}": files,
            f"the bill is {bill} nusd, the cap {cap_nusd}": cap_nusd is not None
            and bill > cap_nusd,
            f"{booked} nusd are booked, the bill is {bill}, of which {unseen} for what no client"
            " could read": booked < bill - unseen
            or (booked > bill and not unseen and not self.unread_calls()),
        }
        faults = [f"- {words}" for words, holds in wrong.items() if holds]
        if faults:
            raise AssertionError("\n".join(["at the provider of batches:", *faults]))

    def figures(self) -> str:
        """One line for `scene.figures`."""
        states = Counter(batch.state for batch in self.batches)
        return (
            f"{len(self.batches)} batches ({', '.join(f'{n} {s}' for s, n in states.items())}),"
            f" {len(self.entries)} billed, {self.doubled_by_ruie()} paid twice by ruie,"
            f" {self.doubled_by_provider()} by the provider, {len(self.orphans())} orphans,"
            f" {len(self.files())} files left, {self.bill() / 1e9:.6f} USD billed,"
            f" {self.booked() / 1e9:.6f} booked"
        )


def _repeated(prompts: Iterable[str]) -> int:
    return sum(count - 1 for count in Counter(prompts).values())


def _ids(batches: Sequence[Batch]) -> list[str]:
    return [batch.id for batch in batches[:5]]
