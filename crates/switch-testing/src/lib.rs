//! Sites to switch, for the suites of the image and of the controller, which run the real programs.
//!
//! This is test code in a crate of its own because two suites share it: what goes wrong here panics.

#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::panic,
    clippy::unwrap_used,
    reason = "test code"
)]

pub mod forged;
mod shop;
mod site;

use lagoon_task_testing::ControlPlane;
use tokio::sync::OnceCell;

pub use shop::{CONFIG_MAPS, INGRESSES, SECRETS, Shop, essence, host, pod};
pub use site::{Site, completed, condition};

static CONTROL_PLANE: OnceCell<ControlPlane> = OnceCell::const_new();

/// The control plane that all tests of a suite share, with the custom resource and its rights installed.
pub async fn control_plane() -> &'static ControlPlane {
    CONTROL_PLANE.get_or_init(new_control_plane).await
}

/// A control plane for one test, which may break it.
pub async fn new_control_plane() -> ControlPlane {
    let control_plane = ControlPlane::start().await.unwrap();
    control_plane.apply(&hostmigration::definition_yaml().unwrap()).await.unwrap();
    control_plane.apply(DEPLOYER_RIGHTS).await.unwrap();
    control_plane
}

/// What an operator applies for the deployer: `deploy/hostmigration-deployer.yaml`.
pub const DEPLOYER_RIGHTS: &str = include_str!("../../../deploy/hostmigration-deployer.yaml");
