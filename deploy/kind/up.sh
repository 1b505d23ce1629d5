#!/usr/bin/env bash
# From nothing to three kvorum nodes with Prometheus and Grafana on kind. May be run again: it keeps
# what is there and brings it up to date. Needs kind, kubectl, helm, and docker or podman.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
chart=$root/deploy/helm/kvorum
cluster=${CLUSTER:-kvorum}
wait=${WAIT:-5m}

current=start
archive=
step() {
  current=$1
  echo "kind: $current" >&2
}
on_exit() {
  local code=$?
  [ -z "$archive" ] || rm -f "$archive"
  [ "$code" -eq 0 ] || echo "kind: FAILED: $current (see above; run it again when that is mended)" >&2
}
trap on_exit EXIT

# Never another cluster than this one, whatever the current context is.
kubectl_here() { kubectl --context "kind-$cluster" "$@"; }
helm_here() { helm --kube-context "kind-$cluster" --namespace kvorum "$@"; }

check_programs() {
  local missing=0
  need() {
    command -v "$1" >/dev/null && return
    echo "  $1 is not on the PATH: $2" >&2
    missing=1
  }
  need kind "https://kind.sigs.k8s.io/docs/user/quick-start/#installation"
  need kubectl "https://kubernetes.io/docs/tasks/tools/"
  need helm "https://helm.sh/docs/intro/install/"
  engine=${ENGINE:-}
  for candidate in docker podman; do
    [ -n "$engine" ] || ! command -v "$candidate" >/dev/null || engine=$candidate
  done
  need "${engine:-docker}" "https://docs.docker.com/get-docker/, or podman"
  [ "$missing" -eq 0 ] || exit 1
  "$engine" info >/dev/null 2>&1 || {
    echo "  $engine does not answer: is it running, and may you use it? Try: $engine info" >&2
    exit 1
  }
  [ "$engine" != podman ] || export KIND_EXPERIMENTAL_PROVIDER=podman
}

create_cluster() {
  local clusters
  clusters=$(kind get clusters)
  if grep -qx "$cluster" <<<"$clusters"; then
    echo "  $cluster is there already" >&2
    return
  fi
  kind create cluster --name "$cluster" --config "$here/cluster.yaml" --wait "$wait"
}

# Tagged by its contents, so that a new build makes new pods and the same one does not.
build_image() {
  IMAGE=localhost/kvorum:kind ENGINE=$engine "$root/deploy/image/build.sh"
  local id
  id=$("$engine" image inspect --format '{{.Id}}' localhost/kvorum:kind)
  id=${id#sha256:}
  tag=${id:0:12}
  "$engine" tag localhost/kvorum:kind "localhost/kvorum:$tag"
}

load_image() {
  archive=$(mktemp)
  "$engine" save --output "$archive" "localhost/kvorum:$tag"
  kind load image-archive "$archive" --name "$cluster"
}

install_chart() {
  helm_here upgrade --install kvorum "$chart" --values "$here/values.yaml" \
    --set-string "image.tag=$tag" --wait --timeout "$wait"
}

# Server-side: dashboards are too large for the annotation that a client-side apply leaves behind.
apply() { kubectl_here apply --server-side --force-conflicts --filename "${1:--}"; }

configmap() {
  local name=$1
  shift
  kubectl_here --namespace monitoring create configmap "$name" "$@" --dry-run=client --output yaml |
    apply
}

install_monitoring() {
  local checksum
  configmap prometheus --from-file "$here/monitoring/prometheus.yml" \
    --from-file "$chart/rules/kvorum.rules.yaml"
  configmap grafana-datasources --from-file "$here/monitoring/datasource.yaml"
  configmap grafana-providers --from-file "$here/monitoring/dashboards.yaml"
  configmap grafana-dashboards --from-file "$chart/dashboards"
  checksum=$(cat "$here"/monitoring/*.y*ml "$chart"/rules/*.yaml "$chart"/dashboards/*.json | cksum)
  sed "s/CONFIGURATION/${checksum%% *}/" "$here/monitoring/monitoring.yaml" | apply
}

wait_for_monitoring() {
  for name in prometheus grafana; do
    kubectl_here --namespace monitoring rollout status "deployment/$name" --timeout "$wait"
  done
}

step "1/8 looking for kind, kubectl, helm, docker or podman"
check_programs
step "2/8 the Kubernetes cluster $cluster: one control plane, three workers (a minute or two)"
create_cluster
step "3/8 building the image with $engine"
build_image
step "4/8 loading localhost/kvorum:$tag into the cluster"
load_image
step "5/8 namespaces, with restricted pod security"
apply "$here/namespaces.yaml"
step "6/8 installing the chart: three nodes (waits until they are ready, at most $wait)"
install_chart
step "7/8 installing Prometheus and Grafana (at most $wait each)"
install_monitoring
wait_for_monitoring
step "8/8 put, get, compare-and-set, watch, delete through the Service (helm test)"
helm_here test kvorum --logs --timeout "$wait"

cat <<END

Three nodes run. Ways in, each in a terminal of its own:

  kubectl --context kind-$cluster --namespace kvorum port-forward service/kvorum 8081:8081
  kubectl --context kind-$cluster --namespace monitoring port-forward service/grafana 3000:3000
  kubectl --context kind-$cluster --namespace monitoring port-forward service/prometheus 9090:9090

  http://localhost:8081   the API and its documentation
  http://localhost:3000   Grafana, at the overview
  http://localhost:9090   Prometheus; /alerts has the rules

First commands:

  kubectl --context kind-$cluster --namespace kvorum exec kvorum-0 -- kvorum put greeting hello
  kubectl --context kind-$cluster --namespace kvorum exec kvorum-1 -- kvorum get greeting
  kubectl --context kind-$cluster --namespace kvorum exec kvorum-0 -- kvorum member list
  kubectl --context kind-$cluster --namespace kvorum delete pod kvorum-0    # and look at Grafana
  helm --kube-context kind-$cluster --namespace kvorum upgrade kvorum $chart --reuse-values --set replicaCount=5 --wait

Away with it all: make kind-down
END
