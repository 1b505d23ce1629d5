"""Puts and linearizable gets per second on three nodes, through the leader, by ``wrk``.

``python bench/throughput.py [SECONDS]`` (needs Debian's ``wrk``). Prints a table; every answer's
status is checked. Also prints the resident memory of an idle node, before the load.
"""

import subprocess
import sys
from pathlib import Path

from local_cluster import local_cluster

HERE = Path(__file__).resolve().parent
CONNECTIONS = (1, 16, 64, 256)


def resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def wrk(load: str, url: str, connections: int, seconds: int) -> list[float]:
    """Requests/s, p50 µs, p99 µs, answers that were not 200, broken connections."""
    script = str(HERE / "load.lua")
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "-s", script, url, "--", load]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    line = next(line for line in printed.splitlines() if line.startswith("RESULT"))
    return [float(field) for field in line.split()[1:]]


def main() -> None:
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with local_cluster(3) as cluster:
        leader = cluster.leader()
        print(f"idle: leader {resident_mib(cluster.pid(leader)):.0f} MiB resident", flush=True)
        wrk("put", cluster.url(leader), 16, 2)  # warm up
        print("load  connections  per second  p50 ms  p99 ms  not 200  broken")
        for load in ("put", "get"):
            for connections in CONNECTIONS:
                rate, p50_us, p99_us, refused, broken = wrk(
                    load, cluster.url(leader), connections, seconds
                )
                print(
                    f"{load}   {connections:11}  {rate:10.0f}  {p50_us / 1000:6.2f}"
                    f"  {p99_us / 1000:6.2f}  {refused:7.0f}  {broken:6.0f}",
                    flush=True,
                )
        print(f"after: leader {resident_mib(cluster.pid(leader)):.0f} MiB resident")


if __name__ == "__main__":
    main()
