# One file for every binary of this repository:
#   buildah bud --build-arg BINARY=activestandby --tag lagoon-task/activestandby .
# The image holds the binary and the certificate authorities of the build stage, and nothing else. It runs as any user,
# with a read-only root and without capabilities.

FROM rust:1.95-slim-bookworm AS build
ARG BINARY=activestandby
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates
WORKDIR /source
COPY . .
RUN cargo build --release --locked --bin "$BINARY" \
    && mkdir -p /out/etc/ssl/certs \
    && cp target/*/release/"$BINARY" /out/task \
    && cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/

FROM scratch
ARG BINARY=activestandby
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="lagoon-task ${BINARY}" \
      org.opencontainers.image.description="Lagoon advanced task: the active/standby switch" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /out/ /
USER 10000:0
ENTRYPOINT ["/task"]
