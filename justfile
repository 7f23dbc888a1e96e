# The usual verbs. `just` alone lists them.

_list:
    @just --list

# Everything that must hold before a change lands; CI runs the same.
check:
    .ci/run

# All tests, on a real API server.
test *arguments:
    cargo test --workspace --all-features --locked {{ arguments }}

# Plants faults in the engine, one after the other; the tests must notice each.
mutants *names:
    .ci/mutants {{ names }}

# A switch there and back on an API server of your own machine; `just demo --keep` leaves it up.
demo *arguments:
    cargo run --locked --example demo -- {{ arguments }}

# Figures. They assert nothing; the first time this builds Traefik.
bench *arguments:
    cargo bench --locked {{ arguments }}

# The images, built with buildah from the Dockerfile.
image:
    buildah bud --tag lagoon-task/activestandby .
    buildah bud --target hostmigration-controller --tag lagoon-task/hostmigration-controller .

# Writes crds/ from the Rust types.
crds:
    cargo run --locked --package hostmigration --bin crdgen

# The documentation of all crates.
docs:
    RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --all-features --no-deps --locked

# Formats the sources.
fmt:
    cargo fmt --all
