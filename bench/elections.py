"""How long writes are refused after ``kill -9`` of the leader, with the shipped timeouts.

``python bench/elections.py [TRIALS]``: five nodes; in each trial the leader is killed, and
the clock runs until another node acknowledges a write. Prints median and worst.
"""

import json
import statistics
import sys
import time
import urllib.error
import urllib.request

from local_cluster import LocalCluster, local_cluster

NODES = 5


def write(url: str) -> bool:
    """Whether the write was acknowledged."""
    request = urllib.request.Request(
        url,
        data=json.dumps({"value": time.time()}).encode(),
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def trial(cluster: LocalCluster) -> float:
    """Seconds from the kill to the next acknowledged write."""
    leader = cluster.leader()
    survivor = next(node for node in cluster.nodes if node != leader)
    began_s = time.monotonic()
    cluster.kill(leader)
    while not write(cluster.url(survivor, "/key/bench/election")):
        if time.monotonic() - began_s > 30:
            raise TimeoutError("no write was acknowledged within 30 s of the kill")
    took_s = time.monotonic() - began_s
    cluster.start(leader)
    cluster.leader()
    return took_s


def main() -> None:
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    took_s = []
    with local_cluster(NODES) as cluster:
        for number in range(1, trials + 1):
            took_s.append(trial(cluster))
            print(f"trial {number:2}: {took_s[-1]:.3f} s", flush=True)
    print(f"median {statistics.median(took_s):.3f} s, worst {max(took_s):.3f} s of {trials}")


if __name__ == "__main__":
    main()
