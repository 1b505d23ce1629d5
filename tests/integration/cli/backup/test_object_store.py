"""`kvorum backup s3://…`, of a real node into a real S3 server."""

import hashlib
import json
import logging
import os
import signal
from pathlib import Path

import pytest
from werkzeug.wrappers import Request

from tests.integration.app.one_node import OneNode
from tests.support.command_line import CommandLine, ended
from tests.support.s3_server import SECRET_KEY, Fault, S3Server, TestBucket
from tests.unit.cli.backup.fake_node import FakeNode, serving
from tests.unit.storage.logs import flipped

TOKEN = "a-token-of-kubernetes"


def test_it_is_there_and_loads(kvorum: CommandLine, bucket: TestBucket) -> None:
    told = kvorum("backup", f"{bucket.url}/nightly/", "-o", "json").json
    (name,) = bucket.names()
    assert name == f"nightly/{told['name']}"
    assert told["location"] == f"{bucket.url}/{name}"
    content = bucket.content(name)
    assert told["sizeBytes"] == len(content)
    assert told["sha256"] == hashlib.sha256(content).hexdigest()
    looked = kvorum("snapshot", "status", told["location"], "-o", "json").json
    assert (looked["file"], looked["revision"]) == (told["location"], told["revision"])
    assert json.loads(kvorum("get", "_backups/last").out)["name"] == told["name"]


@pytest.mark.usefixtures("small_parts")
def test_a_large_one_goes_up_in_parts(large: CommandLine, bucket: TestBucket) -> None:
    told = large("backup", bucket.url, "-o", "json").json
    (name,) = bucket.names()
    assert told["sizeBytes"] == len(bucket.content(name)) > 2 * (5 << 20)
    assert any("partNumber=3" in request for request in bucket.server.seen)
    assert bucket.unfinished_uploads() == []


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("size", ["kvorum", "large"])
def test_without_reading_it_back_the_checksum_is_compared(
    bucket: TestBucket, size: str, request: pytest.FixtureRequest
) -> None:
    kvorum: CommandLine = request.getfixturevalue(size)
    ran = kvorum("backup", bucket.url, "--no-read-back")
    (name,) = bucket.names()
    assert ran.out.endswith("; loaded, kept, not read back\n")
    assert f"GET /{bucket.name}/{name}?" not in bucket.server.seen


def test_retention(kvorum: CommandLine, bucket: TestBucket) -> None:
    for name in ("kvorum-20200101T000000Z-r1.snapshot", "kvorum-x.snapshot", "a/kvorum-1"):
        bucket.put(f"deep/{name}")
    told = kvorum("backup", f"{bucket.url}/deep", "--keep", "1", "-o", "json").json
    assert told["removed"] == ["kvorum-20200101T000000Z-r1.snapshot"]
    assert bucket.names() == sorted(
        ["deep/a/kvorum-1", "deep/kvorum-x.snapshot", f"deep/{told['name']}"]
    )


