"""A container's environment, command and arguments by the rules of Kubernetes.

Later sources win: links to Services, ``envFrom`` in its order, ``env`` in its order. ``$(NAME)``
is replaced where NAME is defined *before* that place, and stays as it is where it is not;
``$$(NAME)`` is the way to write it literally (API reference, Container v1: env, command, args).
"""

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from tests.deploy.pods.objects import Manifest, Refused, name_of

_REFERENCE = re.compile(r"\$(?:\$|\(([^()]*)\))")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class Sources(Struct, frozen=True):
    """What a pod's environment is made from."""

    config_maps: Mapping[str, Manifest]
    secrets: Mapping[str, Manifest]
    links: Mapping[str, str]  # see :func:`service_links`
    field: Callable[[str], str]  # a path such as metadata.name → its value


def expand(text: str, defined: Mapping[str, str]) -> str:
    """Replace the references whose names are defined."""

    def replacement(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return defined.get(match[1], match[0])

    return _REFERENCE.sub(replacement, text)


def environment(container: Manifest, sources: Sources) -> dict[str, str]:
    """Raises :class:`Refused` where a pod would stay in CreateContainerConfigError."""
    defined = dict(sources.links)
    for source in container.get("envFrom") or ():
        defined.update(_all_of(source, sources))
    for variable in container.get("env") or ():
        value = _value(variable, defined, sources)
        if value is not None:
            defined[variable["name"]] = value
    return defined


def command_line(
    container: Manifest, entrypoint: Sequence[str], arguments: Sequence[str], env: Mapping[str, str]
) -> list[str]:
    """``command`` replaces the image's ENTRYPOINT and its CMD, ``args`` only the CMD."""
    command = container.get("command")
    args = container.get("args")
    words = [*(command or entrypoint), *(args or (() if command else arguments))]
    return [expand(word, env) for word in words]


def _all_of(source: Manifest, sources: Sources) -> Iterator[tuple[str, str]]:
    prefix = source.get("prefix", "")
    for reference, tables in (
        (source.get("configMapRef"), sources.config_maps),
        (source.get("secretRef"), sources.secrets),
    ):
        if reference is not None:
            content = _content(reference, tables)
            yield from ((f"{prefix}{name}", value) for name, value in content.items())


def _value(variable: Manifest, defined: Mapping[str, str], sources: Sources) -> str | None:
    """None: optional, and not there."""
    origin = variable.get("valueFrom")
    if origin is None:
        return expand(variable.get("value", ""), defined)
    match origin:
        case {"fieldRef": {"fieldPath": path}}:
            return sources.field(str(path))
        case {"configMapKeyRef": reference}:
            return _entry(reference, sources.config_maps)
        case {"secretKeyRef": reference}:
            return _entry(reference, sources.secrets)
    raise Refused(f"{variable['name']}: the harness knows no source {sorted(origin)}")


def _entry(reference: Manifest, tables: Mapping[str, Manifest]) -> str | None:
    value: str | None = _content(reference, tables).get(reference["key"])
    if value is None and not reference.get("optional"):
        raise Refused(f"no key {reference['key']} in {reference['name']}")
    return value


def _content(reference: Manifest, tables: Mapping[str, Manifest]) -> dict[str, str]:
    table = tables.get(reference["name"])
    if table is not None:
        return text_of(table)
    if reference.get("optional"):
        return {}
    raise Refused(f"{reference['name']} not found")


def text_of(table: Manifest) -> dict[str, str]:
    """Of a ConfigMap or Secret."""
    encoded = table.get("data") or {}
    if table["kind"] == "ConfigMap":
        return {name: _text(value, name) for name, value in encoded.items()}
    decoded = {name: base64.b64decode(value).decode() for name, value in encoded.items()}
    return {**decoded, **(table.get("stringData") or {})}


def _text(value: object, name: str) -> str:
    """The API server takes nothing else."""
    if not isinstance(value, str):
        raise Refused(f"ConfigMap: {name} must be a string, not {value!r}")
    return value


def fields(pod: Manifest, *, ip: str, node: str) -> Callable[[str], str]:
    """The downward API of a pod."""

    def field(path: str) -> str:
        if subscript := _SUBSCRIPT.fullmatch(path):
            return str((pod["metadata"].get(subscript[1]) or {}).get(subscript[2], ""))
        simple: dict[str, str] = {
            "metadata.name": name_of(pod),
            "metadata.namespace": pod["metadata"]["namespace"],
            "metadata.uid": pod["metadata"]["uid"],
            "spec.nodeName": node,
            "spec.serviceAccountName": pod["spec"].get("serviceAccountName", "default"),
            "status.podIP": ip,
        }
        if path not in simple:
            raise Refused(f"the harness knows no field {path}")
        return simple[path]

    return field


def service_links(services: Iterable[Manifest], ip_of: Callable[[str], str]) -> dict[str, str]:
    """The variables that tell of a namespace's Services, in the manner of Docker's links.

    A Service called kvorum makes KVORUM_PORT and more, which a program may mistake for settings.
    """
    links = {}
    for service in services:
        if service["spec"].get("clusterIP") == "None":
            continue
        name, ip = name_of(service).upper().replace("-", "_"), ip_of(name_of(service))
        ports = service["spec"]["ports"]
        links[f"{name}_SERVICE_HOST"] = ip
        links[f"{name}_SERVICE_PORT"] = str(ports[0]["port"])
        links[f"{name}_PORT"] = f"tcp://{ip}:{ports[0]['port']}"
        for port in ports:
            if port.get("name"):
                suffix = port["name"].upper().replace("-", "_")
                links[f"{name}_SERVICE_PORT_{suffix}"] = str(port["port"])
            one = f"{name}_PORT_{port['port']}_TCP"
            links |= {one: f"tcp://{ip}:{port['port']}", f"{one}_ADDR": ip, f"{one}_PROTO": "tcp"}
            links[f"{one}_PORT"] = str(port["port"])
    return links
