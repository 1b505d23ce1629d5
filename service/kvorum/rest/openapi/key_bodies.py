"""Bodies that write keys, as JSON Schema: what structs cannot say is which members go together."""

from kvorum.rest.coordination_schemas import LEASE_PATTERN
from kvorum.rest.lease_fields import TTL_S_MAX
from kvorum.rest.openapi.parts import JsonObject
from kvorum.rest.query import REVISION_MAX

_BASE64 = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_MEDIA_TYPE = "^[A-Za-z0-9.+-]{1,60}/[A-Za-z0-9.+-]{1,60}$"
_NOT_BYTES = "^(application/json|application/x-www-form-urlencoded|multipart/form-data|.*[+]json)$"

_ANY_JSON: JsonObject = {"description": "Any JSON value.", "examples": [{"colour": "green"}]}
_KEY: JsonObject = {
    "type": "string",
    "minLength": 1,
    "description": "Any text; at most KEY_BYTES_MAX bytes of UTF-8.",
    "examples": ["colour"],
}
_BOUND = {"type": "string"}
_VALUE: JsonObject = {
    "value": _ANY_JSON,
    "valueBase64": {
        "type": "string",
        "pattern": _BASE64,
        "description": "Instead of `value`: any bytes, in base64 with padding.",
    },
    "contentType": {
        "type": "string",
        "pattern": _MEDIA_TYPE,
        "not": {"pattern": _NOT_BYTES},
        "default": "application/octet-stream",
        "description": "With `valueBase64`: the media type under which the bytes are given back.",
    },
    "lease": {
        "type": "string",
        "pattern": LEASE_PATTERN,
        "description": "The key is deleted when this lease ends. A write without it takes the key "
        "out of its lease.",
    },
    "ttlSeconds": {
        "type": "number",
        "minimum": 1,
        "maximum": TTL_S_MAX,
        "description": "Instead of `lease`: the key is deleted after so long, unless it is "
        "written again.",
    },
}
_VALUE_RULES: JsonObject = {
    "oneOf": [
        {"required": ["value"], "not": {"required": ["contentType"]}},
        {"required": ["valueBase64"]},
    ],
    "not": {"required": ["lease", "ttlSeconds"]},
}
_SELECTOR: JsonObject = {
    "key": _KEY,
    "prefix": _BOUND | {"description": "All keys that begin with it; empty: every key."},
    "start": _BOUND | {"description": "All keys from this one on."},
    "end": _BOUND | {"description": "All keys up to, but without, this one."},
}
_SELECTOR_RULES: JsonObject = {
    "oneOf": [
        {"required": ["key"]},
        {"required": ["prefix"]},
        {"anyOf": [{"required": ["start"]}, {"required": ["end"]}]},
    ]
}


def _object(description: str, properties: JsonObject, **rules: object) -> JsonObject:
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "additionalProperties": False,
        **rules,
    }


def _limit(description: str, **more: int) -> JsonObject:
    return {
        "type": "integer",
        "minimum": 1,
        "maximum": 10_000,
        "description": description,
        **more,
    }


def _named(name: str) -> JsonObject:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(name: str, description: str, **rules: object) -> JsonObject:
    return {
        "type": "array",
        "items": _named(name),
        "maxItems": 512,
        "description": description,
        **rules,
    }


def _one_of(description: str, *names: str) -> JsonObject:
    members = {name: _named(f"{name.capitalize()}Operation") for name in names}
    return _object(description, members, minProperties=1, maxProperties=1)


def body_ref(name: str) -> JsonObject:
    """A reference to one of :func:`key_schemas`."""
    return _named(name)


def key_schemas() -> JsonObject:
    """By name."""
    return {
        "PutBody": _object("What to store, and how long.", _VALUE, **_VALUE_RULES),
        "PutOperation": _object(
            "Set a key.", {"key": _KEY, **_VALUE}, required=["key"], **_VALUE_RULES
        ),
        "DeleteOperation": _object(
            "Delete a key, or several.",
            {**_SELECTOR, "limit": _limit("The first so many keys; without it: all of them.")},
            **_SELECTOR_RULES,
        ),
        "GetOperation": _object(
            "Read a key, or several.",
            {
                **_SELECTOR,
                "limit": _limit(
                    "Keys, at most; all reads of a branch together: 10,000.", default=100
                ),
            },
            **_SELECTOR_RULES,
        ),
        "WriteOperation": _one_of("A put or a delete.", "put", "delete"),
        "Operation": _one_of("A put, a delete or a get.", "put", "delete", "get"),
        "Compare": _compare(),
        "TxnBody": _txn_body(),
        "BatchBody": _object(
            "Writes that are applied together.",
            {
                "operations": _list(
                    "WriteOperation", "No key may be written by two of them.", minItems=1
                )
            },
            required=["operations"],
        ),
    }


def _txn_body() -> JsonObject:
    return _object(
        "If all of `compare` hold, `then` is done, otherwise `else`; all at one revision.",
        {
            "compare": _list("Compare", "None: `then` is done in any case."),
            "then": _list("Operation", "No key may be written by two of them."),
            "else": _list("Operation", "No key may be written by two of them."),
        },
        minProperties=1,
    )


def _compare() -> JsonObject:
    operators = ["=", "!=", "<", ">"]
    number = {"type": "integer", "minimum": 0, "maximum": REVISION_MAX}

    def rule(targets: list[str], value: JsonObject, *more: str) -> JsonObject:
        properties = {"target": {"enum": targets}, "value": value, "op": {"enum": [*more]}}
        return {"properties": properties, "not": {"required": ["valueBase64"]}}

    of_value: JsonObject = {
        "properties": {"target": {"enum": ["value"]}, "op": {"enum": operators}},
        "oneOf": [{"required": ["value"]}, {"required": ["valueBase64"]}],
    }
    of_number = rule(["version", "createRevision", "modRevision"], number, *operators)
    lease = {"type": "string", "pattern": "^[A-Za-z0-9._-]{0,64}$"}
    of_lease = rule(["lease"], lease, "=", "!=")
    of_existence = rule(["exists"], {"type": "boolean", "default": True}, "=", "!=")
    return _object(
        "What must hold of a key. Of a range it must hold for every key that is there: "
        "`exists` with `value` false says that there is none. A key that does not exist has "
        "version and revisions 0.",
        {
            **_SELECTOR,
            "target": {
                "type": "string",
                "enum": [
                    "value",
                    "version",
                    "createRevision",
                    "modRevision",
                    "lease",
                    "exists",
                ],
            },
            "op": {
                "type": "string",
                "enum": operators,
                "default": "=",
                "description": "JSON values are equal as in compare-and-set; `<` and `>` hold "
                "between two numbers or two strings, never otherwise.",
            },
            "value": {"description": "Of the kind of the target."},
            "valueBase64": _VALUE["valueBase64"],
        },
        required=["target"],
        allOf=[
            _SELECTOR_RULES,
            {
                "oneOf": [
                    of_value,
                    of_number | {"required": ["value"]},
                    of_lease | {"required": ["value"]},
                    of_existence,
                ]
            },
        ],
    )
