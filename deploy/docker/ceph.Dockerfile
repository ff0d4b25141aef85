# One-node Ceph with radosgw, from Debian's packages: to try Purser out, not to keep customers' data.
ARG DEBIAN_IMAGE=debian:bookworm-slim
FROM ${DEBIAN_IMAGE}
RUN apt-get update && \
    apt-get install -y --no-install-recommends ceph-mon ceph-osd ceph-common radosgw curl && \
    rm -rf /var/lib/apt/lists/*
COPY deploy/docker/ceph.sh /usr/local/bin/ceph-one-node
VOLUME /var/lib/ceph
EXPOSE 8000
HEALTHCHECK --interval=3s --timeout=5s --start-period=90s --retries=10 CMD ["curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:8000/"]
CMD ["ceph-one-node"]
