"""The variables a node understands: names, meanings, defaults, bounds.

The descriptions and examples also make the hints of error messages and the text of
``kvorum variables``.
"""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from kvorum.node.addresses import canonical_address, peer_address
from kvorum.settings.tracing import otlp_endpoint, resource_attributes
from kvorum.telemetry.tracing_options import SamplerName

_NODE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
MIB = 1 << 20

CLUSTER_VARIABLES = (
    "EXECUTED_COMMANDS_KEY",
    "SELF_ADDRESS",
    "SELF_ID",
    "OTHER_NODES",
    "BROADCAST_TIME_MS",
    "MIN_ELECTION_TIMEOUT_MS",
    "MAX_ELECTION_TIMEOUT_MS",
    "REST_ADDRESS",
)
"""The eight that describe a node of a cluster; a node alone needs none of them."""


def _split_list(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(item.strip() for item in value.split(",")) if value.strip() else ()


def _node_id(value: str) -> str:
    if not _NODE_ID.fullmatch(value) or value in (".", ".."):
        raise ValueError(f"{value!r} is not 1 to 64 letters, digits, dots, underscores or dashes")
    return value


def _not_blank(value: object) -> object:
    if value == "":
        raise ValueError("is empty; give it a value, or leave the line out")
    return value


ListenAddress = Annotated[str, AfterValidator(canonical_address)]
PeerAddress = Annotated[str, AfterValidator(peer_address)]
PeerAddresses = Annotated[tuple[PeerAddress, ...], NoDecode, BeforeValidator(_split_list)]
NodeName = Annotated[str, AfterValidator(_node_id)]
OtlpEndpoint = Annotated[str, AfterValidator(otlp_endpoint)]
ResourceAttributes = Annotated[dict[str, str], NoDecode, BeforeValidator(resource_attributes)]


class Settings(BaseSettings):
    """A node's settings; :func:`~kvorum.settings.load_settings` makes them."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", alias_generator=str.upper, populate_by_name=True
    )

    executed_commands_key: str = Field(
        "_executed",
        min_length=1,
        description="The store's own key, which holds the outcome of every executed command.",
        examples=["_executed"],
    )
    self_address: PeerAddress = Field(
        "localhost:8001",
        description="Where the other nodes reach this node (gRPC).",
        examples=["localhost:8001"],
    )
    self_id: NodeName = Field(
        description="This node's name, unique in the cluster. A node alone is called as DATA_DIR "
        "says or, at its first start, like its host.",
        examples=["Node-1"],
    )
    other_nodes: PeerAddresses = Field(
        (),
        description="SELF_ADDRESS of the other nodes at the first start, separated by commas; "
        "empty if alone.",
        examples=["localhost:8002,localhost:8003"],
    )
    broadcast_time_ms: int = Field(
        100,
        ge=1,
        le=60_000,
        description="Interval between a leader's heartbeats.",
        examples=["100"],
    )
    min_election_timeout_ms: int = Field(
        500,
        ge=2,
        le=600_000,
        description="Shortest time without a leader before a node starts an election.",
        examples=["500"],
    )
    max_election_timeout_ms: int = Field(
        700,
        ge=2,
        le=600_000,
        description="Longest time without a leader before a node starts an election.",
        examples=["700"],
    )
    rest_address: ListenAddress = Field(
        "localhost:8081",
        description="Where clients reach this node (HTTP).",
        examples=["localhost:8081"],
    )

    listen_address: ListenAddress = Field(
        default_factory=lambda data: data["self_address"],
        description="Where this node listens for the others (default: SELF_ADDRESS).",
        examples=["0.0.0.0:8001"],
    )
    data_dir: Annotated[Path, BeforeValidator(_not_blank)] = Field(
        default_factory=lambda data: Path("data") / data["self_id"],
        description="Where this node keeps its data (default: data/<SELF_ID>, or kvorum-data for a "
        "node without SELF_ID; beside the env file, if there is one).",
        examples=["/var/lib/kvorum"],
    )
    key_bytes_max: int = Field(1024, ge=1, le=65_535, description="Longest key, in bytes of UTF-8.")
    value_bytes_max: int = Field(
        1_572_864, ge=1, le=4 * MIB, description="Longest value, in bytes of JSON."
    )
    request_timeout_ms: int = Field(
        5000, ge=10, le=600_000, description="How long a request waits for its answer."
    )
    outcomes_count_max: int = Field(
        100_000, ge=1000, le=100_000_000, description="How many outcomes of commands are kept."
    )
    outcomes_age_s_max: int = Field(
        3600, ge=1, le=366 * 86_400, description="How long outcomes of commands are kept, seconds."
    )
    history_revisions_max: int = Field(
        100_000,
        ge=2000,  # more than one entry can make
        le=100_000_000,
        description="How many past revisions can be read and watched.",
    )
    history_age_s_max: int = Field(
        3600, ge=1, le=366 * 86_400, description="How old past revisions may get, seconds."
    )
    history_bytes_max: int = Field(
        64 * MIB,
        ge=MIB,
        le=1 << 40,
        description="Bytes of keys and values that are kept of the past.",
    )
    quota_bytes: int = Field(
        2048 * MIB,
        ge=0,
        le=1 << 44,
        description="Bytes of keys and values at which writes are refused until some are deleted; "
        "0: no bound. Give all nodes the same.",
    )
    lease_checkpoint_ms: int = Field(
        1000,
        ge=50,
        le=600_000,
        description="Longest time by which a change of leader can prolong a lease.",
    )
    watchers_max: int = Field(
        20_000, ge=1, le=1_000_000, description="Watches on this node before new ones get 429."
    )
    watch_buffer_events_max: int = Field(
        10_000,
        ge=16,
        le=10_000_000,
        description="Events that may wait for one watcher before it is cut off.",
    )
    pending_writes_max: int = Field(
        10_000, ge=1, le=10_000_000, description="Writes that may wait before new ones get 429."
    )
    pending_bytes_max: int = Field(
        64 * MIB, ge=1, le=16 << 30, description="Bytes of waiting writes before new ones get 429."
    )
    pending_reads_max: int = Field(
        20_000, ge=1, le=10_000_000, description="Reads that may wait before new ones get 429."
    )
    wal_segment_bytes: int = Field(
        64 * MIB, ge=64 << 10, le=1 << 30, description="Size of one file of the log."
    )
    snapshot_entries: int = Field(
        100_000, ge=1, le=1_000_000_000, description="Log entries after which a snapshot is taken."
    )
    snapshot_bytes: int = Field(
        64 * MIB,
        ge=1,
        le=1 << 40,
        description="Bytes of log after which a snapshot is taken, or as many as the last one has "
        "if those are more.",
    )
    snapshot_keep_entries: int = Field(
        10_000,
        ge=0,
        le=1_000_000_000,
        description="Log entries kept behind a snapshot, for nodes that lag a little.",
    )
    state_check_interval_s: int = Field(
        10,
        ge=0,
        le=86_400,
        description="How often replicas compare hashes of their states, seconds; 0: never. Give "
        "all nodes the same.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least important message that is logged."
    )
    log_format: Literal["auto", "human", "json"] = Field(
        "auto", description="auto: human on a terminal, JSON lines otherwise."
    )

    otel_exporter_otlp_endpoint: OtlpEndpoint = Field(
        "",
        description="Collector of traces (OTLP over gRPC); empty: nothing is traced. Headers, "
        "certificates and a timeout are taken from the environment as OpenTelemetry names them.",
        examples=["http://localhost:4317"],
    )
    otel_traces_sampler: SamplerName = Field(
        "parentbased_traceidratio",
        description="Which requests are traced; parentbased_…: as the client says, if it says so.",
    )
    otel_traces_sampler_arg: float = Field(
        0.01,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Share of requests that the samplers by ratio take, 0 to 1.",
    )
    otel_service_name: Annotated[str, BeforeValidator(_not_blank)] = Field(
        "kvorum", description="What the nodes are called in traces."
    )
    otel_resource_attributes: ResourceAttributes = Field(
        {},
        description="What else traces tell of this node: name=value, separated by commas.",
        examples=["deployment.environment.name=production"],
    )

    @field_validator("other_nodes")
    @classmethod
    def _without_self(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        """One list may serve every node (a StatefulSet has one), so it may name this one."""
        twice = sorted({address for address in value if value.count(address) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} is named more than once")
        return tuple(address for address in value if address != info.data.get("self_address"))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is handed in: the process environment is read by the caller, not here."""
        return (init_settings,)

    @property
    def members(self) -> tuple[str, ...]:
        """Peer addresses of the whole cluster, sorted, so that every node derives the same."""
        return tuple(sorted({self.self_address, *self.other_nodes}))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What works, but is probably not what was meant."""
        count = len(self.members)
        if count % 2:
            return ()
        even = f"{count} members survive no more failures than {count - 1}, and agree more slowly"
        return (f"OTHER_NODES makes an even cluster, unless this node joins one: {even}",)
