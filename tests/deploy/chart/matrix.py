"""Values under which the chart must be good, each rendered once for all tests."""

from collections.abc import Mapping
from typing import NamedTuple

from tests.deploy.chart.helm import CHART

FILES = {file.name.removesuffix("-values.yaml"): file for file in CHART.glob("ci/*-values.yaml")}


class Case(NamedTuple):
    """A file of ci/ (or none) and values on top of it, under a release's name."""

    values: Mapping[str, object] = {}
    file: str = ""
    release: str = "prod"


CASES = {
    "default": Case(),
    **{name: Case(file=name) for name in FILES},
    "named-like-the-chart": Case(release="kvorum"),
    "long-names": Case(
        {"backup.enabled": True, "backup.persistence.enabled": True},
        release="a-release-whose-name-is-as-long-as-helm-lets-it-be-53",
    ),
    "dotted-release": Case(release="team.store"),
    "no-optional-part": Case(
        {
            "networkPolicy.enabled": False,
            "podDisruptionBudget.enabled": False,
            "serviceAccount.create": False,
            "selftest.enabled": False,
            "rollout.before.enabled": False,
            "rollout.after.enabled": False,
        }
    ),
    "only-the-first-hook": Case({"rollout.after.enabled": False}),
    "only-the-last-hook": Case({"rollout.before.enabled": False}),
    "open-to-named-clients": Case(
        {"networkPolicy.http.from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}
    ),
    "role-instead-of-a-secret": Case(
        {
            "backup.enabled": True,
            "backup.s3.bucket": "backups",
            "backup.s3.workloadIdentity": True,
            "backup.serviceAccountName": "backup",
        }
    ),
    "traces": Case({"config": {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://otel:443/"}}),
    "nulls": Case(
        {
            "podSecurityContext.runAsUser": None,
            "config": {"LOG_LEVEL": None, "QUOTA_BYTES": 0},
            "resources.limits": None,
            "commonLabels": None,
            "podLabels": None,
            "jobPodLabels": None,
            "jobPodAnnotations": None,
            "backup.enabled": True,
            "backup.persistence.enabled": True,
            "backup.podAnnotations": None,
            "backup.persistence.annotations": None,
        }
    ),
    "pods-deleted-by-hand": Case({"updateStrategy.type": "OnDelete"}),
    "jobs-without-a-sidecar": Case(
        {
            "jobPodLabels": {"sidecar.istio.io/inject": "false"},
            "jobPodAnnotations": {"linkerd.io/inject": "disabled"},
            "backup.enabled": True,
            "backup.persistence.enabled": True,
            "backup.podAnnotations": {"example.com/backup": "yes"},
        }
    ),
    "strict-placement": Case(
        {
            "topologySpread.zone.whenUnsatisfiable": "DoNotSchedule",
            "topologySpread.host.enabled": False,
            "priorityClassName": "high",
        }
    ),
}
