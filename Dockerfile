# One kvorum node, and the command line. `make image` builds it with Docker (BuildKit), Podman or
# Buildah. Behind a proxy with a package index or certificates of its own, hand pip's settings in
# as secrets, which stay out of the image:
#   deploy/image/build.sh --secret id=pip.conf,src=/etc/pip.conf --secret id=ca.crt,src=…
#
# Debian and its own Python: small, and security updates come from one place. Pin the digest of
# BASE where builds must repeat themselves: --build-arg BASE=debian:trixie-slim@sha256:…
ARG BASE=debian:trixie-slim

# What builds and what runs share, so that the environment fits in both.
FROM ${BASE} AS python
ARG DEBIAN_FRONTEND=noninteractive
# The standard library is compiled anew because Debian's bytecode is valid by time of change, and
# reproducible builds set that. Caches, logs and backups of lists hold times as well.
# hadolint ignore=DL3008 # security updates shall come in; the base's digest decides the rest
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3 tini \
    && PYTHONHASHSEED=0 python3 -m compileall -q -f --invalidation-mode unchecked-hash \
        "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/* /var/log/* /var/cache/ldconfig/* /var/cache/debconf/*-old \
        /var/lib/dpkg/*-old

FROM python AS builder
ARG DEBIAN_FRONTEND=noninteractive
WORKDIR /build
# hadolint ignore=DL3008 # as above; nothing of this stage but /opt/kvorum is kept
RUN apt-get update \
    && apt-get install --yes --no-install-recommends binutils python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /build/venv \
    && python3 -m venv --without-pip /opt/kvorum
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1 PIP_NO_COMPILE=1

# Wheels only: where one is missing for a platform the build fails instead of calling a compiler.
COPY requirements-runtime.lock requirements.lock ./
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca.crt,target=/run/secrets/ca.crt \
    sed -n '/^setuptools==/,/[^\\]$/p' requirements.lock >build.lock \
    && venv/bin/pip install --quiet --only-binary :all: --require-hashes -r build.lock \
    && venv/bin/pip --python /opt/kvorum/bin/python install --quiet --only-binary :all: \
        --require-hashes -r requirements-runtime.lock

COPY pyproject.toml README.md LICENSE ./
COPY service service
ARG SOURCE_DATE_EPOCH=0
# By name and from a directory, so that no path of this stage is noted.
RUN venv/bin/pip wheel --quiet --no-index --no-deps --no-build-isolation --wheel-dir dist . \
    && venv/bin/pip --python /opt/kvorum/bin/python install --quiet --no-index --no-deps \
        --find-links dist kvorum
# Only what a node runs with: one command; no type stubs, sources of extensions, source maps,
# debug information or tests. Bytecode is never checked against its source, so that it is valid
# whatever times the files get.
WORKDIR /opt/kvorum
RUN find bin -mindepth 1 ! -name 'python*' ! -name kvorum -delete \
    && find lib -type f -regextype posix-extended -regex '.*\.(pyi|pyx|pxd|pxi|c|h|cc|hpp|map)' \
        -delete \
    && find lib -type d -regextype posix-extended \
        -regex '.*/site-packages/([^/]+/)?(tests?|SelfTest)' -prune -exec rm -r {} + \
    && find lib -name '*.so*' -exec strip --strip-debug {} + \
    && rm -rf include .gitignore \
    && PYTHONHASHSEED=0 bin/python -m compileall -q --invalidation-mode unchecked-hash lib \
    && find . -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH}" {} +

FROM python
RUN echo 'kvorum:x:10001:' >>/etc/group \
    && echo 'kvorum:x:10001:10001:kvorum:/tmp:/usr/sbin/nologin' >>/etc/passwd \
    && install --directory --owner=10001 --group=10001 --mode=0750 /var/lib/kvorum
COPY --chmod=0755 deploy/image/healthcheck /usr/local/bin/kvorum-healthcheck
COPY --from=builder /opt/kvorum /opt/kvorum

ENV PATH=/opt/kvorum/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    DATA_DIR=/var/lib/kvorum \
    REST_ADDRESS=0.0.0.0:8081 \
    LISTEN_ADDRESS=0.0.0.0:8001
EXPOSE 8081 8001
VOLUME ["/var/lib/kvorum"]
WORKDIR /
USER 10001:10001
STOPSIGNAL SIGTERM
# Liveness: what runs containers may restart an unhealthy one, and a node without a quorum must
# not be. Kubernetes has probes of its own and ignores this.
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s --retries=3 \
    CMD ["kvorum-healthcheck"]
ENTRYPOINT ["/usr/bin/tini", "--", "kvorum"]
CMD ["serve"]

ARG VERSION=unknown
ARG REVISION=unknown
ARG SOURCE=
LABEL org.opencontainers.image.title="kvorum" \
      org.opencontainers.image.description="A Raft-replicated key-value store that keeps what it acknowledged." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}"
