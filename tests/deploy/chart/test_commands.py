"""What jobs, hooks and the test run: the real command line understands it."""

from argparse import Namespace
from urllib.parse import urlsplit

import pytest

from kvorum.cli.arguments import parse
from tests.deploy.chart.helm import Manifest, one, pod_templates, render
from tests.deploy.chart.test_pods import environment

PATTERN = "prod-kvorum-{}.prod-kvorum-headless.data.svc.cluster.local:8001"


def understood(pod: Manifest) -> Namespace:
    """Raises SystemExit if the command line refuses."""
    container = pod["spec"]["containers"][0]
    told = {name: value for name, value in environment(container).items() if isinstance(value, str)}
    return parse(container["args"], told)


def test_every_pod_runs_a_command_that_there_is(manifests: list[Manifest]) -> None:
    for name, pod in pod_templates(manifests):
        if name.startswith("StatefulSet/"):
            assert pod["spec"]["containers"][0]["args"] == ["serve"]
            assert parse(["serve"], {}).run
        else:
            assert understood(pod).run, name


def test_every_job_asks_the_client_service(manifests: list[Manifest]) -> None:
    names = {
        each["metadata"]["name"]: {port["port"] for port in each["spec"]["ports"]}
        for each in manifests
        if each["kind"] == "Service"
    }
    for name, pod in pod_templates(manifests):
        if not name.startswith("StatefulSet/"):
            endpoint = environment(pod["spec"]["containers"][0])["KVORUM_ENDPOINT"]
            service, namespace, _ = str(urlsplit(endpoint).hostname).split(".")
            assert namespace == "data"
            assert urlsplit(endpoint).port in names[service], name


@pytest.mark.parametrize(
    ("job", "run"),
    [
        ("pre-upgrade", ["rollout", "before", "--timeout", "240s"]),
        ("pre-rollback", ["rollout", "before", "--timeout", "240s", "--force"]),
        ("post-upgrade", ["rollout", "after", "--timeout", "270s"]),
    ],
)
def test_hooks(default: list[Manifest], job: str, run: list[str]) -> None:
    pod = dict(pod_templates(default))[f"Job/prod-kvorum-{job}"]
    members = ["--replicas", "3", "--members", PATTERN]

    assert pod["spec"]["containers"][0]["args"] == [*run[:2], *members, *run[2:]]
    assert understood(pod).replicas == 3


def test_when_hooks_run(default: list[Manifest]) -> None:
    hooks = {
        each["metadata"]["name"]: each["metadata"]["annotations"]
        for each in default
        if "helm.sh/hook" in each["metadata"].get("annotations", {})
    }

    assert {name: told["helm.sh/hook"] for name, told in hooks.items()} == {
        "prod-kvorum-pre-upgrade": "pre-upgrade",
        "prod-kvorum-pre-rollback": "pre-rollback",
        "prod-kvorum-post-upgrade": "post-upgrade,post-rollback",
        "prod-kvorum-selftest": "test",
    }
    for told in hooks.values():
        assert "before-hook-creation" in told["helm.sh/hook-delete-policy"]


def test_hooks_end_before_helm_gives_up(default: list[Manifest]) -> None:
    """Helm waits five minutes for each, unless it is told otherwise; then a reason is better."""
    for job in [each for each in default if each["kind"] == "Job"]:
        arguments = job["spec"]["template"]["spec"]["containers"][0]["args"]
        own = int(arguments[arguments.index("--timeout") + 1].removesuffix("s"))
        assert own < job["spec"]["activeDeadlineSeconds"] < 300


def test_what_runs_before_an_upgrade_needs_nothing_that_the_upgrade_brings(
    full: list[Manifest],
) -> None:
    """Neither a ServiceAccount, nor a ConfigMap, nor a Secret of this release."""
    for phase in ("pre-upgrade", "pre-rollback"):
        spec = dict(pod_templates(full))[f"Job/prod-kvorum-{phase}"]["spec"]
        assert "serviceAccountName" not in spec
        assert "envFrom" not in spec["containers"][0]
        assert [list(volume) for volume in spec["volumes"]] == [["name", "emptyDir"]]


def backup(manifests: list[Manifest]) -> Namespace:
    return understood(one(manifests, "CronJob")["spec"]["jobTemplate"]["spec"]["template"])


def test_a_backup_goes_where_the_values_say(renders: dict[str, list[Manifest]]) -> None:
    into_bucket = one(renders["full"], "CronJob")["spec"]["jobTemplate"]["spec"]["template"]
    container = into_bucket["spec"]["containers"][0]

    assert container["args"][:2] == ["backup", "s3://backups/kvorum/production"]
    assert environment(container)["S3_ENDPOINT"] == "https://minio.example:9000"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        reference = {"name": "kvorum-backup", "key": name}
        assert environment(container)[name] == {"secretKeyRef": reference}
    assert backup(renders["full"]).keep == 14
    assert backup(renders["even"]).prefix == "nightly"
    assert backup(renders["volume-backup"]).prefix == "store"


def test_backups_are_never_two_at_once_and_outlive_the_release(
    renders: dict[str, list[Manifest]],
) -> None:
    assert one(renders["full"], "CronJob")["spec"]["concurrencyPolicy"] == "Forbid"
    claim = one(renders["volume-backup"], "PersistentVolumeClaim", "store-backup")
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    made = [each for each in renders["even"] if each["kind"] == "PersistentVolumeClaim"]
    assert not made, "one that is there already"


@pytest.mark.parametrize(
    ("bucket", "prefix", "destination"),
    [("b", "", "s3://b"), ("b", "/x/", "s3://b/x"), ("b", "x/y", "s3://b/x/y")],
)
def test_a_bucket_and_a_prefix_make_one_url(bucket: str, prefix: str, destination: str) -> None:
    values = {
        "backup.enabled": True,
        "backup.s3.workloadIdentity": True,
        "backup.s3.bucket": bucket,
        "backup.s3.prefix": prefix,
    }
    job = one(render(values), "CronJob")["spec"]["jobTemplate"]["spec"]["template"]
    assert job["spec"]["containers"][0]["args"][1] == destination


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [("", 443), ("http://minio", 80), ("https://minio", 443), ("http://minio:9000/", 9000)],
)
def test_the_policy_opens_the_store_s_port(endpoint: str, port: int) -> None:
    values = {
        "backup.enabled": True,
        "backup.s3.workloadIdentity": True,
        "backup.s3.bucket": "b",
        "backup.s3.endpoint": endpoint,
    }
    policy = one(render(values), "NetworkPolicy", "prod-kvorum-backup")
    assert policy["spec"]["egress"] == [{"ports": [{"port": port, "protocol": "TCP"}]}]
