//! A test bench for Lagoon task images.
//!
//! [`ControlPlane`] is a real Kubernetes API server with its etcd, on private ports of this machine. [`Kubelet`] stands in
//! for a kubelet: it runs the containers of pods as processes of this machine, sets their status and serves their logs.
//! [`Launcher`] plays the part of Lagoon's remote-controller: it makes an environment's namespace with the rights that
//! Lagoon gives there, creates the task's pod, which the kubelet stand-in then runs, and collects what Lagoon and its user
//! would get, together with every API request that the task made.
//! [`FaultProxy`] stands between the two and loses, holds or falsifies what passes; [`HostGuard`] plays the admission
//! webhook of ingress-nginx, and [`IngressNginx`] is the real one. [`CertManager`] is the real cert-manager, and
//! [`ControllerManager`] the real garbage collector. [`LagoonSsh`] and [`LagoonApiServer`] are what a task meets of Lagoon
//! itself. [`Traefik`] is a real ingress controller, for benchmarks.
//!
//! What it is not: images are not pulled, but are names of programs of this machine, or containers made with buildah.
//! Containers are processes that share this machine's network, process table and files; nothing limits what they use, and
//! nothing restarts them. [`Kubelet`] says what of a pod it does not act on. Of the controller-manager there is the garbage
//! collector alone, and only where a test starts it ([`ControllerManager`]): no `ServiceAccount` `default` and no
//! `ConfigMap` `kube-root-ca.crt` is made in a namespace (pods have the certificate authority all the same).
//!
//! ```no_run
//! use lagoon_task_testing::{ControlPlane, Launcher};
//!
//! # async fn example() -> Result<(), lagoon_task_testing::Error> {
//! let control_plane = ControlPlane::start().await?;
//! let launcher = Launcher::new(&control_plane);
//! let environment = launcher.environment("shop", "main").await?;
//! let task = launcher.task(&environment, "target/debug/greeter").payload(&serde_json::json!({ "name": "Ada" }));
//! let finished = task.launch().await?.finish().await?;
//! assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
//! # Ok(()) }
//! ```

mod audit;
mod bench;
mod cache;
mod cert_manager;
mod content;
mod control_plane;
mod controller_manager;
mod error;
mod go_build;
mod ingress_nginx;
mod kubelet;
mod lagoon;
mod launcher;
mod network;
mod objects;
mod program;
mod program_build;
mod progress;
mod sync;
mod task;
mod task_pod;
mod traefik;
mod wait;

use std::time::Duration;

// The crates whose types are part of this one's interface.
pub use {bytes, http, k8s_openapi, kube, serde_json};

pub use audit::Request;
pub use bench::ControlPlane;
pub use cert_manager::{CERT_MANAGER_VERSION, CertManager};
pub use content::{ingress, service, tls_secret};
pub use control_plane::binaries::KUBERNETES_VERSION;
pub use controller_manager::ControllerManager;
pub use error::Error;
pub use ingress_nginx::IngressNginx;
pub use kubelet::Kubelet;
pub use lagoon::{ApiFault, Asked, KeyKind, LagoonApiServer, LagoonSsh, Upload};
pub use launcher::Launcher;
pub use network::{Fault, FaultProxy, HostGuard, Passing, Recorder, ReservedPort, every, first, once};
pub use program::Program;
pub use program_build::built;
pub use task::{Finished, Prepared, Running, Task};
pub use task_pod::LagoonEnvironment;
pub use traefik::{TRAEFIK_VERSION, Traefik};
pub use wait::{held_or_ended, until, until_so};

/// Definitions of the Gateway API's `HTTPRoute`, `Gateway` and `ReferenceGrant` for [`ControlPlane::apply`], with the
/// rights of a deployer. Stand-ins for the schema only: every `spec` is accepted, and no controller acts on the objects.
pub const GATEWAY_API: &str = include_str!("../manifests/gateway-api.yaml");

/// A definition of cert-manager's `Certificate` for [`ControlPlane::apply`], with the rights of a deployer. A stand-in for
/// the schema only: every `spec` is accepted, and nobody issues anything. [`CertManager`] is the real one.
pub const CERT_MANAGER: &str = include_str!("../manifests/cert-manager.yaml");

/// A definition of Traefik's `Middleware` for [`ControlPlane::apply`], with the rights of a deployer. A stand-in for the
/// schema only: every `spec` is accepted, and nobody routes anything.
pub const TRAEFIK: &str = include_str!("../manifests/traefik.yaml");

/// What a test waits for and has not come by then will not come.
const PATIENCE: Duration = Duration::from_mins(3);

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
