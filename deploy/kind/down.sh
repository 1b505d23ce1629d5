#!/usr/bin/env bash
# Remove what up.sh made: the kind cluster with all its data. Images stay with docker or podman.
set -euo pipefail
cluster=${CLUSTER:-kvorum}

command -v kind >/dev/null || {
  echo "kind: kind is not on the PATH, so there is no cluster of it to remove" >&2
  exit 1
}
command -v docker >/dev/null || export KIND_EXPERIMENTAL_PROVIDER=podman
clusters=$(kind get clusters)
if ! grep -qx "$cluster" <<<"$clusters"; then
  echo "kind: there is no cluster $cluster" >&2
  exit 0
fi
kind delete cluster --name "$cluster"
