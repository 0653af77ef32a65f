"""The Faust application: a runner with a consumer group, and nothing of its state engine."""

from infra.settings import Settings
from streams.transport import NoTables, RunApp

GROUP = "powermon-minutes"


def make_app(settings: Settings, group: str = GROUP) -> RunApp:
    """Set Faust up to run our agents.

    Off, each for the reason given in its line: what would acknowledge, publish or keep state behind our back.

    Args:
        settings: broker, instance and timeouts.
        group: the consumer group; a replay uses its own.
    """
    return RunApp(
        group,
        broker=";".join(f"kafka://{address.strip()}" for address in settings.kafka.split(",")),
        broker_client_id=group,
        broker_max_poll_records=20_000,  # record batches, of which a fetch holds fewer
        consumer_max_fetch_size=4 << 20,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=f"{group}-{settings.instance}" if settings.instance else None,
        broker_session_timeout=float(settings.session_timeout_s),
        broker_request_timeout=settings.session_timeout_s + 60.0,  # longer than a session, or Faust refuses to start
        broker_heartbeat_interval=settings.session_timeout_s / 10,
        stream_buffer_maxsize=16,  # runs, not messages
        stream_wait_empty=False,  # nothing is acknowledged by Faust, so nothing would ever be empty
        table_standby_replicas=0,  # no tables
        TableManager=NoTables,
        topic_disable_leader=True,  # no topics of Faust's own
        topic_allow_declare=False,  # topics are made by `powermon up`
        web_enabled=False,  # /healthz and /metrics are ours
        worker_redirect_stdouts=False,
    )
