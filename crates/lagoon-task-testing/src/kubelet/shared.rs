//! What all parts of the stand-in know.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kube::Client;
use tokio::sync::Notify;

use crate::kubelet::launch::Launch;
use crate::program::Program;
use crate::sync::lock;

/// How long until something is tried again that did not work.
pub(super) const RETRY: Duration = Duration::from_millis(50);

/// How often a container is looked at again that cannot be started yet.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// What the containers of an image run.
#[derive(Clone)]
pub(super) struct Image {
    /// `None`: it cannot be pulled.
    pub program: Option<Program>,
    /// Of a task of the launcher.
    pub launch: Option<Arc<Launch>>,
}

/// The API server, the folder and the images.
pub(super) struct Shared {
    pub client: Client,
    pub authority: String,
    pub api_server_port: u16,
    pub folder: PathBuf,
    pub images_changed: Notify,
    images: Mutex<HashMap<String, Image>>,
}

impl Shared {
    pub(super) fn new(client: Client, authority: String, api_server_port: u16, folder: PathBuf) -> Self {
        let (images_changed, images) = (Notify::new(), Mutex::default());
        Self { client, authority, api_server_port, folder, images_changed, images }
    }

    pub(super) fn add_image(&self, name: String, image: Image) {
        lock(&self.images).insert(name, image);
        self.images_changed.notify_one();
    }

    pub(super) fn remove_image(&self, name: &str) {
        lock(&self.images).remove(name);
    }

    pub(super) fn image(&self, name: &str) -> Option<Image> {
        lock(&self.images).get(name).cloned()
    }
}
