"""OpenTelemetry's variables among a node's settings."""

import pytest
from prometheus_client import CollectorRegistry

from kvorum.app.tracing import open_tracing, tracing_options
from kvorum.errors import ConfigurationError
from kvorum.settings import Settings, load_settings
from kvorum.telemetry.span_metrics import SpanMetrics


def load(**environ: str) -> Settings:
    return load_settings(None, {"SELF_ID": "Node-1", "OTHER_NODES": "", **environ})


def problem(**environ: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(**environ)
    return str(caught.value)


def test_it_is_off_by_default_and_costs_nothing() -> None:
    registry = CollectorRegistry()
    assert open_tracing(load(), "1.0", SpanMetrics(registry)) is None
    labels = {"result": "exported"}
    assert registry.get_sample_value("kvorum_spans_total", labels) is None


def test_defaults() -> None:
    options = tracing_options(load(OTEL_EXPORTER_OTLP_ENDPOINT="http://collector:4317"), "1.0")
    assert options.endpoint == "http://collector:4317"
    assert (options.sampler, options.ratio) == ("parentbased_traceidratio", 0.01)
    assert (options.service_name, options.service_version) == ("kvorum", "1.0")
    assert (options.instance_id, options.attributes) == ("Node-1", {})


def test_attributes_of_the_resource() -> None:
    told = "k8s.pod.name=kvorum-0, note=a%2Cb%3D%C3%A9 ,empty=,"
    found = load(OTEL_RESOURCE_ATTRIBUTES=told).otel_resource_attributes
    assert found == {"k8s.pod.name": "kvorum-0", "note": "a,b=é", "empty": ""}


@pytest.mark.parametrize("endpoint", ["", "http://c:4317", "https://c:443", "http://[::1]:4317/"])
def test_endpoints(endpoint: str) -> None:
    assert load(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint).otel_exporter_otlp_endpoint == endpoint


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317", "does not begin with http:// or"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "grpc://c:4317", "does not begin with http:// or"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector", "lacks a host or a port"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://:4317", "lacks a host or a port"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:99999", "Port out of range"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/v1/traces", "more than a host and a port"),
        ("OTEL_TRACES_SAMPLER", "sometimes", "'sometimes' is not one of 'always_on'"),
        ("OTEL_TRACES_SAMPLER_ARG", "often", "'often' is not a number"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5", "1.5 is greater than 1"),
        ("OTEL_TRACES_SAMPLER_ARG", "-0.1", "-0.1 is less than 0"),
        ("OTEL_TRACES_SAMPLER_ARG", "nan", "'nan' is not a number"),
        ("OTEL_SERVICE_NAME", "", "is empty"),
        ("OTEL_RESOURCE_ATTRIBUTES", "pod", "'pod' is not name=value"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=1,=2", "'=2' is not name=value"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a b=1", "'a b=1' is not name=value"),
    ],
)
def test_a_wrong_value_is_explained(name: str, value: str, what: str) -> None:
    told = problem(**{name: value})
    assert name in told
    assert what in told
