# One file for the images of this repository. They run as any user, with a read-only root and without capabilities.
#
#   buildah bud --tag lagoon-task/activestandby .
#   buildah bud --target hostmigration-controller --tag lagoon-task/hostmigration-controller .
#
# Each image holds its binary only: both talk to nobody but the API server, whose certificate authority lies beside the
# token.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /source
COPY . .
# One after the other: built together, each would get what the other switches on in the libraries that they share.
RUN cargo build --profile image --locked --package activestandby \
    && cargo build --profile image-controller --locked --package hostmigration-controller \
    && mkdir -p /out/task /out/controller \
    && cp target/*/image/activestandby /out/task/task \
    && cp target/*/image-controller/hostmigration-controller /out/controller/

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
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="lagoon-task activestandby" \
      org.opencontainers.image.description="Lagoon advanced task: the active/standby switch" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /out/task/ /
USER 10000:0
ENTRYPOINT ["/task"]
