//! Objects of any kind as JSON, so that no field is lost that this program does not know.

use kube::Resource;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GetParams, Patch, PatchParams, PostParams, Preconditions,
    PropagationPolicy,
};
use kube::core::Request;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cluster::guard::{self, Guarded};
use crate::cluster::{Cause, Cluster, ClusterError, ObjectName};
use crate::environment::is_dns_subdomain;

/// The objects of one kind in one namespace.
///
/// ```no_run
/// use lagoon_task::k8s_openapi::api::networking::v1::Ingress;
/// use lagoon_task::kube::api::ApiResource;
/// use lagoon_task::{Cluster, ClusterError};
///
/// # async fn example(cluster: &Cluster) -> Result<(), ClusterError> {
/// let ingresses = cluster.objects(&ApiResource::erase::<Ingress>(&()), "shop-main");
/// for host in ingresses.list(|ingress| ingress["spec"]["rules"][0]["host"].to_string()).await? {
///     println!("{host}");
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Objects<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) resource: ApiResource,
    pub(super) namespace: String,
}

/// What every object has.
///
/// ```
/// let metadata = lagoon_task::Metadata { name: "www".to_owned(), ..Default::default() };
/// assert!(metadata.deletion_timestamp.is_none());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Metadata {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Tells it from an earlier or later object of the same name.
    pub uid: String,
    /// Changes with every change of the object.
    pub resource_version: String,
    /// Its labels.
    pub labels: std::collections::BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: std::collections::BTreeMap<String, String>,
    /// What must be done before it can go.
    pub finalizers: Vec<String>,
    /// Since when it is being deleted.
    pub deletion_timestamp: Option<String>,
}

impl Metadata {
    /// Reads the metadata of an object.
    ///
    /// ```
    /// use lagoon_task::Metadata;
    ///
    /// let pod = serde_json::json!({ "kind": "Pod", "metadata": { "name": "cli", "labels": { "lagoon.sh/service": "cli" } } });
    /// assert_eq!(Metadata::of(&pod).labels["lagoon.sh/service"], "cli");
    /// ```
    #[must_use]
    pub fn of(object: &Value) -> Self {
        object.get("metadata").and_then(|metadata| Self::deserialize(metadata).ok()).unwrap_or_default()
    }
}

/// What has become of an object that was to be deleted.
///
/// ```no_run
/// # use lagoon_task::{ClusterError, Deleted, Metadata, Objects};
/// # async fn example(ingresses: &Objects<'_>, seen: &Metadata) -> Result<(), ClusterError> {
/// if ingresses.delete(seen).await? == Deleted::Terminating {
///     println!("{} goes when its finalizers let it", seen.name);
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone, or was gone before.
    Gone,
    /// It goes as soon as its finalizers have been removed; a pod, as soon as its containers have ended.
    Terminating,
}

impl Cluster {
    /// The objects of a kind in a namespace, as JSON.
    ///
    /// ```
    /// use lagoon_task::k8s_openapi::api::core::v1::ConfigMap;
    /// use lagoon_task::kube::api::ApiResource;
    /// use lagoon_task::{Cluster, Objects};
    ///
    /// fn settings<'a>(cluster: &'a Cluster, namespace: &str) -> Objects<'a> {
    ///     cluster.objects(&ApiResource::erase::<ConfigMap>(&()), namespace)
    /// }
    /// ```
    #[must_use]
    pub fn objects(&self, resource: &ApiResource, namespace: &str) -> Objects<'_> {
        Objects { cluster: self, resource: resource.clone(), namespace: namespace.to_owned() }
    }

    /// The objects of a kind in all namespaces, to be listed.
    ///
    /// ```
    /// use lagoon_task::k8s_openapi::api::core::v1::ConfigMap;
    /// use lagoon_task::kube::api::ApiResource;
    /// use lagoon_task::{Cluster, Objects};
    ///
    /// fn all_settings(cluster: &Cluster) -> Objects<'_> {
    ///     cluster.objects_everywhere(&ApiResource::erase::<ConfigMap>(&()))
    /// }
    /// ```
    #[must_use]
    pub fn objects_everywhere(&self, resource: &ApiResource) -> Objects<'_> {
        self.objects(resource, "")
    }
}

#[derive(Deserialize)]
pub(super) struct OnlyMetadata {
    #[serde(default)]
    pub(super) metadata: Metadata,
}

