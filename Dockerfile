# One file for the images of this repository. They run as any user, with a read-only root and without capabilities.
#
#   buildah bud --tag lagoon-task/activestandby .
#   buildah bud --target hostmigration-controller --tag lagoon-task/hostmigration-controller .
#
# Each image holds its binary only: both talk to nobody but the API server, whose certificate authority lies beside the
# token. Another task of this package: --build-arg BINARY=name; its image holds the certificate authorities of the build
# stage too.

FROM rust:1.95-slim-bookworm AS build
ARG BINARY=activestandby
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates
WORKDIR /source
COPY . .
RUN cargo build --release --locked --bin "$BINARY" --bin hostmigration-controller \
    && mkdir -p /out/task /out/controller \
    && cp target/*/release/"$BINARY" /out/task/task \
    && cp target/*/release/hostmigration-controller /out/controller/ \
    && if [ "$BINARY" != activestandby ]; then \
        install -D -m 644 /etc/ssl/certs/ca-certificates.crt /out/task/etc/ssl/certs/ca-certificates.crt; fi

FROM scratch AS hostmigration-controller
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="lagoon-task hostmigration-controller" \
      org.opencontainers.image.description="Controller for HostMigration objects: the active/standby switch" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /out/controller/ /
USER 10000:0
EXPOSE 8080
ENTRYPOINT ["/hostmigration-controller"]

FROM scratch AS activestandby
ARG BINARY=activestandby
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="lagoon-task ${BINARY}" \
      org.opencontainers.image.description="Lagoon advanced task: the active/standby switch" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /out/task/ /
USER 10000:0
ENTRYPOINT ["/task"]