def test_one_that_may_not_be_removed_is_a_warning(kvorum: CommandLine, bucket: TestBucket) -> None:
    name = "kvorum-20200101T000000Z-r1.snapshot"
    bucket.put(name)
    bucket.server.faults = [Fault("DELETE", name, 403, "AccessDenied")]
    ran = kvorum("backup", bucket.url, "--keep", "1")
    assert ran.err == (
        f"kvorum: the backup is good, but an older one stays: cannot remove {bucket.url}/{name} at "
        f"http://{bucket.server.host}: access denied; the credentials need s3:DeleteObject\n"
    )


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault("GET", "list-type", 403, "InvalidAccessKeyId"), "does not know AWS_ACCESS_KEY_ID"),
        (Fault("GET", "list-type", 403, "SignatureDoesNotMatch"), "AWS_SECRET_ACCESS_KEY does not"),
        (Fault("GET", "list-type", 400, "ExpiredToken"), "have expired (AWS_SESSION_TOKEN)"),
        (Fault("GET", "list-type", 403, "RequestTimeTooSkewed"), "the clock of this machine"),
        (Fault("GET", "list-type", 301, "PermanentRedirect"), "in another region: set AWS_REGION"),
        (Fault("PUT", "", 403, "AccessDenied"), "access denied; the credentials need s3:PutObject"),
        (Fault("PUT", "", 507, "XMinioStorageFull"), "it is full"),
        (Fault("PUT", "", 418, "Teapot"), "Teapot: as the test says"),
        (Fault("PUT", "", 503, "SlowDown"), "too many 503 error responses, again and again"),
        (Fault("GET", "/kvorum-2", 403, "AccessDenied"), "the credentials need s3:GetObject"),
        (Fault("GET", "/kvorum-2", change=lambda body: body[:-1] + b"!"), "does not hold what was"),
        (Fault("GET", "/kvorum-2", change=lambda body: body[:-1]), "does not hold what was"),
    ],
)
def test_what_goes_wrong_is_told_and_leaves_nothing(
    kvorum: CommandLine,
    bucket: TestBucket,
    fault: Fault,
    words: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    fault.hits = 0
    bucket.server.faults = [fault]
    ran = kvorum("backup", bucket.url, "--keep", "1", code=1)
    assert words in ran.err
    assert ran.err.count("\n") == 1
    assert ran.out == ""
    assert fault.hits > 0
    bucket.server.faults = []
    assert bucket.names() == []
    assert bucket.unfinished_uploads() == []
    assert SECRET_KEY not in ran.err + caplog.text


def test_a_hiccup_is_nothing(kvorum: CommandLine, bucket: TestBucket) -> None:
    hiccup = Fault("PUT", "", 503, "SlowDown", times=2)
    bucket.server.faults = [hiccup]
    kvorum("backup", bucket.url)
    assert hiccup.hits == 2
    assert len(bucket.names()) == 1


def test_a_bucket_that_is_missing(kvorum: CommandLine, server: S3Server) -> None:
    ran = kvorum("backup", "s3://no-such-bucket/x", code=1)
    assert ran.err == (
        f"kvorum: cannot list s3://no-such-bucket/x at http://{server.host}: there is no such "
        "bucket: make it, or name another one\n"
    )


def test_who_may_only_add_objects_can_back_up(kvorum: CommandLine, bucket: TestBucket) -> None:
    bucket.server.faults = [
        Fault(method, "", 403, "AccessDenied") for method in ("GET", "HEAD", "DELETE")
    ]
    kvorum("backup", bucket.url, "--no-read-back")
    refused = kvorum("backup", bucket.url, "--keep", "2", code=1)
    assert "s3:ListBucket" in refused.err
    bucket.server.faults = []
    assert len(bucket.names()) == 1


@pytest.mark.usefixtures("small_parts")
def test_a_part_that_fails_takes_the_upload_back(large: CommandLine, bucket: TestBucket) -> None:
    bucket.server.faults = [Fault("PUT", "partNumber=2", 403, "AccessDenied")]
    large("backup", bucket.url, code=1)
    assert any("partNumber=1" in request for request in bucket.server.seen)
    assert bucket.names() == []
    assert bucket.unfinished_uploads() == []


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_node_that_fails_in_the_middle_takes_the_upload_back(
    large_node: OneNode, bucket: TestBucket, damage: str
) -> None:
    content = large_node.request("GET", "/snapshot").content
    node = FakeNode(content, present=0, records=[])
    if damage == "cut":
        node.sends = 8_000_000
    else:
        node.backup = flipped(content, 8_000_000)
    with serving(node):
        ran = CommandLine(node.url)("backup", bucket.url, code=5 if damage == "cut" else 1)
    assert "broke off after 8000000 bytes" in ran.err or "is not sound" in ran.err
    assert any("partNumber=1" in request for request in bucket.server.seen)
    assert bucket.names() == []
    assert bucket.unfinished_uploads() == []
    assert node.records == []


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
def test_a_signal_takes_the_upload_back(
    large: CommandLine, bucket: TestBucket, number: signal.Signals, code: int
) -> None:
    def interrupt(request: Request) -> None:
        if "partNumber=1" in request.query_string.decode():
            bucket.server.during = None
            os.kill(os.getpid(), number)

    bucket.server.during = interrupt
    with pytest.raises(KeyboardInterrupt) as caught:
        large("backup", bucket.url)
    assert getattr(caught.value, "code", None) == code
    assert not any("partNumber=3" in request for request in bucket.server.seen)
    assert bucket.names() == []
    assert bucket.unfinished_uploads() == []


def test_a_session_token_is_sent(
    kvorum: CommandLine, bucket: TestBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-a-session")
    tokens: set[str | None] = set()
    bucket.server.during = lambda request: tokens.add(request.headers.get("x-amz-security-token"))
    kvorum("backup", bucket.url)
    assert tokens == {"of-a-session"}
    bucket.server.faults = [Fault("PUT", "", 403, "AccessDenied")]
    assert "of-a-session" not in kvorum("backup", bucket.url, code=1).err


def test_the_role_of_a_service_account(
    kvorum: CommandLine, bucket: TestBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a platform gives to a pod: the file of a token, which is changed for credentials."""
    token = tmp_path / "token"
    token.write_text(TOKEN)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/kvorum-backup")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://{bucket.server.host}")
    kvorum("backup", bucket.url)
    assert len(bucket.names()) == 1
    assert any("AssumeRoleWithWebIdentity" in request for request in bucket.server.seen)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("refused", "whoever hands out credentials answered with status 403"),
        ("unreadable", "the token's file cannot be read"),
    ],
)
def test_a_role_that_has_no_credentials(
    what: str, words: str, server: S3Server, tmp_path: Path, node: OneNode
) -> None:
    """As a process: nothing may show on its standard error either."""
    token = tmp_path / "token"
    if what != "unreadable":
        token.write_text(TOKEN)
    server.faults = [Fault("POST", "AssumeRole", 403, "AccessDenied")]
    kvorum = CommandLine(f"http://{node.environ['REST_ADDRESS']}")
    environ = {
        "AWS_ACCESS_KEY_ID": "",
        "AWS_SECRET_ACCESS_KEY": "",
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
        "AWS_ENDPOINT_URL_STS": f"http://{server.host}",
    }
    with kvorum.started("backup", "s3://backups", environ=environ) as process:
        code, out, err = ended(process)
    assert (code, out) == (1, "")
    assert f"no credentials of the role: {words}" in err
    assert TOKEN not in err
    if what != "unreadable":
        assert any(TOKEN in request for request in server.seen), "it was there to be told"


def test_a_store_that_is_down(
    kvorum: CommandLine, server: S3Server, unused_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("S3_ENDPOINT", unused_endpoint)
    ran = kvorum("backup", "s3://backups", code=1)
    assert ran.err == (
        f"kvorum: cannot list s3://backups at {unused_endpoint}: Connection refused, again and "
        "again\n"
    )


def test_a_token_service_that_is_down(
    kvorum: CommandLine,
    server: S3Server,
    unused_endpoint: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    (tmp_path / "token").write_text(TOKEN)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", unused_endpoint)
    ran = kvorum("backup", "s3://backups", code=1)
    assert "whoever hands out credentials cannot be reached" in ran.err
    assert TOKEN not in ran.err


def test_something_else_answers(
    kvorum: CommandLine, node: OneNode, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("S3_ENDPOINT", f"http://{node.environ['REST_ADDRESS']}")
    ran = kvorum("backup", "s3://backups", code=1)
    assert "what answers there is no object store (S3_ENDPOINT)" in ran.err


def test_a_node_is_restored_from_the_store(
    kvorum: CommandLine, bucket: TestBucket, tmp_path: Path
) -> None:
    told = kvorum("backup", bucket.url, "-o", "json").json
    restore = ("snapshot", "restore", told["location"], "--data-dir", f"{tmp_path}/new")
    restored = kvorum(*restore, "-o", "json").json
    assert (restored["keys"], restored["formerRevision"]) == (told["keys"], told["revision"])
    assert (tmp_path / "new" / "identity.json").exists()
    others = (
        "--self-id",
        "A",
        "--self-address",
        "a:1",
        "--other-nodes",
        "b:1",
        "--data-dir",
        f"{tmp_path}/other",
    )
    shown = kvorum(*restore[:3], *others).out
    assert f"kvorum snapshot restore {told['location']} --restore-id" in shown


def test_what_is_not_in_the_store(kvorum: CommandLine, bucket: TestBucket) -> None:
    ran = kvorum("snapshot", "status", f"{bucket.url}/none", code=1)
    assert ran.err == f"kvorum: there is no object {bucket.url}/none\n"
    bucket.put("empty")
    ran = kvorum("snapshot", "status", f"{bucket.url}/empty", code=1)
    assert "it ends inside its head" in ran.err


def test_what_is_damaged_in_the_store(kvorum: CommandLine, bucket: TestBucket) -> None:
    told = kvorum("backup", bucket.url, "-o", "json").json
    bucket.server.faults = [Fault("GET", told["name"], change=lambda body: body[:-20])]
    for command in (("status",), ("restore", "--data-dir", "/nowhere/at/all")):
        ran = kvorum("snapshot", command[0], told["location"], *command[1:], code=1)
        assert "Traceback" not in ran.err
