"""What tracing costs: puts per second without it, with 1 % and with all requests traced.

``python -m bench.tracing [SECONDS] [ROUNDS]`` (needs Debian's ``wrk``). One cluster of three
nodes after the other, in turn, so that whatever else the machine does hits all alike; the
collector is a process of its own and throws everything away. Prints medians and ratios, and
the processor time that the leader took per put, which other load on the machine hardly changes.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from bench.dialects import LOADS, Keys, KvorumDialect
from bench.generators import frames, wrk
from bench.local_cluster import local_cluster

HERE = Path(__file__).resolve().parent
CONNECTIONS = (16, 64)
RATIOS = {"off": "", "1 %": "0.01", "100 %": "1"}


def settings_of(ratio: str, endpoint: str) -> dict[str, str]:
    if not ratio:
        return {}
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_TRACES_SAMPLER_ARG": ratio}


def requests_file() -> Path:
    """Puts of 1,000 keys in turn, 256-byte values."""
    with tempfile.NamedTemporaryFile(prefix="kvorum-bench-", delete=False) as file:
        file.write(frames(LOADS["put"].requests(KvorumDialect(), Keys("bench/"))))
        return Path(file.name)


def processor_s(pid: int) -> float:
    """That a process has taken so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(settings: dict[str, str], puts: Path, seconds: int) -> list[tuple[float, float]]:
    """Puts per second, and µs of the leader's processor per put, by number of connections."""
    with local_cluster(3, settings) as cluster:
        leader = cluster.leader()
        url, pid = cluster.url(leader), cluster.pid(leader)
        wrk(puts, url, 16, 2)  # warm up
        found = []
        for connections in CONNECTIONS:
            before_s = processor_s(pid)
            run = wrk(puts, url, connections, seconds)
            assert not run.refused, f"{run.refused} answers were not 200"
            assert not run.broken, f"{run.broken} connections broke"
            found.append((run.per_s, (processor_s(pid) - before_s) / run.requests * 1e6))
        return found


def main() -> None:
    seconds, rounds = (*(int(text) for text in sys.argv[1:3]), 5, 5)[:2]
    command = [sys.executable, str(HERE / "null_collector.py")]
    puts = requests_file()
    measured: dict[str, list[list[tuple[float, float]]]] = {name: [] for name in RATIOS}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as collector:
        assert collector.stdout is not None
        endpoint = collector.stdout.readline().strip()
        try:
            for number in range(rounds):
                for name, ratio in RATIOS.items():
                    found = measure(settings_of(ratio, endpoint), puts, seconds)
                    measured[name].append(found)
                    shown = "  ".join(f"{rate:7.0f}/s {cpu_us:4.0f} µs" for rate, cpu_us in found)
                    print(f"round {number + 1}  {name:>6}  {shown}", flush=True)
        finally:
            collector.terminate()
            puts.unlink()
    for at, connections in enumerate(CONNECTIONS):
        print(f"{connections} connections: traced, puts/s, ratio; µs of processor per put, ratio")
        for name in RATIOS:
            told = []
            for which in (0, 1):
                off = [each[at][which] for each in measured["off"]]
                these = [each[at][which] for each in measured[name]]
                middle = median(one / other for one, other in zip(these, off, strict=True))
                told.append(f"{median(these):7.0f}  {middle:5.2f}")
            print(f"{name:>8}  {'    '.join(told)}")


if __name__ == "__main__":
    main()
