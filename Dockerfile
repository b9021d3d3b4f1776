FROM rust:1-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends cmake protobuf-compiler libprotobuf-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY .cargo ./.cargo
COPY src ./src
RUN cargo build --release --locked --bin aisix

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin aisix \
    && install --directory --owner aisix --group aisix --mode 0700 /var/lib/aisix
COPY --from=build /build/target/release/aisix /usr/local/bin/aisix
COPY LICENSE /usr/share/doc/aisix/LICENSE
# AISIX_CONFIG names a mounted file; without one the gateway starts from its environment. Either way `proxy.addr`, or
# AISIX_PROXY__ADDR, decides where it listens, and nothing outside of the container reaches a loopback address.
ENV AISIX_DATA_DIR=/var/lib/aisix
VOLUME /var/lib/aisix
WORKDIR /etc/aisix
USER 10001
EXPOSE 3000 3001 9090
STOPSIGNAL SIGTERM
ENTRYPOINT ["aisix"]
