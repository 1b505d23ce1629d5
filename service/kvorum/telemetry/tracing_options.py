"""What tracing has to know, checked where settings are; nothing of OpenTelemetry is loaded."""

from collections.abc import Mapping
from typing import Literal, get_args

from msgspec import Struct

SamplerName = Literal[
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
]
SAMPLERS: tuple[str, ...] = get_args(SamplerName)


class TracingOptions(Struct, frozen=True, kw_only=True):
    """``ratio`` (0 to 1) is for the samplers by ratio; ``attributes`` are of the resource."""

    endpoint: str
    sampler: SamplerName
    ratio: float
    service_name: str
    service_version: str
    instance_id: str
    attributes: Mapping[str, str]
