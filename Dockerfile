# Countersign on its embedded default: SQLite, Socket Mode, backups in the volume.
#
#   docker build -t countersign .
#   docker run -d --name countersign --restart unless-stopped \
#     -v countersign-data:/data -v "$PWD/countersign.yml:/etc/countersign/countersign.yml:ro" \
#     --env-file secrets.env -p 127.0.0.1:8000:8000 countersign
#
# One container keeps the bot and the worker apart by process and environment only. Two containers of two users
# keep them apart for real; docs/operations.md, "Two users", has the commands.

FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY bot bot
COPY handlers handlers
RUN python -m venv /opt/countersign && /opt/countersign/bin/pip install --no-cache-dir .

FROM python:3.13-slim
# /data is group-writable and holds an empty database file, so that the two users can share it: SQLite gives its
# side files the mode of the database. The worker makes its own folder for keys there, mode 0700.
RUN groupadd --gid 10001 countersign \
 && useradd --uid 10001 --gid countersign --no-create-home --shell /usr/sbin/nologin countersign \
 && useradd --uid 10002 --gid countersign --no-create-home --shell /usr/sbin/nologin countersign-bot \
 && useradd --uid 10003 --gid countersign --no-create-home --shell /usr/sbin/nologin countersign-worker \
 && install -d -m 2770 -o countersign -g countersign /data \
 && install -m 0660 -o countersign -g countersign /dev/null /data/countersign.db
# The worker dumps and restores whole PostgreSQL databases with their own programs.
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends postgresql-client \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/countersign /opt/countersign
ENV PATH=/opt/countersign/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    COUNTERSIGN_CONFIG=/etc/countersign/countersign.yml \
    COUNTERSIGN_DATA_DIR=/data \
    COUNTERSIGN_HTTP=0.0.0.0:8000
USER countersign
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
STOPSIGNAL SIGTERM
CMD ["countersign", "serve"]