impl Objects<'_> {
    /// Names an object of this kind in an error.
    ///
    /// ```
    /// fn in_words(ingresses: &lagoon_task::Objects<'_>) -> String {
    ///     ingresses.name("www").to_string() // Ingress "www" in namespace "shop-main"
    /// }
    /// ```
    #[must_use]
    pub fn name(&self, name: &str) -> ObjectName {
        ObjectName::new(&self.resource.kind, &self.namespace, name)
    }

    /// The cluster that they are in.
    ///
    /// ```
    /// use lagoon_task::{Cluster, Objects};
    ///
    /// fn same_cluster<'a>(objects: &'a Objects<'_>) -> &'a Cluster {
    ///     objects.cluster()
    /// }
    /// ```
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        self.cluster
    }

    /// The namespace.
    ///
    /// ```
    /// fn is_in_main(objects: &lagoon_task::Objects<'_>) -> bool {
    ///     objects.namespace().ends_with("-main")
    /// }
    /// ```
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The object of this name, if there is one.
    ///
    /// ```no_run
    /// # use lagoon_task::{ClusterError, Objects};
    /// # async fn example(ingresses: &Objects<'_>) -> Result<(), ClusterError> {
    /// match ingresses.get("www").await? {
    ///     Some(ingress) => println!("{}", ingress["spec"]),
    ///     None => println!("there is none"),
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn get(&self, name: &str) -> Result<Option<Value>, ClusterError> {
        self.read(name, |path| path.get(name, &GetParams::default())).await
    }

    /// The metadata of the object of this name, if there is one. Its content is not sent.
    ///
    /// ```no_run
    /// # use lagoon_task::{ClusterError, Objects};
    /// # async fn example(ingresses: &Objects<'_>) -> Result<(), ClusterError> {
    /// let is_there = ingresses.get_metadata("www").await?.is_some();
    /// # Ok(()) }
    /// ```
    pub async fn get_metadata(&self, name: &str) -> Result<Option<Metadata>, ClusterError> {
        let object: Option<OnlyMetadata> =
            self.read(name, |path| path.get_metadata(name, &GetParams::default())).await?;
        Ok(object.map(|object| object.metadata))
    }

    async fn read<T: DeserializeOwned>(
        &self,
        name: &str,
        request: impl FnOnce(&Request) -> Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Option<T>, ClusterError> {
        // What is no name names nothing, and must not become a part of a path.
        if !is_dns_subdomain(name) {
            return Ok(None);
        }
        match self.send(request(&self.path())).await {
            Ok(object) => Ok(Some(object)),
            Err(Cause::NotFound(_)) => Ok(None),
            Err(cause) => Err(ClusterError::Read { object: self.name(name), cause }),
        }
    }

    /// Creates an object and answers with what the server made of it.
    ///
    /// ```no_run
    /// # use lagoon_task::{ClusterError, Objects};
    /// # async fn example(ingresses: &Objects<'_>) -> Result<(), ClusterError> {
    /// let ingress = serde_json::json!({
    ///     "apiVersion": "networking.k8s.io/v1",
    ///     "kind": "Ingress",
    ///     "metadata": { "name": "www" },
    ///     "spec": { "defaultBackend": { "service": { "name": "nginx", "port": { "number": 80 } } } },
    /// });
    /// let created = ingresses.create(&ingress).await?;
    /// # Ok(()) }
    /// ```
    pub async fn create(&self, object: &Value) -> Result<Value, ClusterError> {
        self.post(object, false).await
    }

    /// Asks whether an object could be created: everything is done but the keeping.
    ///
    /// ```no_run
    /// # use lagoon_task::{ClusterError, Objects};
    /// # async fn example(ingress: &serde_json::Value, ingresses: &Objects<'_>) -> Result<(), ClusterError> {
    /// if let Err(refused) = ingresses.could_create(ingress).await {
    ///     println!("{refused}");
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn could_create(&self, object: &Value) -> Result<Value, ClusterError> {
        self.post(object, true).await
    }

    async fn post(&self, object: &Value, dry_run: bool) -> Result<Value, ClusterError> {
        let parameters = PostParams { dry_run, ..PostParams::default() };
        let request = self.path().create(&parameters, object.to_string().into_bytes());
        let created = if dry_run { self.send(request).await } else { self.change(request).await };
        created.map_err(|cause| ClusterError::Create { object: self.name(&Metadata::of(object).name), cause })
    }

    /// Replaces an object, if it is still of the `resourceVersion` that `object` carries.
    ///
    /// ```no_run
    /// # use lagoon_task::{ClusterError, Objects};
    /// # async fn example(ingresses: &Objects<'_>) -> Result<(), ClusterError> {
    /// if let Some(mut ingress) = ingresses.get("www").await? {
    ///     ingress["metadata"]["labels"]["example.com/seen"] = "yes".into();
    ///     ingresses.replace(&ingress).await?;
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn replace(&self, object: &Value) -> Result<Value, ClusterError> {
        let name = Metadata::of(object).name;
        let request = self.path().replace(&name, &PostParams::default(), object.to_string().into_bytes());
        self.change(request).await.map_err(|cause| ClusterError::Change { object: self.name(&name), cause })
    }

    /// Merges `patch` into an object. A `metadata.uid` in it has another object of the same name left alone.
    ///
    /// ```no_run
    /// # use lagoon_task::{ClusterError, Objects};
    /// # async fn example(ingresses: &Objects<'_>) -> Result<(), ClusterError> {
    /// let patch = serde_json::json!({ "metadata": { "labels": { "example.com/seen": "yes" } } });
    /// ingresses.merge("www", &patch).await?;
    /// # Ok(()) }
    /// ```
    pub async fn merge(&self, name: &str, patch: &Value) -> Result<Value, ClusterError> {
        let request = self.path().patch(name, &PatchParams::default(), &Patch::Merge(patch));
        self.change(request).await.map_err(|cause| ClusterError::Change { object: self.name(name), cause })
    }

    /// Deletes an object, if it is still the very one that `seen` is of, unchanged. Objects that it owns are left to
    /// the cluster's garbage collector.
    ///
    /// ```no_run
    /// # use lagoon_task::{ClusterError, Objects};
    /// # async fn example(ingresses: &Objects<'_>) -> Result<(), ClusterError> {
    /// if let Some(seen) = ingresses.get_metadata("www").await? {
    ///     ingresses.delete(&seen).await?;
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn delete(&self, seen: &Metadata) -> Result<Deleted, ClusterError> {
        let resource_version = Some(seen.resource_version.clone()).filter(|version| !version.is_empty());
        self.delete_if(seen, resource_version, None).await
    }

    /// Asks whether an object could be deleted: everything is done but the deleting.
    ///
    /// ```no_run
    /// # use lagoon_task::{ClusterError, Metadata, Objects};
    /// # async fn example(ingresses: &Objects<'_>, seen: &Metadata) -> Result<(), ClusterError> {
    /// if let Err(refused) = ingresses.could_delete(seen).await {
    ///     println!("{refused}");
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn could_delete(&self, seen: &Metadata) -> Result<(), ClusterError> {
        let parameters = DeleteParams { dry_run: true, ..only(seen, None) };
        let mut request = self.path().delete(&seen.name, &parameters);
        if let Ok(request) = &mut request {
            // kube says it in the body alone, where an audit log does not show it.
            let uri = request.uri().to_string();
            let uri = format!("{}?dryRun=All", uri.trim_end_matches('?'));
            if let Ok(uri) = uri.parse() {
                *request.uri_mut() = uri;
            }
        }
        match self.send::<Value>(request).await {
            Ok(_) | Err(Cause::NotFound(_)) => Ok(()),
            Err(cause) => Err(ClusterError::Delete { object: self.name(&seen.name), cause }),
        }
    }

    /// Deletes an object, if it is still the one that `seen` is of, however it has changed. A pod's containers get so
    /// many seconds to end by themselves; the pod is [`Terminating`](Deleted::Terminating) for as long.
    ///
    /// ```no_run
    /// # use lagoon_task::{ClusterError, Objects};
    /// # async fn example(pods: &Objects<'_>) -> Result<(), ClusterError> {
    /// if let Some(seen) = pods.get_metadata("worker-0").await? {
    ///     pods.delete_with_grace(&seen, 10).await?;
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn delete_with_grace(&self, seen: &Metadata, seconds: u32) -> Result<Deleted, ClusterError> {
        self.delete_if(seen, None, Some(seconds)).await
    }

    async fn delete_if(
        &self,
        seen: &Metadata,
        resource_version: Option<String>,
        grace_period_seconds: Option<u32>,
    ) -> Result<Deleted, ClusterError> {
        let parameters = DeleteParams { grace_period_seconds, ..only(seen, resource_version) };
        match self.change::<Value>(self.path().delete(&seen.name, &parameters)).await {
            Ok(answer) if Metadata::of(&answer).finalizers.is_empty() && !has_grace(&answer) => Ok(Deleted::Gone),
            Ok(_) => Ok(Deleted::Terminating),
            Err(Cause::NotFound(_)) => Ok(Deleted::Gone),
            Err(cause) => Err(ClusterError::Delete { object: self.name(&seen.name), cause }),
        }
    }

    pub(crate) fn path(&self) -> Request {
        let namespace = Some(self.namespace.as_str()).filter(|namespace| !namespace.is_empty());
        Request::new(DynamicObject::url_path(&self.resource, namespace))
    }

    /// Sends what changes something: only while the cluster's guard allows it.
    async fn change<T: DeserializeOwned>(
        &self,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<T, Cause> {
        let guards = &self.cluster.guards;
        let guarded = request.map(|mut request| {
            if !guards.is_empty() {
                let (guards, namespace) = (guards.clone(), self.namespace.clone());
                request.extensions_mut().insert(Guarded { guards, namespace });
            }
            request
        });
        self.send(guarded).await.inspect_err(|cause| guard::hear(guards, cause))
    }

    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<T, Cause> {
        let request = request.map_err(|_| Cause::NotUnderstood)?;
        self.cluster.ask(self.cluster.client.request(request)).await
    }
}

/// Deletes this very object and none after it of the same name.
fn only(seen: &Metadata, resource_version: Option<String>) -> DeleteParams {
    DeleteParams {
        propagation_policy: Some(PropagationPolicy::Background),
        preconditions: Some(Preconditions { uid: Some(seen.uid.clone()), resource_version }),
        ..DeleteParams::default()
    }
}

/// Whether an object that is being deleted has been given time for it.
fn has_grace(object: &Value) -> bool {
    object["metadata"]["deletionGracePeriodSeconds"].as_u64().is_some_and(|seconds| seconds > 0)
}
