//! The node that the stand-in's pods run on: this machine.

use k8s_openapi::api::core::v1::Node;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use crate::error::Error;

/// The node's name.
pub(super) const NAME: &str = "this-machine";

/// The node's address, and that of its pods, which have no network of their own.
pub(super) const ADDRESS: &str = "127.0.0.1";

/// Tells the API server of the node, and of the port at which it finds the logs of the node's containers.
pub(super) async fn register(client: &Client, port: u16) -> Result<(), Error> {
    let what = format!("Registering node {NAME}");
    let nodes: Api<Node> = Api::all(client.clone());
    let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": NAME } });
    let parameters = PatchParams::apply("lagoon-task-testing").force();
    nodes.patch(NAME, &parameters, &Patch::Apply(&node)).await.map_err(Error::request(&what))?;
    let status = json!({ "status": {
        "addresses": [{ "type": "InternalIP", "address": ADDRESS }],
        "daemonEndpoints": { "kubeletEndpoint": { "Port": port } },
        "conditions": [{ "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "a stand-in" }],
    }});
    let patched = nodes.patch_status(NAME, &PatchParams::default(), &Patch::Merge(&status)).await;
    patched.map(drop).map_err(Error::request(what))
}
