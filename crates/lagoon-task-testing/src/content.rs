//! What stands in an environment's namespace: routes, and what they need. For tests, demos and benchmarks of switches.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::{StreamExt, TryStreamExt, stream};
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams, PostParams};
use serde_json::{Value, json};

use crate::bench::ControlPlane;
use crate::error::Error;

/// Objects that are created at once.
const AT_ONCE: usize = 16;

/// An Ingress for one host, which moves in a switch. With a Secret it serves https.
#[must_use]
pub fn ingress(name: &str, host: &str, service: &str, secret: Option<&str>) -> Value {
    let backend = json!({ "service": { "name": service, "port": { "number": 80 } } });
    let mut object = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": { "name": name, "labels": { "activestandby.lagoon.sh/migrate": "true" } },
        "spec": { "rules": [{
            "host": host,
            "http": { "paths": [{ "path": "/", "pathType": "Prefix", "backend": backend }] },
        }] },
    });
    if let Some(secret) = secret {
        object["spec"]["tls"] = json!([{ "hosts": [host], "secretName": secret }]);
    }
    object
}

/// A Service.
#[must_use]
pub fn service(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": name },
        "spec": { "selector": { "app": name }, "ports": [{ "port": 80 }] },
    })
}

/// A Secret in the form of a certificate and its key; `content` tells one from another and is no real key.
#[must_use]
pub fn tls_secret(name: &str, content: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": name },
        "type": "kubernetes.io/tls",
        "data": {
            "tls.crt": STANDARD.encode(format!("the certificate of {content}")),
            "tls.key": STANDARD.encode(format!("the key of {content}")),
        },
    })
}

impl ControlPlane {
    /// Creates objects in a namespace, several at once, and answers with what the server made of them.
    pub async fn create_all(&self, namespace: &str, objects: Vec<Value>) -> Result<Vec<DynamicObject>, Error> {
        let client = self.client()?;
        let created = stream::iter(objects).map(|object| create(client.clone(), namespace, object));
        created.buffered(AT_ONCE).try_collect().await
    }

    /// All objects of a kind in a namespace, in the order of their names. `resource` is like
    /// `networking.k8s.io/v1/ingresses`, and `v1/services` for those of the core.
    pub async fn list_all(&self, namespace: &str, resource: &str) -> Result<Vec<Value>, Error> {
        let (group_version, plural) = resource.rsplit_once('/').unwrap_or(("v1", resource));
        let (group, version) = group_version.split_once('/').unwrap_or(("", group_version));
        let kind = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, ""), plural);
        let api: Api<DynamicObject> = Api::namespaced_with(self.client()?, namespace, &kind);
        let listed = api.list(&ListParams::default()).await;
        let listed = listed.map_err(Error::request(format!("Listing {resource} in {namespace}")))?;
        let as_value =
            |object: DynamicObject| serde_json::to_value(object).map_err(Error::manifest("an object is no JSON"));
        listed.items.into_iter().map(as_value).collect()
    }
}

async fn create(client: Client, namespace: &str, object: Value) -> Result<DynamicObject, Error> {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (kind, name) = (text("/kind"), text("/metadata/name"));
    let api_version = text("/apiVersion");
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    // The plurals of the kinds that stand in an environment are regular.
    let plural = match kind.to_lowercase() {
        singular if singular.ends_with('s') => format!("{singular}es"),
        singular => format!("{singular}s"),
    };
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, &kind), &plural);
    let api: Api<DynamicObject> = Api::namespaced_with(client, namespace, &resource);
    let what = format!("Creating {kind} {name} in {namespace}");
    let object: DynamicObject = serde_json::from_value(object).map_err(Error::manifest(&what))?;
    api.create(&PostParams::default(), &object).await.map_err(Error::request(what))
}
