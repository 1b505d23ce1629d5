"""Programs that record how they are called instead of doing anything, on a PATH of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
KIND = ROOT / "deploy" / "kind"
IMAGE_ID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
# What the scripts use besides: everything else of this machine stays out of sight, Git too, which
# only a clone has a use for.
REAL = ("bash", "basename", "cat", "cksum", "dirname", "env", "grep", "mktemp", "rm", "sed")
SCRIPT = f"""#!/usr/bin/env bash
call="$(basename "$0") $*"
echo "$call" >>"$CALLS"
[ -z "${{FAIL:-}}" ] || ! [[ $call =~ $FAIL ]] || {{ echo "stand-in: refused" >&2; exit 7; }}
case $call in
  "kind get clusters") echo "${{CLUSTERS:-}}" ;;
  *" image inspect "*) echo "sha256:{IMAGE_ID}" ;;
  *" apply "*"--filename -") cat >>"$APPLIED"; echo "---" >>"$APPLIED" ;;
  *" create configmap "*) echo "configmap: $call" ;;
esac
env | grep '^KIND_' >>"$CALLS" || true
"""


class StandIns:
    """A PATH with the named programs; :meth:`run` starts a script of deploy/kind with it."""

    def __init__(self, directory: Path, *programs: str) -> None:
        self._path = directory / "bin"
        self._path.mkdir()
        self._calls = directory / "calls"
        self._applied = directory / "applied"
        for name in REAL:
            found = shutil.which(name)
            assert found is not None, name
            (self._path / name).symlink_to(found)
        for name in programs:
            program = self._path / name
            program.write_text(SCRIPT)
            program.chmod(0o755)

    def run(self, script: str, **environ: str) -> subprocess.CompletedProcess[str]:
        self._calls.write_text("")
        self._applied.write_text("")
        told = {
            "PATH": str(self._path),
            "HOME": os.environ.get("HOME", "/"),
            "TMPDIR": str(self._path.parent),
            "CALLS": str(self._calls),
            "APPLIED": str(self._applied),
            **environ,
        }
        return subprocess.run(
            [KIND / script], env=told, capture_output=True, text=True, check=False, timeout=60
        )

    @property
    def calls(self) -> list[str]:
        return self._calls.read_text().splitlines()

    @property
    def applied(self) -> str:
        """All that came in at `kubectl apply`."""
        return self._applied.read_text()
