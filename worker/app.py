"""The composition root: the Celery application, with the reason for each of its settings.

Redis is transport, never the only copy of anything: a message names a batch of work items that
SQL holds. So every setting below prefers losing a message (the coordinator sends it again) to
keeping one twice.
"""

from __future__ import annotations

from typing import Any

from celery import Celery

from ruie.db.jobs import Priority
from ruie.settings import Settings
from ruie.worker.broker import broker_tls, broker_url
from ruie.worker.messages import KEY_PREFIX, QUEUE, CheckedMessages

MESSAGE_PRIORITY = {Priority.LIVE: 0, Priority.NORMAL: 3, Priority.BACKFILL: 6}
"""On Redis the lowest number is taken first; 0, 3, 6 and 9 are kombu's steps."""
BATCH_TIME_LIMIT_S = 1800
"""Hard limit of a task, which waits until every item of the batch before it has been started. It is
far above `BATCH_SECONDS`, at which a batch gives back what it has not sent: a process that reaches
it hangs."""


def create_app(settings: Settings) -> Celery:
    """The Celery application for these settings; makes no connection yet."""
    app = Celery("ruie", set_as_current=True, amqp=CheckedMessages)
    app.conf.update(
        broker_url=broker_url(settings.redis_url),
        broker_use_ssl=broker_tls(settings.redis_url),
        broker_connection_retry_on_startup=True,
        # None: a worker that outlives a Redis outage of any length reconnects by itself.
        broker_connection_max_retries=None,
        broker_transport_options=transport_options(),
        # No result backend: results are rows in SQL; result keys would only fill Redis.
        result_backend=None,
        task_ignore_result=True,
        task_default_queue=QUEUE,
        task_create_missing_queues=False,
        # A batch's message is acknowledged when it is taken: the lease in SQL guards the work
        # from here on, and a late ack would bring a second live copy after the visibility
        # timeout, or loop a batch that kills its worker.
        task_acks_late=False,
        task_reject_on_worker_lost=False,
        # One message ahead for each process, no more: a message held here is work that no other
        # worker can take.
        worker_prefetch_multiplier=1,
        # Countdowns, Celery's retries and its rate limits are not used (they live in the
        # worker's memory, pass by the prefetch limit and know only one worker): retry times are
        # in SQL, limits in one Redis script.
        worker_disable_rate_limits=True,
        task_time_limit=BATCH_TIME_LIMIT_S,
        # A fresh process now and then bounds what libraries leak; memory in KiB.
        worker_max_tasks_per_child=500,
        worker_max_memory_per_child=2 * 1024 * 1024,
        # A lost connection says nothing about a batch in progress: its lease is in SQL.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        # JSON only: nothing that a message holds can run code. What a message may be at all is
        # in worker/messages.py.
        task_serializer="json",
        accept_content=["json"],
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        worker_enable_remote_control=False,
        imports=("ruie.worker.tasks",),
    )
    return app


def transport_options() -> dict[str, Any]:
    """kombu's options for Redis."""
    return {
        # No list of unacknowledged messages and no visibility timeout: see `task_acks_late`.
        "ack_emulation": False,
        "global_keyprefix": KEY_PREFIX,
        # Without time-outs a consumer whose connection was lost silently waits for ever.
        "socket_timeout": 30,
        "socket_connect_timeout": 10,
        "socket_keepalive": True,
        "health_check_interval": 15,
        # One list for each class of jobs; a live job's messages are taken first.
        "priority_steps": sorted(MESSAGE_PRIORITY.values()),
        "retry_on_timeout": True,
    }
