"""How a work item ends in the database: the record of its call, or what its failure means."""

from __future__ import annotations

from sqlalchemy import Connection

from db import jobs, queue, results
from ruie.errors import CallError
from ruie.extractor import Answer, Extractor, Question
from ruie.prompts import PROMPT_VERSION
from worker.retries import Decision, PauseEndpoint, PauseJob, Quarantine, Retry


def new_extraction(job: jobs.Job, extractor: Extractor, answer: Answer) -> results.NewExtraction:
    """The record of a call that succeeded."""
    completion = answer.completion
    question = answer.question
    return results.NewExtraction(
        key=question.call.key,
        model=extractor.model,
        endpoint=extractor.llm.base_url,
        prompt_version=PROMPT_VERSION,
        bundle_digest=extractor.retriever.digest if extractor.retriever else "",
        schema_digest=job.schema_digest,
        demonstration_ids=[demo.id for demo in question.demonstrations],
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.completion_tokens,
        latency_s=completion.latency_s,
        raw_output=completion.text,
        rejects=answer.parsed.rejects,
    )


def apply(
    conn: Connection,
    item: queue.LeasedItem,
    question: Question,
    error: CallError,
    decision: Decision,
) -> None:
    """Carry a decision out, in one transaction."""
    match decision:
        case Retry(delay_s, counts):
            queue.retry(conn, item, delay_s, error, counts=counts)
        case PauseEndpoint(delay_s):
            queue.retry(conn, item, delay_s, error, counts=False)
        case Quarantine():
            queue.quarantine(
                conn,
                item,
                error,
                raw_output=error.raw_output,
                prompt=list(question.call.messages),
            )
        case PauseJob():
            queue.retry(conn, item, 0.0, error, counts=False)
            jobs.set_job_state(conn, item.job_id, "paused", reason=str(error))
