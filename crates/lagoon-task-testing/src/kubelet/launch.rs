//! What the launcher has to say of its tasks beyond their pods.

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, mpsc};

use tokio::sync::watch;

use crate::sync::lock;

/// How a task of the launcher is run. Its image is its own, so that the kubelet stand-in finds this by the image.
pub(crate) struct Launch {
    /// After the one that says where the mounts are.
    pub arguments: Vec<String>,
    /// Variables that the test changes; `None` takes one away.
    pub changes: Vec<(String, Option<String>)>,
    /// Whether the pod has its volumes.
    pub prepared: watch::Sender<bool>,
    /// Whether the test lets the process start.
    pub may_start: watch::Sender<bool>,
    /// Whether the process goes on when the pod is deleted, as that of a kubelet which has not heard of it.
    pub survives_deletion: AtomicBool,
    /// Whom to tell that the process has been started, or could not be.
    started: Mutex<Option<mpsc::Sender<io::Result<u32>>>>,
}

impl Launch {
    pub(crate) fn new(arguments: Vec<String>, changes: Vec<(String, Option<String>)>) -> Self {
        Self {
            arguments,
            changes,
            prepared: watch::Sender::default(),
            may_start: watch::Sender::default(),
            survives_deletion: AtomicBool::default(),
            started: Mutex::default(),
        }
    }

    /// Tells once of the process that has been started, or why it could not be.
    pub(crate) fn when_started(&self) -> mpsc::Receiver<io::Result<u32>> {
        let (sender, receiver) = mpsc::channel();
        *lock(&self.started) = Some(sender);
        receiver
    }

    pub(super) fn tell_started(&self, started: io::Result<u32>) {
        if let Some(sender) = lock(&self.started).take() {
            // Nobody listens any more when the test has given up.
            let _ = sender.send(started);
        }
    }
}
