# The operator's image. `docker build .` makes it from the public registries; `make image` makes the same without
# Docker, from the local base image and from what the toolchain has in its cache (container/build.py).
ARG BASE=debian:bookworm-slim
# Of the same Debian release, with Go for the engine worker, which is built from its pinned module.
ARG BUILD_BASE=golang:1.26-bookworm

FROM ${BUILD_BASE} AS build
# curl is for Pulumi's installer.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates curl python3-venv
WORKDIR /opt/devserver
COPY requirements-runtime.lock /src/
RUN python3 -m venv venv \
    && venv/bin/pip install --no-cache-dir --require-hashes --requirement /src/requirements-runtime.lock \
    && venv/bin/pip uninstall --yes pip setuptools
COPY toolchain /src/toolchain
ENV DEVSERVER_CACHE=/cache PYTHONPATH=/src
RUN venv/bin/python -m toolchain install pulumi pulumi-resource-kubernetes pulumi-engine-worker \
    && links="$(venv/bin/python -c 'import toolchain; print(toolchain.bin_dir())')" \
    && home="$(venv/bin/python -c 'import toolchain; print(toolchain.pulumi_home())')" \
    && mkdir bin pulumi \
    && cp -L "$links/pulumi" "$links/pulumi-engine-worker" "$links/pulumi-provider-proxy" bin/ \
    && cp -RL "$home/plugins" pulumi/ \
    && chmod -R a+rX bin pulumi \
    && bin/pulumi version
COPY crds app/crds
COPY stacks app/stacks
COPY reconciler app/reconciler
RUN python3 -m compileall -q app

FROM ${BASE}
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3 tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin devserver
COPY --from=build /opt/devserver/bin /opt/devserver/bin
COPY --from=build /opt/devserver/pulumi /opt/devserver/pulumi
COPY --from=build /opt/devserver/venv /opt/devserver/venv
COPY --from=build /opt/devserver/app /opt/devserver/app
ENV PATH=/opt/devserver/venv/bin:/opt/devserver/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    DEVSERVER_PULUMI_HOME=/opt/devserver/pulumi
WORKDIR /opt/devserver/app
# By number, so that runAsNonRoot can be verified.
USER 10001:10001
# The reconciler starts processes and ends them; as PID 1 it would have to bury what others leave, too.
ENTRYPOINT ["tini", "--", "python", "-m", "reconciler"]
