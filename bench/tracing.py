"""What tracing costs: puts per second without it, with 1 % and with all requests traced.

``python bench/tracing.py [SECONDS] [ROUNDS]`` (needs Debian's ``wrk``). One cluster of three
nodes after the other, in turn, so that whatever else the machine does hits all alike; the
collector is a process of its own and throws everything away. Prints medians and ratios.
"""

import subprocess
import sys
from pathlib import Path
from statistics import median

from local_cluster import local_cluster
from throughput import wrk

HERE = Path(__file__).resolve().parent
CONNECTIONS = (16, 64)
RATIOS = {"off": "", "1 %": "0.01", "100 %": "1"}


def settings_of(ratio: str, endpoint: str) -> dict[str, str]:
    if not ratio:
        return {}
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_TRACES_SAMPLER_ARG": ratio}


def measure(settings: dict[str, str], seconds: int) -> list[float]:
    """Puts per second for each number of connections."""
    with local_cluster(3, settings) as cluster:
        url = cluster.url(cluster.leader())
        wrk("put", url, 16, 2)  # warm up
        rates = []
        for connections in CONNECTIONS:
            rate, *_, refused, broken = wrk("put", url, connections, seconds)
            assert not refused, f"{refused:.0f} answers were not 200"
            assert not broken, f"{broken:.0f} connections broke"
            rates.append(rate)
        return rates


def main() -> None:
    seconds, rounds = (*(int(text) for text in sys.argv[1:3]), 5, 5)[:2]
    command = [sys.executable, str(HERE / "null_collector.py")]
    rates: dict[str, list[list[float]]] = {name: [] for name in RATIOS}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as collector:
        assert collector.stdout is not None
        endpoint = collector.stdout.readline().strip()
        try:
            for number in range(rounds):
                for name, ratio in RATIOS.items():
                    rates[name].append(measure(settings_of(ratio, endpoint), seconds))
                    shown = "  ".join(f"{rate:7.0f}" for rate in rates[name][-1])
                    print(f"round {number + 1}  {name:>6}  {shown}", flush=True)
        finally:
            collector.terminate()
    print("traced   " + "  ".join(f"{c:4} connections  ratio" for c in CONNECTIONS))
    for name, found in rates.items():
        columns = []
        for at in range(len(CONNECTIONS)):
            rate = median(each[at] for each in found)
            ratio = median(
                each[at] / off[at] for each, off in zip(found, rates["off"], strict=True)
            )
            columns.append(f"{rate:14.0f}/s  {ratio:5.2f}")
        print(f"{name:>6}  " + "  ".join(columns))


if __name__ == "__main__":
    main()
