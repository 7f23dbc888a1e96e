//! Kubernetes objects from JSON.

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, PostParams};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bench::ControlPlane;
use crate::error::Error;

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
