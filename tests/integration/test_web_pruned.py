"""Pages of what was pruned are calm, and say so."""

from __future__ import annotations

from support.aged import NEW, OLD, AgedCorpus
from support.job_database import JobDatabase
from support.web_site import Site

from ruie.db.pruning.parts import Kind


def test_the_pages_of_a_pruned_document_job_and_call(site: Site) -> None:
    database = JobDatabase(site.client.engine)
    corpus = AgedCorpus(database)
    old = corpus.run(OLD)
    AgedCorpus(database, None).run({"c": OLD["a"] + " Again."})
    copy = AgedCorpus(database, "copies").run({"d": OLD["b"] + " "})
    corpus.run(NEW)
    corpus.count()
    document = database.one(
        f"SELECT document_id FROM origins WHERE job_id = '{old}' AND external_id = 'a'"
    )
    before = without_last_hour(site.get(f"/jobs/{old}").words)
    assert "Crude" in site.get(f"/documents/{document}?job={old}").words
    corpus.prune()

    page = site.get(f"/documents/{document}?job={old}").words
    assert "Pruned: what was found in it is no longer kept" in page
    assert "Its records were pruned." in page
    assert "is not answered" not in page
    assert without_last_hour(site.get(f"/jobs/{old}").words) == before
    for path in ("/jobs", "/fleet", f"/documents?job={old}", f"/jobs/{copy}"):
        site.get(path)
    (call,) = database.rows(
        f"SELECT id FROM extractions WHERE key = 'pruned ' || id AND job_id = '{old}'"
        " AND task = 'NER'"
    )
    site.get(f"/documents/calls/{call[0]}")


def without_last_hour(words: str) -> str:
    """What a job's page says, but for its calls of each minute: these are counted anew from time to
    time, and nobody prunes what is an hour old."""
    start, end = words.index("Calls a minute, last hour"), words.index("Items by task")
    return words[:start] + words[end:]


def test_a_raw_answer_that_went_names_the_call_that_has_it(site: Site) -> None:
    corpus = AgedCorpus(JobDatabase(site.client.engine))
    corpus.run(OLD)
    AgedCorpus(corpus.database, None).run({"x": "Crude fell in May. "})
    corpus.prune(Kind.RAW)
    (call, source) = corpus.database.rows(
        "SELECT MAX(id), MAX(reused_from) FROM extractions WHERE raw_output = ''"
        " AND reused_from IS NOT NULL"
    )[0]
    page = site.get(f"/documents/calls/{call}").words
    assert f"No longer kept here: call {source} has it." in page
