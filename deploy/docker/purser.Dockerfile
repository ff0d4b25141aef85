# Purser in an image of its own. `--target runtime-prebuilt` takes the binary from the build context instead of compiling it.
ARG DEBIAN_IMAGE=debian:bookworm-slim
ARG RUST_IMAGE=rust:1.95-slim-bookworm

FROM ${DEBIAN_IMAGE} AS base
RUN test -e /etc/ssl/certs/ca-certificates.crt || { \
        apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*; }
RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin purser
USER 10001
ENV PURSER_CONFIG=/etc/purser/purser.toml
# The role's own answer, so that nothing else need be in here.
HEALTHCHECK --interval=5s --timeout=6s --start-period=30s --retries=6 CMD ["purser", "health"]
ENTRYPOINT ["purser"]
CMD ["all"]

FROM base AS runtime-prebuilt
COPY purser /usr/local/bin/purser

FROM ${RUST_IMAGE} AS builder
WORKDIR /src
COPY . .
# Dependencies and what is compiled already outlive a change of the source.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin purser && \
    strip --output-file=/purser target/release/purser

FROM base AS runtime
COPY --from=builder /purser /usr/local/bin/purser
