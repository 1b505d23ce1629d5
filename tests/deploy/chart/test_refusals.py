"""Values that cannot work are refused before anything is installed, and told why."""

import pytest

from tests.deploy.chart.helm import Refused, render, template

GUARDED = [
    (
        {"replicaCount": 4},
        "replicaCount is 4: an even number of voters survives no more failures than 3",
    ),
    ({"replicaCount": 4}, "Take 3 or 5, or say allowEvenReplicas=true"),
    ({"foundingReplicas": 2}, "foundingReplicas is 2: an even number"),
    ({"fullnameOverride": "1st"}, "it must begin with a letter"),
    ({"fullnameOverride": "Store"}, "have only a-z"),
    ({"commonLabels": {"app.kubernetes.io/name": "x"}}, "commonLabels has app.kubernetes.io/name"),
    (
        {"podLabels": {"app.kubernetes.io/component": "x"}},
        "podLabels has app.kubernetes.io/component",
    ),
    ({"jobPodLabels": {"helm.sh/chart": "x"}}, "jobPodLabels has helm.sh/chart"),
    (
        {"monitoring.rules.labels": {"app.kubernetes.io/name": "x"}},
        "monitoring.rules.labels has app.kubernetes.io/name",
    ),
    ({"config": {"SELF_ID": "a"}}, "config.SELF_ID is the chart's own"),
    ({"config": {"OTHER_NODES": ""}}, "config.OTHER_NODES is the chart's own"),
    ({"config": {"DATA_DIR": "/data"}}, "config.DATA_DIR is the chart's own"),
    ({"extraEnv": [{"name": "SELF_ADDRESS", "value": "a:1"}]}, "extraEnv names SELF_ADDRESS"),
    ({"extraEnv": [{"name": "POD_NAME", "value": "a"}]}, "extraEnv names POD_NAME"),
    (
        {"config": {"LOG_LEVEL": "info"}, "extraEnv": [{"name": "LOG_LEVEL", "value": "debug"}]},
        "LOG_LEVEL is in config and in extraEnv",
    ),
    (
        {"config": {"MIN_ELECTION_TIMEOUT_MS": 700}},
        "config.MIN_ELECTION_TIMEOUT_MS, 700, is not less than MAX_ELECTION_TIMEOUT_MS, 700",
    ),
    (
        {"config": {"MAX_ELECTION_TIMEOUT_MS": "400"}},
        "config.MIN_ELECTION_TIMEOUT_MS, 500, is not less than MAX_ELECTION_TIMEOUT_MS, 400",
    ),
    (
        {"config": {"BROADCAST_TIME_MS": 300}},
        "one late heartbeat would start an election. Usual are 1500 to 3000",
    ),
    (
        {"config": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel"}},
        'config.OTEL_EXPORTER_OTLP_ENDPOINT is "http://otel": it must be a URL with a port',
    ),
    (
        {"preStopSeconds": 25},
        "a node hands over and drains; give it 10 seconds more than that, 35",
    ),
    ({"extraVolumes": [{"name": "data", "emptyDir": {}}]}, "extraVolumes has one called data"),
    ({"ingress.enabled": True}, "ingress.enabled without ingress.hosts"),
    ({"httpRoute.enabled": True}, "httpRoute.enabled without httpRoute.parentRefs"),
    ({"certificates.enabled": True}, "certificates.enabled without a source"),
    ({"backup.enabled": True}, "backup.enabled without a destination"),
    (
        {
            "backup.enabled": True,
            "backup.persistence.enabled": True,
            "backup.s3.bucket": "b",
            "backup.s3.existingSecret": "s",
        },
        "backup has two destinations",
    ),
    ({"backup.enabled": True, "backup.s3.bucket": "b"}, "backup.s3 without credentials"),
]

REFUSED_BY_SCHEMA = [
    ({"replicaCount": 0}, "/replicaCount"),
    ({"replicaCount": "3"}, "/replicaCount"),
    ({"replicaCount": 11}, "/replicaCount"),
    ({"replicas": 3}, "replicas"),
    ({"persistance": {"enabled": False}}, "persistance"),
    ({"config": {"BROADCAST_TIME": 1}}, "BROADCAST_TIME"),
    ({"config": {"broadcast_time_ms": 1}}, "broadcast_time_ms"),
    ({"config": {"BROADCAST_TIME_MS": 0}}, "/config/BROADCAST_TIME_MS"),
    ({"config": {"BROADCAST_TIME_MS": "fast"}}, "/config/BROADCAST_TIME_MS"),
    ({"config": {"LOG_LEVEL": "verbose"}}, "/config/LOG_LEVEL"),
    ({"config": {"QUOTA_BYTES": "2Gi"}}, "/config/QUOTA_BYTES"),
    ({"image.digest": "latest"}, "/image/digest"),
    ({"image.pullPolicy": "Sometimes"}, "/image/pullPolicy"),
    ({"image.repository": ""}, "/image/repository"),
    ({"persistence.size": "20 GB"}, "/persistence/size"),
    ({"persistence.retentionPolicy.whenScaled": "Keep"}, "/persistence/retentionPolicy/whenScaled"),
    ({"resources.limit": {"memory": "1Gi"}}, "limit"),
    ({"service.type": "ExternalName"}, "/service/type"),
    ({"service.port": 70000}, "/service/port"),
    ({"topologySpread.host.whenUnsatisfiable": "Never"}, "/topologySpread/host/whenUnsatisfiable"),
    ({"podAnnotations": {"on": True}}, "/podAnnotations/on"),
    ({"networkPolicy.http.from": [{}]}, "/networkPolicy/http/from/0"),
    ({"networkPolicy.http.from": [{"podSelectors": {}}]}, "podSelectors"),
    ({"monitoring.serviceMonitor.interval": 15}, "/monitoring/serviceMonitor/interval"),
    ({"monitoring.dashboards.labels": None, "monitoring.dashboards.label": "x"}, "label"),
    ({"backup.schedule": "at night"}, "/backup/schedule"),
    ({"backup.keep": 0}, "/backup/keep"),
    ({"backup.s3.endpoint": "minio:9000"}, "/backup/s3/endpoint"),
    ({"bindAddress": "localhost"}, "/bindAddress"),
    ({"clusterDomain": "cluster.local."}, "/clusterDomain"),
    ({"rollout.before.timeout": "4m"}, "timeout"),
]


def _why(values: dict[str, object]) -> str:
    with pytest.raises(Refused) as refused:
        template(values)
    return " ".join(str(refused.value).split())


@pytest.mark.parametrize(("values", "why"), GUARDED)
def test_what_does_not_fit_together_is_refused_with_the_reason(
    values: dict[str, object], why: str
) -> None:
    assert why in _why(values)


@pytest.mark.parametrize(("values", "where"), REFUSED_BY_SCHEMA)
def test_the_schema_refuses_nonsense_and_says_where(values: dict[str, object], where: str) -> None:
    told = _why(values)

    assert "don't meet the specifications of the schema" in told
    assert where in told


def test_all_problems_are_told_at_once() -> None:
    told = _why({"replicaCount": 2, "ingress.enabled": True, "backup.enabled": True})

    assert told.count(" - ") >= 3
    assert all(each in told for each in ("replicaCount", "ingress.hosts", "backup.s3.bucket"))


def test_what_is_refused_can_be_allowed_or_mended() -> None:
    """The way out that a refusal names is one."""
    ways: list[dict[str, object]] = [
        {"replicaCount": 4, "allowEvenReplicas": True},
        {
            "config": {
                "BROADCAST_TIME_MS": 300,
                "MIN_ELECTION_TIMEOUT_MS": 1500,
                "MAX_ELECTION_TIMEOUT_MS": 2500,
            }
        },
        {"preStopSeconds": 25, "terminationGracePeriodSeconds": 35},
    ]
    assert all(render(values) for values in ways)
