"""Every setting of every role, in one place. Each can be set as POWERMON_<NAME> in the environment."""

from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The README's table of settings is generated from these fields."""

    model_config = SettingsConfigDict(env_prefix="POWERMON_", frozen=False, extra="ignore")

    data: Path = Field(Path(".powermon"), description="folder of everything this stack keeps: log, registry, ClickHouse, caches")
    cache: Path = Field(
        Path(".cache"), description="folder of the downloaded Java parts; relative: below the project's own folder"
    )

    kafka_bootstrap: str = Field(
        "", description="host:port[,…] of an existing Kafka; empty: `powermon up` starts one at kafka_port"
    )
    kafka_port: int = Field(9092, description="port of the Kafka that `powermon up` starts")
    kafka_controller_port: int = Field(9093, description="its controller's port")
    partitions: int = Field(
        4, ge=1, le=1024, description="partitions of sensor.readings and what is derived from it; fixed when the topics are made"
    )
    replication: int = Field(1, ge=1, le=9, description="replicas of each topic when the topics are made")

    registry_url: str = Field(
        "", description="Confluent-compatible schema registry; empty: `powermon up` starts Apicurio at registry_port"
    )
    registry_port: int = Field(8081, description="port of the registry that `powermon up` starts")

    clickhouse_url: str = Field(
        "",
        description="http(s)://user:password@host:port/database of a ClickHouse server; empty: the embedded engine in the data folder",
    )
    clickhouse_cluster: str = Field("", description="cluster name: tables are made ON CLUSTER with Replicated engines")

    gateway_host: str = Field("127.0.0.1", description="address the gateway listens on")
    gateway_port: int = Field(8090, description="port of the gateway")
    gateway_rate_per_s: float = Field(20, ge=10, description="requests per second one sensor may make in the long run")
    gateway_burst: int = Field(1200, ge=600, description="requests one sensor may make at once")
    gateway_ack_timeout_ms: int = Field(
        8000, ge=1000, le=60000, description="how long the gateway waits for the log before it answers 503"
    )
    gateway_public_host: str = Field("", description="host[:port] that sensors are told at boot; empty: the one they asked")
    gateway_tls_cert: str = Field(
        "",
        description="PEM file of the gateway's certificate and chain; empty: no TLS. A renewed file is taken without a restart",
    )
    gateway_tls_key: str = Field("", description="PEM file of its key")
    gateway_trusted_proxies: str = Field(
        "", description="addresses or networks of load balancers, as 10.0.0.7,10.1.0.0/16: their X-Forwarded-For counts"
    )
    gateway_address_rate_per_s: float = Field(
        2000, ge=1, description="requests per second from one address (IPv6: /64) in the long run; this machine is not limited"
    )
    gateway_address_burst: int = Field(20_000, ge=1, description="requests from one address at once")
    gateway_connections: int = Field(20_000, ge=1, description="connections open at once; fewer if the system allows fewer files")
    gateway_connections_per_address: int = Field(5000, ge=1, description="connections from one address; proxies are not limited")
    gateway_url: str = Field("", description="where `simulate`, `ingest` and `tic` post to; empty: http://127.0.0.1:gateway_port")
    gateway_ca_file: str = Field(
        "", description="PEM file of the certificates that `powermon tic` trusts at the gateway; empty: the system's"
    )
    web_host: str = Field("127.0.0.1", description="address the web server listens on")
    web_port: int = Field(8080, description="port of pages and REST API")
    registry_key_file: str = Field(
        "",
        description="file (mode 0600) with the key of registry connections' tokens, the same for every web server; empty: registry.key in data, made at first use",
    )
    workers: int = Field(1, ge=1, le=64, description="how many workers `powermon up` starts; more than partitions are idle")
    worker_port: int = Field(8091, description="health and metrics of the worker (127.0.0.1); of further ones 10, 20, … above it")
    sink_port: int = Field(8092, description="health and metrics of the sink when it runs alone (127.0.0.1)")

    tic_port: str = Field(
        "",
        description="serial port of `powermon tic`, best by id: /dev/serial/by-id/…, or /dev/serial0 on a Raspberry Pi's header",
    )
    tic_speed: Literal["auto", "1200", "9600"] = Field("auto", description="baud of the Linky's line; auto: found out")
    tic_mode: Literal["auto", "standard", "historic"] = Field(
        "auto",
        description="the only mode of frames to take; auto: both. Apart from the speed: some adapters send historic at 9600",
    )
    tic_spool_path: str = Field(
        "", description="file that keeps frames until they are delivered; empty: tic-spool.sqlite in data"
    )
    tic_spool_limit_mb: int = Field(
        500, ge=1, description="room for frames that wait for the network; beyond it the oldest are thrown away, and counted"
    )
    tic_write_s: float = Field(
        10, ge=0.1, le=600, description="how often frames go to the spool: longer spares an SD card, and a power cut takes more"
    )
    tic_key_file: str = Field(
        "",
        description="file (mode 0600) of at least 16 random bytes: the meter's address and PRM leave as pseudonyms under this key",
    )
    tic_delivery: Literal["kafka", "https"] = Field(
        "kafka", description="how frames leave the spool: to Kafka itself, or to the gateway at gateway_url"
    )
    tic_secret_file: str = Field(
        "", description="file (mode 0600) with the meter's secret, as `powermon sensors add` showed it; for https"
    )
    homeassistant_mqtt: str = Field(
        "", description="host[:port] of the MQTT broker at which Home Assistant is told of the Linky; empty: it is not"
    )
    homeassistant_user: str = Field("", description="name at that broker")
    homeassistant_password_file: str = Field("", description="file with the password at that broker")
    homeassistant_tls: bool = Field(False, description="whether that broker is asked over TLS")
    homeassistant_ca_file: str = Field("", description="PEM file of who vouches for that broker; empty: whom the system trusts")
    homeassistant_prefix: str = Field("homeassistant", description="where Home Assistant looks for what there is")
    homeassistant_every_s: float = Field(5, ge=1, le=60, description="how often Home Assistant is told at most")
    tic_health_port: int = Field(8093, description="health and metrics of `powermon tic` (127.0.0.1)")

    meter_port: int = Field(8094, description="health and metrics of `powermon meter` (127.0.0.1)")
    meter_slots: int = Field(
        1, ge=1, le=64, description="how many runs `powermon meter` computes at a time; each takes a core and 450 MB"
    )
    meter_timeout_s: float = Field(120, ge=1, le=3600, description="a run that takes longer is ended as FAILED")

    notifications: bool = Field(True, description="whether the web server tells receivers of anomalies (`powermon notify`)")
    notify_hold_s: float = Field(10, ge=0.5, le=600, description="what does not last so long is not told to receivers")
    smtp_host: str = Field("", description="mail server of messages about anomalies; empty: none are sent by e-mail")
    smtp_port: int = Field(0, ge=0, le=65535, description="its port; 0: 587, 465 or 25, by smtp_tls")
    smtp_tls: Literal["starttls", "tls", "none"] = Field("starttls", description="how the mail server is spoken to")
    smtp_ca_file: str = Field("", description="PEM file of who vouches for the mail server; empty: whom the system trusts")
    smtp_user: str = Field("", description="name at the mail server")
    smtp_password_file: str = Field("", description="file with the password at the mail server")
    smtp_from: str = Field("", description="sender's address of messages about anomalies")

    instance: str = Field(
        "", description="stable name of this worker or sink within its group (static membership); empty: a dynamic member"
    )
    lateness_s: int = Field(
        120,
        ge=0,
        le=86400,
        description="how long after its end a minute stays open in the hot path; later readings go through the rebuilder",
    )
    dead_letters_max: int = Field(
        1000,
        ge=0,
        lt=10_000,
        description="more of about the last 10,000 messages of a partition than this, and more than half of them, that cannot be used, stop the worker; 0: no limit",
    )
    anomalies: bool = Field(True, description="whether the worker looks for anomalies, and tells them on power.anomalies")
    publish_interval_s: float = Field(1.0, gt=0, le=60, description="how often a growing minute is published at most")
    tic_publish_interval_s: float = Field(5.0, gt=0, le=60, description="the same for minutes of Linkys")
    sink_interval_ms: int = Field(250, ge=10, le=60000, description="from the log to the table, for a batch's oldest message")
    rebuild_interval_s: float = Field(5.0, gt=0, le=600, description="how often late minutes are rebuilt")
    retention_readings_days: int = Field(
        0, ge=0, le=36500, description="days that ClickHouse keeps raw readings and conflicts; 0: for ever"
    )
    retention_minutes_days: int = Field(0, ge=0, le=36500, description="days that ClickHouse keeps minutes; 0: for ever")
    session_timeout_s: int = Field(30, ge=6, le=300, description="how long a silent group member keeps its partitions")

    demo: bool = Field(False, description="set by `powermon up --demo`: simulated sensors, a signed-in browser")
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR")
    log_json: bool = Field(False, description="log lines as JSON objects, for a log collector")

    @property
    def worker_ports(self) -> dict[str, int]:
        """Name and port of each worker that `powermon up` starts."""
        if self.workers == 1:
            return {"worker": self.worker_port}
        return {f"worker-{k + 1}": self.worker_port + 10 * k for k in range(self.workers)}

    @property
    def parts(self) -> Path:
        """Folder of the downloaded Java parts."""
        return Path(__file__).parents[1] / self.cache

    @property
    def compiled(self) -> Path:
        """Folder of compiled code of the meter's libraries."""
        return self.parts / "numba"

    @cached_property
    def kafka(self) -> str:
        """Bootstrap address in force."""
        return self.kafka_bootstrap or f"127.0.0.1:{self.kafka_port}"

    @cached_property
    def registry(self) -> str:
        """Registry address in force."""
        return self.registry_url or f"http://127.0.0.1:{self.registry_port}/apis/ccompat/v7"

    @cached_property
    def gateway(self) -> str:
        if self.gateway_url or not self.gateway_tls_cert:
            return self.gateway_url or f"http://127.0.0.1:{self.gateway_port}"
        return f"https://{self.gateway_public_host or f'localhost:{self.gateway_port}'}"

    @cached_property
    def web(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    @property
    def clickhouse_path(self) -> Path:
        """Folder of the embedded ClickHouse engine."""
        return self.data / "clickhouse"

    @property
    def schema_cache(self) -> Path:
        """File of schema ids by topic, so that a role starts while the registry is down."""
        return self.data / "schema-ids.json"

    @property
    def catalog_snapshot(self) -> Path:
        """File of the folded catalog, shared by the roles of a machine."""
        return self.data / "catalog.snapshot"

    @property
    def tic_spool(self) -> Path:
        """File of the frames that wait to be delivered."""
        return Path(self.tic_spool_path) if self.tic_spool_path else self.data / "tic-spool.sqlite"

    @property
    def operator_token(self) -> Path:
        """File (mode 0600) with the token this machine's command line uses against the web server."""
        return self.data / "operator.token"

    @property
    def registry_key(self) -> Path:
        """File (mode 0600) with the key under which tokens of registry connections are sealed."""
        return Path(self.registry_key_file) if self.registry_key_file else self.data / "registry.key"

    @property
    def fleet_secrets(self) -> Path:
        """File (mode 0600) with the secrets of the sensors that `powermon simulate` registered."""
        return self.data / "simulate.secrets"
