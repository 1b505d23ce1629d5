#!/usr/bin/env bash
# Build the image with docker, podman or buildah, whichever is there (ENGINE=… chooses), as
# IMAGE (default: kvorum:<version>). Further arguments go to the engine's build command.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
image=${IMAGE:-kvorum:$version}
revision=unknown
epoch=${SOURCE_DATE_EPOCH:-}
if git rev-parse --git-dir >/dev/null 2>&1; then
  revision=$(git rev-parse HEAD)
  [ -z "$(git status --porcelain -- service pyproject.toml requirements-runtime.lock Dockerfile)" ] ||
    revision+=-dirty
  epoch=${epoch:-$(git log -1 --format=%ct)}
fi
epoch=${epoch:-0}

engine=${ENGINE:-}
for candidate in docker podman buildah; do
  [ -n "$engine" ] || ! command -v "$candidate" >/dev/null || engine=$candidate
done

options=(
  --file Dockerfile
  --tag "$image"
  --build-arg "SOURCE_DATE_EPOCH=$epoch"
  --build-arg "VERSION=$version"
  --build-arg "REVISION=$revision"
  --build-arg "SOURCE=${SOURCE:-}"
)
case ${engine##*/} in
  docker) command=(docker build) ;;
  # Docker's format, for OCI's knows no health check; all files get one time of change.
  podman) command=(podman build --format docker --timestamp "$epoch") ;;
  buildah) command=(buildah build --layers --format docker --timestamp "$epoch") ;;
  '')
    echo "image: docker, podman or buildah is needed, and none is on the PATH" >&2
    exit 1
    ;;
  *)
    echo "image: ENGINE=$engine is none of docker, podman, buildah" >&2
    exit 1
    ;;
esac

echo "image: $image with ${command[*]}" >&2
"${command[@]}" "${options[@]}" "$@" .
