# One image for `kai serve`, for `helm test` and for the probes on the nodes (docs/install.md). The last stage holds
# Python, KAI and what they load: no shell, no package manager. Locked by uv.lock and image/build.txt, with hashes.
# hadolint global ignore=DL3008
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z

FROM debian:trixie-slim AS system
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates netbase python3 tzdata \
 && rm -rf /var/lib/apt/lists/*

FROM system AS build
ENV UV_PROJECT_ENVIRONMENT=/opt/kai \
    UV_PYTHON=/usr/bin/python3 \
    UV_PYTHON_DOWNLOADS=never \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY image/build.txt image/
RUN python3 -m venv /build \
 && /build/bin/pip install --no-cache-dir --require-hashes -r image/build.txt
COPY pyproject.toml uv.lock ./
RUN /build/bin/uv sync --frozen --no-dev --no-install-project --extra otel --extra vertex
COPY README.md LICENSE ./
COPY bot bot
COPY flows flows
COPY sensors sensors
COPY lab lab
RUN /build/bin/python -m hatchling build -t wheel -d /dist \
 && /build/bin/uv pip install --python /opt/kai/bin/python --no-deps /dist/*.whl
COPY image/assemble image/sbom.py image/
RUN image/assemble /rootfs

FROM scratch
ARG VERSION
ARG REVISION
ARG CREATED
LABEL org.opencontainers.image.title="KAI netdebug" \
      org.opencontainers.image.description="Why can this Kubernetes pod not talk? The root cause, the evidence and a proved fix." \
      org.opencontainers.image.source="https://github.com/kai-netdebug/kai" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="scratch"
COPY --from=build /rootfs/ /
ENV PATH=/opt/kai/bin:/usr/bin \
    HOME=/var/lib/kai \
    LANG=C.UTF-8 \
    SSL_CERT_DIR=/etc/ssl/certs \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /var/lib/kai
USER 10001:10001
EXPOSE 8080 4246
ENTRYPOINT ["/opt/kai/bin/kai"]
CMD ["serve"]
