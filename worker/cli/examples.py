"""Examples that `--help` ends with, by command; each is a line to type after `ruie`."""

from __future__ import annotations

import click

JOB = "job_0123456789ab"

EXAMPLES: dict[str, tuple[str, ...]] = {
    "batch cancel": ("batch cancel 7",),
    "batch list": ("batch list", f"batch list {JOB}"),
    "batch read": ("batch read results.jsonl",),
    "batch show": ("batch show 7",),
    "batch write": (f"batch write {JOB} -o requests.jsonl",),
    "bundle add": ("bundle add bundle gold.jsonl -o better",),
    "bundle build": (
        "bundle build --encoder sentence-transformers/all-MiniLM-L6-v2 \\\n"
        "    --demonstrations train.jsonl --output bundle --quantise int8",
    ),
    "bundle inspect": ("bundle inspect", "bundle inspect bundle --json"),
    "bundle pack": ("bundle pack jobs -o bundle",),
    "bundle remove": ("bundle remove bundle news-12 news-15 -o smaller",),
    "bundle train": ("bundle train --config train.toml",),
    "bundle verify": ("bundle verify bundle",),
    "cancel": (f"cancel {JOB}",),
    "canonical import": ("canonical import names.csv",),
    "canonical list": ("canonical list --mapped", "canonical list crude"),
    "canonical set": ('canonical set "Organization of the Petroleum Exporting Countries" OPEC',),
    "canonical unset": ('canonical unset "O.P.E.C."',),
    "cap": (f"cap {JOB}", f"cap {JOB} 25"),
    "convert": (
        "convert train.conll dev.conll --to oil.jsonl",
        "convert corpus/ --format brat --to news.jsonl.gz",
    ),
    "coordinator": ("coordinator",),
    "db check": ("db check", "db check --wait 600"),
    "db downgrade": ("db downgrade 0011",),
    "db reader": ("db reader -o reader-url",),
    "db upgrade": ("db upgrade",),
    "demo": ("demo",),
    "doctor": ("doctor", "doctor --no-call"),
    "enqueue": (
        "enqueue news.jsonl archive/ --schema oil.yaml",
        "enqueue news.csv --schema oil.yaml --text body --id number --cap 5",
        "enqueue /data/news --schema oil.yaml --corpus news --dry-run",
    ),
    "estimate": ("estimate news.jsonl --schema oil.yaml --model gpt-4.1-mini",),
    "evaluate": ("evaluate test.jsonl --retriever trained --retriever random --limit 50",),
    "export": (
        f"export {JOB} > news.jsonl",
        f"export {JOB} --min-confidence 0.8 --format html -o news.html",
    ),
    "forget": ("forget news-12 --corpus news", "forget --list"),
    "learn": (f"learn {JOB}", f"learn {JOB} --only"),
    "job set": (f"job set {JOB} --model gpt-5-mini --max-tokens 512",),
    "job show": (f"job show {JOB}",),
    "pause": (f"pause {JOB}",),
    "prune": ("prune --older-than 90d", "prune attempts raw --older-than 4w --yes"),
    "quarantine list": ("quarantine list", f"quarantine list {JOB} --error output"),
    "quarantine show": ("quarantine show 1042",),
    "query": (
        'query "SELECT type, COUNT(*) FROM entity_mentions\n'
        f"    WHERE job_id = '{JOB}' GROUP BY type\"",
        'query "SELECT * FROM relation_mentions" --format csv > relations.csv',
    ),
    "resume": (f"resume {JOB}",),
    "retry": (f"retry {JOB}", f"retry {JOB} --error truncated --model gpt-4.1"),
    "review export": ("review export -o gold.jsonl",),
    "review import": (f"review import corrected.jsonl --job {JOB} --reviewer Ada",),
    "review list": ("review list",),
    "review score": (f"review score {JOB}",),
    "review sample": (f"review sample {JOB} -n 10 -o todo.jsonl",),
    "schedule add": (
        'schedule add news --cron "0 2 * * *" --tz Europe/Berlin \\\n'
        "    --source /data/news --schema oil.yaml",
    ),
    "schedule disable": ("schedule disable news",),
    "schedule enable": ("schedule enable news",),
    "schedule list": ("schedule list",),
    "schedule remove": ("schedule remove news",),
    "schedule run": ("schedule run news --wait",),
    "schedule show": ("schedule show news --limit 5",),
    "search": ('search "crude -gas"', "search '\"oil prices\" OR refin*' --limit 50"),
    "status": ("status", "status --watch", f"status {JOB} --json"),
    "tables": ("tables", "tables entity_mentions"),
    "up": ("up",),
    "wait": (f"wait {JOB} --timeout 7200 --fail-on-quarantine 1%",),
    "web": ("web", "web --port 0", "web --host 0.0.0.0 --prefix /ruie"),
    "worker": ("worker", "worker --concurrency 4"),
}


def add_examples(name: str, command: click.Command) -> click.Command:
    """The command, or each command of a group, with its examples at the end of `--help`."""
    if isinstance(command, click.Group):
        for sub, made in command.commands.items():
            add_examples(f"{name} {sub}", made)
    elif name in EXAMPLES:
        command.epilog = epilog(EXAMPLES[name])
    return command


def epilog(examples: tuple[str, ...]) -> str:
    """Lines that click leaves as they are (after \\b)."""
    title = "Example:" if len(examples) == 1 else "Examples:"
    written = "\n".join(f"ruie {example}" for example in examples)
    return "\n".join(["\b", title, *(f"  {line}" for line in written.splitlines())])
