# One image for both processes: it runs the gateway, or the device with "python -m device".
# docs/deploy.md shows both; scripts/image-test builds and runs this image without Docker.

ARG BASE=python:3.11-slim-bookworm
ARG NODE=node:20-slim

# The dashboard's libraries.
FROM ${NODE} AS libraries
WORKDIR /spoke
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts
COPY scripts/vendor.mjs scripts/
RUN node scripts/vendor.mjs

# The Python packages, then the code with its bytecode: the image is read-only when it runs.
FROM ${BASE} AS build
WORKDIR /spoke
COPY requirements.txt ./
RUN python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install --no-cache-dir --requirement requirements.txt
COPY shared/ shared/
COPY device/ device/
COPY gateway/ gateway/
COPY configs/ configs/
COPY scripts/__init__.py scripts/healthcheck.py scripts/
COPY --from=libraries /spoke/gateway/static/vendor/ gateway/static/vendor/
# docker build --build-arg COMMIT="$(git rev-parse HEAD)": --version names it.
ARG COMMIT=unknown
RUN echo "$COMMIT" > COMMIT && python -m compileall -q . && mkdir /state

FROM ${BASE}
COPY --from=build /venv/ /venv/
COPY --from=build /spoke/ /spoke/
# Kubernetes must see from the number that the user is not root.
COPY --from=build --chown=10001:10001 /state/ /var/lib/spoke/
# A container has an address of its own; publishing a port decides whether other machines reach it.
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SPOKE_ENV=production \
    SPOKE_GATEWAY_HOST=0.0.0.0 \
    SPOKE_JOURNAL=/var/lib/spoke/journal.sqlite \
    SPOKE_LOG_DIR=/var/lib/spoke/logs
WORKDIR /spoke
USER 10001:10001
VOLUME /var/lib/spoke
EXPOSE 5000 5556 5557
HEALTHCHECK --interval=10s --timeout=10s --start-period=30s \
    CMD ["python", "-m", "scripts.healthcheck"]
CMD ["python", "-m", "gateway"]
