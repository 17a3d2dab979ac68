# open-agent in a small image. The embedded model's weights are not in it: they are fetched into the volume /models at
# the first start, for which the health check has patience.
FROM python:3.11-slim AS packages
WORKDIR /app
COPY requirements.lock ./
RUN --mount=type=cache,target=/root/.cache/pip \
    python3 -m venv .venv && .venv/bin/pip install --quiet --no-deps --require-hashes -r requirements.lock

FROM python:3.11-slim AS code
WORKDIR /app
COPY . .
# Readable whatever the checkout's umask is, and compiled: the container cannot write beside its code.
RUN chmod -R a+rX,go-w . && python3 -m compileall -q --invalidation-mode unchecked-hash .

FROM python:3.11-slim
RUN groupadd --gid 10001 agent \
 && useradd --uid 10001 --gid agent --home-dir /data --no-create-home --shell /usr/sbin/nologin agent \
 && install --directory --owner agent --group agent --mode 700 /data /models \
 && ln -s /app/open-agent /usr/local/bin/open-agent
WORKDIR /app
COPY --from=packages /app/.venv .venv
COPY --from=code /app .
ENV HOST=0.0.0.0 PORT=8000 DATA_DIR=/data MODEL_DIR=/models LOG_FORMAT=json \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER agent
EXPOSE 8000
VOLUME ["/data", "/models"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=30m --retries=3 \
    CMD [".venv/bin/python", "-Ic", "from os import environ as e; from urllib.request import urlopen; urlopen(f'http://127.0.0.1:{e[\"PORT\"]}/readyz', timeout=4)"]
ENTRYPOINT ["open-agent"]
CMD ["serve"]
