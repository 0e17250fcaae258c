"""What must hold after a soak: every document once, nothing paid twice beyond what was in flight,
the books equal the bill, the metrics the rows."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text
from support.audit import Audit, paid_twice
from support.batch_provider import BatchProvider
from support.batch_provider_audit import BatchAudit
from support.metered import Entry
from support.metering import Quota
from support.scraped import expected
from support.soak import Soak, leading, until_counted
from support.soak_plan import AT_RISK

ALL = ("NER", "RE", "ED", "EAE")
_RECORDED = "SELECT COALESCE(SUM(ROUND(cost_usd::numeric * 1000000000)), 0) FROM extractions"
_BOOKED = f"""SELECT ({_RECORDED}) +
(SELECT COALESCE(SUM(ROUND(cost_usd::numeric * 1000000000)), 0) FROM attempts)"""
_COMMITTED = """SELECT COALESCE(SUM(committed_nusd), 0) -
(SELECT COALESCE(SUM(nusd), 0) FROM spend_refunds WHERE account LIKE 'job%')
FROM spend_accounts WHERE account LIKE 'job%'"""
_SIZES = """SELECT relname, pg_table_size(oid), pg_indexes_size(oid) FROM pg_class
WHERE relkind = 'r' AND relnamespace = CAST('public' AS regnamespace)"""


@dataclass
class Report:
    """figures: what was measured; wrong: what does not hold."""

    figures: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def line(self) -> str:
        """For `scene.figures`."""
        of = self.figures
        return (
            f"{of['seconds']} s, {of['documents']} documents in {of['jobs']} jobs, {of['calls']}"
            f" calls, {of['restarts']} restarts, {of['paid twice']} paid twice (at most"
            f" {of['at most']}), load {os.getloadavg()[0]:.1f}"
        )

    def check(self) -> None:
        """Raises AssertionError with everything that is wrong."""
        if self.wrong:
            raise AssertionError("\n".join(["after the soak:", *self.wrong]))


def audit(soak: Soak) -> Report:
    """Raises nothing: see `Report.wrong`."""
    report = Report({"seconds": round(soak.sampler.now), "restarts": len(soak.read("events"))})
    log = soak.scene.endpoint.log()
    _jobs(soak, log, report)
    _paid(soak, log, report)
    _books(soak, log, report)
    _metrics(soak, report)
    report.figures["sizes"] = sizes(soak)
    return report


def _rows(soak: Soak, sql: str, **values: object) -> list[tuple[Any, ...]]:
    with soak.scene.engine.connect() as conn:
        return [tuple(row) for row in conn.execute(text(sql), values)]


def _jobs(soak: Soak, log: Sequence[Entry], report: Report) -> None:
    """Each document in one job, each of its items in a final state, each record once."""
    given = {row["id"]: row for rows in soak.scheduled.values() for row in rows}
    whole = {row["id"] for row in soak.scheduled["whole"]}
    of_person: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in log:
        of_person[entry.person].append(entry)
    jobs = [row[0] for row in _rows(soak, "SELECT id FROM jobs")]
    seen: Counter[str] = Counter()
    for job in jobs:
        corpus = soak.corpora.get(job)
        if corpus is None:
            ids = _rows(soak, "SELECT external_id FROM origins WHERE job_id = :job", job=job)
            seen.update(row[0] for row in ids)
            corpus = [given[row[0]] for row in ids]
        mine = [entry for row in corpus for entry in of_person[row["text"].split()[0]]]
        tasks = ALL if any(row["id"] in whole for row in corpus) else ("NER",)
        one = Audit(soak.scene.engine, job, corpus, mine, Quota(), len(mine), tasks=tasks)
        try:
            one.check()
        except AssertionError as error:
            report.wrong.append(str(error))
    lost = set(given) - set(seen)
    twice = [name for name, count in seen.items() if count > 1]
    if lost or twice:
        report.wrong.append(
            f"the schedules lost {len(lost)} documents, and read {len(twice)} twice"
        )
    quarantined = _rows(soak, "SELECT error_class, COUNT(*) FROM quarantine GROUP BY error_class")
    runs = _rows(soak, "SELECT state, COUNT(*) FROM schedule_runs GROUP BY state")
    report.figures |= {
        "jobs": len(jobs),
        "documents": len(given) + sum(map(len, soak.corpora.values())),
        "items given up": dict(quarantined),
        "runs of schedules": dict(runs),
    }


def _paid(soak: Soak, log: Sequence[Entry], report: Report) -> None:
    again, most = paid_twice(log), AT_RISK * soak.parts.stops
    if isinstance(soak.scene.endpoint, BatchProvider):
        batches = BatchAudit(soak.scene.engine, soak.scene.endpoint.books(), calls=log)
        again -= batches.doubled_by_provider()
        report.figures["batches"] = batches.figures()
        try:
            batches.check(may_double=most)
        except AssertionError as error:
            report.wrong.append(str(error))
    if again > most:
        report.wrong.append(f"{again} calls were paid for twice, more than {most}")
    whole = Audit(soak.scene.engine, "", [], log, soak.sizes.quota)
    whole._windows()
    report.wrong += whole.faults
    report.figures |= {
        "calls": len(log),
        "faults": dict(Counter(entry.fault for entry in log if entry.fault)),
        "paid twice": again,
        "at most": most,
        "of a window": round(whole.fullest_share(), 3),
        "ends of workers": soak.parts.stops,
        "paid twice, by the restart before": _blamed(soak, log),
    }


def _blamed(soak: Soak, log: Sequence[Entry]) -> dict[str, int]:
    """How many of the calls that were paid for twice had their first answer within 10 seconds
    before a restart of each part, or were in flight then."""
    events = soak.read("events")
    first: dict[str, Entry] = {}
    blamed: Counter[str] = Counter()
    for entry in sorted((e for e in log if e.good), key=lambda e: e.at):
        earlier = first.setdefault(entry.prompt, entry)
        if earlier is entry:
            continue
        near = [
            str(event["how"]) for event in events
            if earlier.at <= event["at"] + event["took_s"] and event["at"] <= earlier.ended + 10
        ]  # fmt: skip  # a condition
        blamed[near[-1] if near else "none"] += 1
    return dict(blamed)


def _books(soak: Soak, log: Sequence[Entry], report: Report) -> None:
    """In billionths of a dollar. What was recorded costs what the endpoint charged for it. A call
    whose cost nobody told is booked as the most it can be."""
    bill = sum(entry.nusd for entry in log)
    answers = sum({entry.prompt: entry.nusd for entry in log if entry.good}.values())
    recorded = _nusd(soak, _RECORDED)
    booked, committed = _nusd(soak, _BOOKED), int(soak.scene.scalar(_COMMITTED))
    report.figures["nusd"] = {
        "bill": bill, "answers, each once": answers, "recorded": recorded, "booked": booked,
        "accounts": committed,
    }  # fmt: skip  # a row of figures
    if recorded != answers:
        report.wrong.append(f"{recorded} nusd are recorded, the bill of them is {answers}")
    if committed < bill or booked < bill:
        report.wrong.append(f"booked {booked}, accounts {committed} nusd, the bill is {bill}")


def _nusd(soak: Soak, sql: str) -> int:
    return int(soak.scene.scalar(sql))


def _metrics(soak: Soak, report: Report) -> None:
    wanted = expected(soak.scene.engine)
    try:
        until_counted(soak, lambda: wanted)
    except AssertionError:
        now = leading(soak.parts.metrics_ports)
        told = now.totals if now else {}
        differ = [f"{k}: {told.get(k)} != {v}" for k, v in wanted.items() if told.get(k) != v]
        report.wrong.append(f"{len(differ)} metrics differ from the rows: {differ[:5]}")
    report.wrong += [f"a counter fell: {words}" for words in soak.fell[:5]]
    report.figures["counters equal to the rows"] = len(wanted)


def sizes(soak: Soak) -> dict[str, Any]:
    """By table: rows, bytes, bytes of indexes; as they are, and without dead rows."""
    found: dict[str, Any] = {}
    for name, table, indexes in _rows(soak, _SIZES):
        count = soak.scene.scalar(f"SELECT COUNT(*) FROM {name}")
        found[name] = {"rows": count, "bytes": table, "indexes": indexes}
    pooled = soak.scene.engine.raw_connection()
    driver: Any = pooled.driver_connection
    driver.autocommit = True
    driver.execute("SET statement_timeout = 0")
    driver.execute("VACUUM FULL ANALYZE")
    pooled.invalidate()
    for name, table, indexes in _rows(soak, _SIZES):
        found[name] |= {"full": table, "full_indexes": indexes}
    return found
