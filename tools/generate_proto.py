"""Generate ``service/kvorum/transport/pb`` from ``proto/*.proto``.

    python tools/generate_proto.py          write the generated files
    python tools/generate_proto.py --check  exit 1 if the committed ones are out of date

Needs the packages ``grpcio-tools`` and ``mypy-protobuf``.
"""

import argparse
import re
import shutil
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc  # type: ignore[import-untyped] # it ships no types

ROOT = Path(__file__).resolve().parent.parent
PROTO_DIRECTORY = ROOT / "proto"
PROTOS = ("kvorum.proto", "raft.proto")
PACKAGE = "kvorum.transport.pb"
OUTPUT_DIRECTORY = ROOT / "service" / Path(*PACKAGE.split("."))
ENDINGS = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi")
GENERATED = tuple(f"{Path(proto).stem}{ending}" for proto in PROTOS for ending in ENDINGS)


class GenerationError(Exception):
    """The generator could not run, or did not write what was expected."""


def plugin(name: str) -> str:
    """``--plugin`` for a protoc plugin installed beside this interpreter, or on PATH."""
    path = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if path is None:
        raise GenerationError(f"{name} not found: pip install mypy-protobuf")
    return f"--plugin={name}={path}"


def qualify(text: str) -> str:
    """protoc imports its siblings as top-level modules; ours live in a package."""
    modules = "|".join(f"{Path(proto).stem}_pb2" for proto in PROTOS)
    return re.sub(rf"^import ({modules})\b", rf"from {PACKAGE} import \1", text, flags=re.MULTILINE)


def generate(target: Path) -> None:
    """Write the generated modules to ``target``."""
    status = protoc.main(
        [
            "protoc",
            plugin("protoc-gen-mypy"),
            plugin("protoc-gen-mypy_grpc"),
            f"--proto_path={PROTO_DIRECTORY}",
            f"--proto_path={files('grpc_tools') / '_proto'}",
            f"--python_out={target}",
            f"--grpc_python_out={target}",
            f"--mypy_out=quiet:{target}",
            f"--mypy_grpc_out=quiet:{target}",
            *PROTOS,
        ]
    )
    if status != 0:
        raise GenerationError(f"protoc failed with status {status}")
    for name in GENERATED:
        path = target / name
        path.write_text(qualify(path.read_text(encoding="utf-8")), encoding="utf-8")


def stale(expected: Path, actual: Path) -> list[str]:
    """Names of the generated files that are missing from ``actual`` or differ."""
    return [
        name
        for name in GENERATED
        if not (actual / name).is_file()
        or (actual / name).read_bytes() != (expected / name).read_bytes()
    ]


def check() -> int:
    with tempfile.TemporaryDirectory() as directory:
        generate(Path(directory))
        names = stale(Path(directory), OUTPUT_DIRECTORY)
    if not names:
        return 0
    print(
        f"{', '.join(names)} in {OUTPUT_DIRECTORY.relative_to(ROOT)} out of date with "
        f"{PROTO_DIRECTORY.name}/: run python tools/generate_proto.py and commit the result",
        file=sys.stderr,
    )
    return 1


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare only, write nothing")
    arguments = parser.parse_args()
    try:
        if arguments.check:
            return check()
        generate(OUTPUT_DIRECTORY)
    except GenerationError as error:
        print(f"generate_proto: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
