//! One pod's life on this machine.

use std::path::Path;
use std::sync::Arc;

use tower::BoxError;

use crate::error::Error;
use crate::kubelet::shared::LOOK_AGAIN;
use crate::kubelet::sources::Sources;
use crate::kubelet::status::{ContainerState, Place};
use crate::kubelet::worker::{Sight, Worker};
use crate::kubelet::{container, node, volumes};

impl Worker {
    /// From the binding to the end of the object.
    pub(super) async fn live(self: Arc<Self>) {
        let writer = tokio::spawn(self.clone().write_states());
        self.run().await;
        for log in &self.logs {
            log.end();
        }
        self.states.send_modify(|state| state.is_over = true);
        // It ends when the last state is written; it cannot fail otherwise.
        let _ = writer.await;
        let mut seen = self.seen.subscribe();
        let deleting = seen.wait_for(|sight| *sight != Sight::There).await.map(|sight| sight.clone());
        if let Ok(Sight::Deleting(_)) = deleting {
            self.delete().await;
        }
    }

    /// Runs the containers, until all have ended.
    async fn run(&self) {
        let folder = self.folder.path();
        tokio::select! {
            () = self.set_up(folder) => {}
            _ = self.until_stopped() => return,
        }
        let spec = self.pod.spec.clone().unwrap_or_default();
        for (index, init) in spec.init_containers.iter().flatten().enumerate() {
            container::run(self, Place::Init(index), init).await;
            let has_succeeded =
                self.states.borrow().init_containers.get(index).is_some_and(ContainerState::has_succeeded);
            if !has_succeeded {
                return;
            }
        }
        let containers = spec.containers.iter().enumerate();
        let runs = containers.map(|(index, container)| container::run(self, Place::Main(index), container));
        futures::future::join_all(runs).await;
    }

    /// Binds the pod to the node and makes its volumes.
    async fn set_up(&self, folder: &Path) {
        while let Err(error) = self.try_set_up(folder).await {
            self.change(|state| state.say(&error.to_string()));
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        self.change(|state| {
            state.is_set_up = true;
            state.say("");
        });
        if let Some(launch) = &self.launch {
            launch.prepared.send_replace(true);
            // It is there as long as this pod.
            let _ = launch.may_start.subscribe().wait_for(|may| *may).await;
        }
    }

    async fn try_set_up(&self, folder: &Path) -> Result<(), BoxError> {
        let spec = self.pod.spec.clone().unwrap_or_default();
        if spec.node_name.is_none() {
            self.bind().await.map_err(Error::request(format!("the pod cannot be bound to {}", node::NAME)))?;
        }
        let client = &self.kubelet.client;
        let sources = Sources::read(client, &self.pod, &self.kubelet.authority).await?;
        for volume in spec.volumes.iter().flatten() {
            volumes::lay(client, &self.pod, volume, &sources, &self.folder_of(volume, folder)).await?;
        }
        Ok(())
    }
}
