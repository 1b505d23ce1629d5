"""What a container is started with, by the rules of Kubernetes."""

import base64

import pytest

from tests.deploy.pods.environment import (
    Sources,
    command_line,
    environment,
    expand,
    fields,
    service_links,
)
from tests.deploy.pods.objects import Manifest, Refused

POD: Manifest = {
    "metadata": {"name": "kv-0", "namespace": "db", "uid": "u", "labels": {"app": "kv"}},
    "spec": {"serviceAccountName": "kv"},
}


def sources() -> Sources:
    settings = {"kind": "ConfigMap", "data": {"A": "map", "B": "map"}}
    secret = {"kind": "Secret", "data": {"B": base64.b64encode(b"secret").decode()}}
    return Sources(
        config_maps={"settings": settings},
        secrets={"hidden": secret},
        links={"A": "link", "C": "link"},
        field=fields(POD, ip="198.19.0.1", node="node-1"),
    )


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(NAME).svc", "kv-0.svc"),
        ("$(UNKNOWN)", "$(UNKNOWN)"),
        ("$$(NAME)", "$(NAME)"),
        ("$$$(NAME)", "$kv-0"),
        ("$NAME $(NAME", "$NAME $(NAME"),
        ("100$", "100$"),
    ],
)
def test_references_are_replaced_where_they_are_defined(text: str, expanded: str) -> None:
    assert expand(text, {"NAME": "kv-0"}) == expanded


def test_later_sources_win() -> None:
    container: Manifest = {
        "envFrom": [
            {"configMapRef": {"name": "settings"}},
            {"secretRef": {"name": "hidden"}},
            {"configMapRef": {"name": "absent", "optional": True}},
        ],
        "env": [
            {"name": "LATE", "value": "$(EARLY)"},
            {"name": "EARLY", "value": "$(B)"},
            {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        ],
    }
    assert environment(container, sources()) == {
        "A": "map",
        "B": "kv",
        "C": "link",
        "LATE": "$(EARLY)",  # defined only after it
        "EARLY": "secret",
    }


def test_a_pod_gets_its_name_before_what_is_made_of_it() -> None:
    container: Manifest = {
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "ADDRESS", "value": "$(POD_NAME).$(IP):1"},
        ],
    }
    assert environment(container, sources())["ADDRESS"] == "kv-0.198.19.0.1:1"


def test_a_source_that_is_not_there_keeps_the_container_from_starting() -> None:
    for source in ({"configMapRef": {"name": "absent"}}, {"secretRef": {"name": "absent"}}):
        with pytest.raises(Refused, match="absent not found"):
            environment({"envFrom": [source]}, sources())
    key = {"secretKeyRef": {"name": "hidden", "key": "NONE"}}
    with pytest.raises(Refused, match="no key NONE"):
        environment({"env": [{"name": "X", "valueFrom": key}]}, sources())


def test_a_number_in_a_config_map_is_refused_as_the_api_server_does() -> None:
    table = Sources(
        config_maps={"settings": {"kind": "ConfigMap", "data": {"N": 3}}},
        secrets={},
        links={},
        field=fields(POD, ip="", node=""),
    )
    with pytest.raises(Refused, match="N must be a string"):
        environment({"envFrom": [{"configMapRef": {"name": "settings"}}]}, table)


def test_a_command_replaces_the_images_arguments_as_well() -> None:
    image = (["tini", "--", "kvorum"], ["serve"])
    assert command_line({}, *image, {}) == ["tini", "--", "kvorum", "serve"]
    args: Manifest = {"args": ["rollout", "$(WHEN)"]}
    assert command_line(args, *image, {"WHEN": "before"}) == [*image[0], "rollout", "before"]
    assert command_line({"command": ["sh"]}, *image, {}) == ["sh"]


def test_services_leave_links_but_headless_ones_do_not() -> None:
    port = {"name": "http", "port": 8081}
    services: list[Manifest] = [
        {"metadata": {"name": "kv-main"}, "spec": {"ports": [port]}},
        {"metadata": {"name": "kv-all"}, "spec": {"clusterIP": "None", "ports": [port]}},
    ]
    links = service_links(services, lambda name: "198.19.0.230")
    assert links["KV_MAIN_PORT"] == "tcp://198.19.0.230:8081"
    assert links["KV_MAIN_SERVICE_PORT_HTTP"] == "8081"
    assert not any(name.startswith("KV_ALL") for name in links)
