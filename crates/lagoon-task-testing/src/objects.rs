//! Kubernetes objects from JSON.

use k8s_openapi::api::core::v1::{Pod, ServiceAccountTokenProjection};
use kube::api::{Api, PostParams};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::bench::ControlPlane;
use crate::error::Error;
use crate::kubelet::token;

/// Creates an object from JSON.
pub(crate) async fn create<K>(api: &Api<K>, json: Value) -> Result<K, Error>
where
    K: kube::Resource<DynamicType = ()> + DeserializeOwned + serde::Serialize + Clone + std::fmt::Debug,
{
    let what = format!("Creating {} {}", K::kind(&()), json["metadata"]["name"]);
    api.create(&PostParams::default(), &object(json)?).await.map_err(Error::request(what))
}

/// An object from JSON.
pub(crate) fn object<K: DeserializeOwned>(json: Value) -> Result<K, Error> {
    serde_json::from_value(json).map_err(|error| Error::Manifest(error.into()))
}

/// The pods of a namespace.
pub(crate) fn pods(control_plane: &ControlPlane, namespace: &str) -> Result<Api<Pod>, Error> {
    Ok(Api::namespaced(control_plane.client()?, namespace))
}

/// A kubeconfig with the rights of a pod's `ServiceAccount`, for a controller that runs as a process of this machine.
pub(crate) async fn pod_kubeconfig(control_plane: &ControlPlane, namespace: &str, pod: &str) -> Result<String, Error> {
    let what = format!("Getting a token for pod {pod} in {namespace}");
    let pod = pods(control_plane, namespace)?.get(pod).await.map_err(Error::request(&what))?;
    let token = token(&control_plane.client()?, &pod, &ServiceAccountTokenProjection::default()).await;
    let token = token.map_err(Error::request(&what))?;
    Ok(control_plane.servers().kubeconfig_of(&json!({ "token": token })))
}
