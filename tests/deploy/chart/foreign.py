"""The shapes of kinds that are not Kubernetes' own, as far as the chart uses them.

Written down from the documentation of Prometheus Operator, the Gateway API and cert-manager.
Unknown fields are refused, which an API server may drop silently.
"""

from typing import Any

from jsonschema_rs import validator_for

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string", "minLength": 1}
_DURATION: Schema = {"type": "string", "pattern": r"^([0-9]+(ms|s|m|h))+$"}


def _object(required: str = "", **fields: Schema) -> Schema:
    return {
        "type": "object",
        "required": required.split(),
        "properties": fields,
        "additionalProperties": False,
    }


def _list(item: Schema, least: int = 1) -> Schema:
    return {"type": "array", "items": item, "minItems": least}


_LABELS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
_RELABELING = _object(
    action=_TEXT,
    sourceLabels=_list(_TEXT),
    separator=_TEXT,
    targetLabel=_TEXT,
    regex=_TEXT,
    modulus={"type": "integer"},
    replacement={"type": "string"},
)
_SERVICE_MONITOR = _object(
    "selector endpoints",
    jobLabel=_TEXT,
    namespaceSelector=_object(any={"type": "boolean"}, matchNames=_list(_TEXT)),
    selector=_object(matchLabels=_LABELS, matchExpressions=_list({"type": "object"})),
    endpoints=_list(
        _object(
            "port",
            port=_TEXT,
            path=_TEXT,
            interval=_DURATION,
            scrapeTimeout=_DURATION,
            honorLabels={"type": "boolean"},
            relabelings=_list(_RELABELING),
            metricRelabelings=_list(_RELABELING),
        )
    ),
)
_RULE: Schema = {
    **_object(
        "expr",
        alert=_TEXT,
        record=_TEXT,
        expr=_TEXT,
        keep_firing_for=_DURATION,
        labels=_LABELS,
        annotations=_LABELS,
        **{"for": _DURATION},
    ),
    "oneOf": [{"required": ["alert"]}, {"required": ["record"]}],
}
_PROMETHEUS_RULE = _object(
    "groups",
    groups=_list(_object("name rules", name=_TEXT, interval=_DURATION, rules=_list(_RULE))),
)
_BACKEND = _object("name port", name=_TEXT, port={"type": "integer"}, weight={"type": "integer"})
_MATCH = _object(
    path=_object(
        "type value",
        type={"enum": ["Exact", "PathPrefix", "RegularExpression"]},
        value={"type": "string", "pattern": "^/"},
    )
)
_HTTP_ROUTE = _object(
    "parentRefs rules",
    parentRefs=_list(
        _object(
            "name",
            group=_TEXT,
            kind=_TEXT,
            name=_TEXT,
            namespace=_TEXT,
            sectionName=_TEXT,
            port={"type": "integer"},
        )
    ),
    hostnames=_list(_TEXT),
    rules=_list(
        _object(
            "backendRefs",
            matches=_list(_MATCH),
            backendRefs=_list(_BACKEND),
            timeouts=_object(request=_DURATION, backendRequest=_DURATION),
        )
    ),
)
_CERTIFICATE = _object(
    "secretName issuerRef dnsNames",
    secretName=_TEXT,
    duration=_DURATION,
    renewBefore=_DURATION,
    dnsNames=_list({"type": "string", "pattern": r"^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*$"}),
    issuerRef=_object("name", group=_TEXT, kind={"enum": ["Issuer", "ClusterIssuer"]}, name=_TEXT),
    privateKey=_object(
        algorithm={"enum": ["RSA", "ECDSA", "Ed25519"]},
        size={"type": "integer"},
        rotationPolicy={"enum": ["Never", "Always"]},
    ),
    usages=_list({"enum": ["digital signature", "key encipherment", "server auth", "client auth"]}),
)

SPECS = {
    ("monitoring.coreos.com/v1", "ServiceMonitor"): _SERVICE_MONITOR,
    ("monitoring.coreos.com/v1", "PrometheusRule"): _PROMETHEUS_RULE,
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): _HTTP_ROUTE,
    ("cert-manager.io/v1", "Certificate"): _CERTIFICATE,
}


def is_foreign(manifest: dict[str, Any]) -> bool:
    return (manifest["apiVersion"], manifest["kind"]) in SPECS


def check(manifest: dict[str, Any]) -> None:
    """Raises jsonschema_rs.ValidationError."""
    spec = SPECS[manifest["apiVersion"], manifest["kind"]]
    metadata = _object("name namespace", name=_TEXT, namespace=_TEXT, labels=_LABELS)
    metadata["properties"]["annotations"] = _LABELS
    whole = _object(
        "apiVersion kind metadata spec", apiVersion=_TEXT, kind=_TEXT, metadata=metadata, spec=spec
    )
    validator_for(whole).validate(manifest)
