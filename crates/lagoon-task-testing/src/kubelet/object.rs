//! What the stand-in does with a pod's object: it binds it, writes its status, and deletes it in the end.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Binding, ObjectReference, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use serde_json::{Value, json};

use crate::kubelet::clock::now;
use crate::kubelet::node;
use crate::kubelet::shared::RETRY;
use crate::kubelet::status::status;
use crate::kubelet::worker::Worker;

impl Worker {
    /// Binds the pod to the node, as the scheduler does. One that is bound already stays so.
    pub(super) async fn bind(&self) -> Result<(), kube::Error> {
        let name = self.pod.name_any();
        let metadata = ObjectMeta { name: Some(name.clone()), uid: self.pod.uid(), ..ObjectMeta::default() };
        let target = ObjectReference {
            kind: Some("Node".to_owned()),
            name: Some(node::NAME.to_owned()),
            ..ObjectReference::default()
        };
        let binding = Binding { metadata, target };
        let bound: Result<Value, _> =
            self.api().create_subresource("binding", &name, &PostParams::default(), &binding).await;
        match bound {
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            other => other.map(drop),
        }
    }

    /// Writes each state into the pod, until the last is written or the pod is gone.
    pub(super) async fn write_states(self: Arc<Self>) {
        let mut states = self.states.subscribe();
        let mut before = Value::Null;
        loop {
            let state = states.borrow_and_update().clone();
            let new = status(&self.pod, &state, &before, &now());
            let patch = Patch::Merge(json!({ "metadata": { "uid": self.pod.uid() }, "status": new }));
            let is_written = match self.api().patch_status(&self.pod.name_any(), &PatchParams::default(), &patch).await
            {
                Ok(_) => true,
                // Gone, or another of its name is there.
                Err(kube::Error::Api(refusal)) if [404, 409].contains(&refusal.code) => break,
                Err(_) => false,
            };
            if !is_written {
                // The API server is away: until it is back.
                tokio::time::sleep(RETRY).await;
                continue;
            }
            before = new;
            let is_over = state.is_over;
            self.written.send_replace(Some(state));
            // An error: nothing will change any more.
            if is_over || states.changed().await.is_err() {
                break;
            }
        }
        self.settled.send_replace(true);
    }

    /// Deletes the object, since nothing of it is left here.
    pub(super) async fn delete(&self) {
        let preconditions = Preconditions { uid: self.pod.uid(), ..Preconditions::default() };
        let parameters = DeleteParams::default().grace_period(0).preconditions(preconditions);
        while let Err(error) = self.api().delete(&self.pod.name_any(), &parameters).await {
            if matches!(&error, kube::Error::Api(status) if [404, 409].contains(&status.code)) {
                return;
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    fn api(&self) -> Api<Pod> {
        Api::namespaced(self.kubelet.client.clone(), &self.namespace())
    }
}
