"""Endpoint and credentials from the environment."""

import sys

import pytest

from kvorum.cli.failed import CommandFailed
from kvorum.cli.object_store.access import Keys, access_of
from kvorum.cli.object_store.location import S3Location, parse_location
from kvorum.cli.object_store.opening import open_bucket

KEYS = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}


def test_of_a_store_elsewhere() -> None:
    access = access_of({**KEYS, "S3_ENDPOINT": "http://minio.svc:9000/"})
    assert (access.host, access.is_secure, access.region) == ("minio.svc:9000", False, "us-east-1")
    assert access.endpoint == "http://minio.svc:9000"
    assert access.keys == Keys("id", "secret")


def test_of_aws() -> None:
    access = access_of({**KEYS, "S3_ENDPOINT": "", "AWS_SESSION_TOKEN": "token"})
    assert (access.host, access.is_secure, access.region) == ("s3.amazonaws.com", True, "")
    assert access.keys == Keys("id", "secret", "token")
    assert access_of({**KEYS, "AWS_DEFAULT_REGION": "eu-1"}).region == "eu-1"
    assert access_of({**KEYS, "AWS_DEFAULT_REGION": "a", "AWS_REGION": "b"}).region == "b"


def test_line_ends_of_secrets_are_not_meant() -> None:
    """``echo secret | base64`` puts one there, and signatures would be wrong."""
    assert access_of({name: f"{value}\n" for name, value in KEYS.items()}).keys == Keys(
        "id", "secret"
    )


def test_a_role() -> None:
    told = {"AWS_WEB_IDENTITY_TOKEN_FILE": "/token", "AWS_ENDPOINT_URL_STS": "http://sts"}
    access = access_of(told)
    assert (access.keys, access.sts_endpoint) == (None, "http://sts")
    assert (
        access_of({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1"}).keys is None
    )
    assert access_of({**told, **KEYS}).keys == Keys("id", "secret"), "keys win"


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "there are no credentials for the object store: set AWS_ACCESS_KEY_ID and"),
        ({"AWS_ACCESS_KEY_ID": "id"}, "AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not"),
        (
            {"AWS_SECRET_ACCESS_KEY": "secret"},
            "AWS_SECRET_ACCESS_KEY is set, but AWS_ACCESS_KEY_ID",
        ),
        ({**KEYS, "S3_ENDPOINT": "minio:9000"}, "'minio:9000', which is no URL such as"),
        (
            {**KEYS, "S3_ENDPOINT": "http://minio/bucket"},
            "the bucket belongs into s3://bucket/path",
        ),
        ({**KEYS, "S3_ENDPOINT": "http://[::1"}, "S3_ENDPOINT is no URL"),
        ({**KEYS, "S3_ENDPOINT": "http://minio:port"}, "S3_ENDPOINT is no URL"),
        ({**KEYS, "S3_ENDPOINT": "http://u:secret@minio"}, "S3_ENDPOINT must hold no credentials"),
    ],
)
def test_what_is_wrong_is_told_without_secrets(environ: dict[str, str], words: str) -> None:
    with pytest.raises(CommandFailed) as caught:
        open_bucket(S3Location("bucket"), environ)
    assert caught.value.code == 2
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


def test_nothing_prints_the_keys() -> None:
    assert "secret" not in repr(access_of(KEYS))


def test_without_the_library_the_way_to_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("bucket", "credentials", "troubles"):
        monkeypatch.delitem(sys.modules, f"kvorum.cli.object_store.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "minio", None)
    with pytest.raises(CommandFailed) as caught:
        open_bucket(S3Location("bucket"), KEYS)
    assert str(caught.value) == "s3://bucket needs the library minio: pip install 'kvorum[s3]'"


def test_locations() -> None:
    location = parse_location("s3://backups/kvorum/production/")
    assert location == S3Location("backups", "kvorum/production")
    assert str(location) == "s3://backups/kvorum/production"
    assert location.within("x") == "kvorum/production/x"
    assert S3Location("backups").within("x") == "x"
    assert str(parse_location("S3://backups/")) == "s3://backups"
