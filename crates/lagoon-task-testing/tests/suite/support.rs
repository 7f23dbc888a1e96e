//! What the tests of this suite share.

use lagoon_task_testing::ControlPlane;
use tokio::sync::OnceCell;

static CONTROL_PLANE: OnceCell<ControlPlane> = OnceCell::const_new();

/// The control plane that all tests share.
pub async fn control_plane() -> &'static ControlPlane {
    CONTROL_PLANE.get_or_init(async || ControlPlane::start().await.unwrap()).await
}
