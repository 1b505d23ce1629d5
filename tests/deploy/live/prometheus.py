"""Debian's Prometheus as a process, and what it knows."""

import asyncio
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import yaml
from msgspec import Struct

from tests.chaos.places import Loopback
from tests.chaos.waiting import eventually

JOB = "kvorum"


def preferred() -> tuple[str, ...]:
    """Before a command: the machine's other work must not make the watched ones look unwell.

    Only root may be preferred.
    """
    return ("nice", "-n", "-15") if os.geteuid() == 0 else ()


class Preferred(Loopback):
    """Nodes that get the processor before other work of this machine."""

    def inside(self, node: int) -> Sequence[str]:
        return preferred()


class Series(Struct, frozen=True):
    """``samples``: time in seconds since 1970, and value."""

    labels: Mapping[str, str]
    samples: list[tuple[float, float]]


class Alert(Struct, frozen=True, order=True):
    name: str
    severity: str


class Prometheus:
    """Scrapes ``targets`` every second, and evaluates ``rules`` as often.

    ``targets``: host:port by the name that becomes the label ``instance``.
    """

    def __init__(
        self, directory: Path, port: int, targets: Mapping[str, str], rules: Path | None = None
    ) -> None:
        self._directory = directory
        self._port = port
        config = {
            "global": {
                "scrape_interval": "1s",
                "scrape_timeout": "1s",
                "evaluation_interval": "1s",
            },
            "rule_files": [str(rules)] if rules else [],
            "scrape_configs": [{"job_name": JOB, "static_configs": _targets(targets)}],
        }
        self._config = directory / "prometheus.yaml"
        self._config.write_text(yaml.safe_dump(config), encoding="utf-8")
        self._client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10.0)
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        with (self._directory / "prometheus.log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *preferred(),
                "prometheus",
                f"--config.file={self._config}",
                f"--storage.tsdb.path={self._directory / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{self._port}",
                stdout=log,
                stderr=log,
            )
        await eventually("Prometheus is ready", self._is_ready)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._client.aclose()
        assert self._process is not None, "it was entered"
        self._process.kill()
        await self._process.wait()

    async def _is_ready(self) -> bool:
        assert self._process is not None
        if self._process.returncode is not None:
            raise AssertionError((self._directory / "prometheus.log").read_text())
        try:
            return (await self._client.get("/-/ready")).status_code == 200
        except httpx.TransportError:
            return False

    # --- asking ------------------------------------------------------------------------

    async def query(self, expr: str) -> list[Series]:
        """As it is now; scalars and NaN are left out."""
        found = await self._ask("query", {"query": expr})
        return [
            Series(one["metric"], samples) for one in found if (samples := _samples([one["value"]]))
        ]

    async def query_range(
        self, expr: str, start_s: float, end_s: float, step_s: float = 1
    ) -> list[Series]:
        values = {"query": expr, "start": start_s, "end": end_s, "step": step_s}
        found = await self._ask("query_range", values)
        return [
            Series(one["metric"], samples) for one in found if (samples := _samples(one["values"]))
        ]

    async def number(self, expr: str) -> float | None:
        """The value of the only series; None without one."""
        found = await self.query(expr)
        return found[0].samples[0][1] if found else None

    async def now_s(self) -> float:
        (now,) = await self.query("vector(time())")
        return now.samples[0][1]

    async def alerts(self, state: str, start_s: float, end_s: float) -> set[Alert]:
        """Those that were ``pending`` or ``firing`` within that time."""
        expr = f'ALERTS{{alertstate="{state}"}}'
        return {
            Alert(one.labels["alertname"], one.labels["severity"])
            for one in await self.query_range(expr, start_s, end_s)
        }

    async def _ask(self, what: str, values: Mapping[str, Any]) -> list[Any]:
        answer = await self._client.get(f"/api/v1/{what}", params=dict(values))
        document = json.loads(answer.text)
        assert document["status"] == "success", f"{values['query']}: {document}"
        result: list[Any] = document["data"]["result"]
        return result


def _targets(targets: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {"targets": [address], "labels": {"instance": name}} for name, address in targets.items()
    ]


def _samples(values: list[list[Any]]) -> list[tuple[float, float]]:
    pairs = [(float(time_s), float(value)) for time_s, value in values]
    return [pair for pair in pairs if not math.isnan(pair[1])]
