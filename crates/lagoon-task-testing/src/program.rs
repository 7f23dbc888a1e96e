//! What a container of the bench runs.

use std::path::PathBuf;

/// What a container runs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Program {
    /// A binary of this machine. One that the [`Launcher`](crate::Launcher) runs gets with `--root` where its mounts
    /// are, and runs as whoever runs the test: that takes no rights, and less time. In any other pod it has a root of its
    /// own, with its mounts where the pod says, and the pod's user.
    Binary(PathBuf),
    /// A container made with `buildah from`, run without capabilities as the pod's user and with its mounts where the pod
    /// has them. Its program is `/task`, unless the pod has a command.
    Container(String),
}

impl<P: AsRef<std::path::Path>> From<P> for Program {
    fn from(path: P) -> Self {
        Self::Binary(path.as_ref().to_owned())
    }
}
