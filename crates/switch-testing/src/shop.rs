//! A site as the direct way finds it: two environments with routes, services and Secrets.

use std::collections::{BTreeMap, BTreeSet};

use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use lagoon_task_testing::k8s_openapi::api::core::v1::Namespace;
use lagoon_task_testing::k8s_openapi::api::networking::v1::Ingress;
use lagoon_task_testing::{
    ControlPlane, FaultProxy, Finished, Running, Task, built, ingress, service, tls_secret, until_so,
};
use serde_json::{Value, json};

use crate::site::Site;

/// Ingresses, as a resource to list.
pub const INGRESSES: &str = "networking.k8s.io/v1/ingresses";
/// Secrets, as a resource to list.
pub const SECRETS: &str = "v1/secrets";
/// `ConfigMaps`, as a resource to list.
pub const CONFIG_MAPS: &str = "v1/configmaps";

/// A site whose standby environment's namespace is `PROJECT-develop` and whose active one's is `PROJECT-main`.
pub struct Shop<'bench> {
    /// Its environments.
    pub site: Site<'bench>,
    /// Where it lies.
    pub control_plane: &'bench ControlPlane,
    /// Namespace of the standby environment.
    pub standby: String,
    /// Namespace of the active environment.
    pub active: String,
}

impl<'bench> Shop<'bench> {
    /// The two namespaces, each with a Service `web`.
    pub async fn empty(control_plane: &'bench ControlPlane, project: &str) -> Self {
        let site = Site::new(control_plane, project).await;
        let (standby, active) = (site.standby.namespace.clone(), site.active.namespace.clone());
        let shop = Self { site, control_plane, standby, active };
        for namespace in [&shop.standby, &shop.active] {
            shop.add(namespace, vec![service("web")]).await;
        }
        shop
    }

    /// Two routes each way, each with a Secret of its own.
    pub async fn with_routes(control_plane: &'bench ControlPlane, project: &str) -> Self {
        let shop = Self::empty(control_plane, project).await;
        shop.add_routes(&shop.standby, project, &["standby", "preview"]).await;
        shop.add_routes(&shop.active, project, &["www", "shop"]).await;
        shop
    }

    /// Adds routes of these names, each with a Secret of its own.
    pub async fn add_routes(&self, namespace: &str, project: &str, names: &[&str]) {
        for name in names {
            let (host, secret) = (host(project, name), format!("{name}-tls"));
            self.add(namespace, vec![tls_secret(&secret, &host)]).await;
            self.add(namespace, vec![ingress(name, &host, "web", Some(&secret))]).await;
        }
    }

    /// Adds objects.
    pub async fn add(&self, namespace: &str, objects: Vec<Value>) {
        self.control_plane.create_all(namespace, objects).await.unwrap();
    }

    /// The payload of a switch, as Lagoon 2.17 sends it.
    pub fn payload(&self) -> Value {
        json!({
            "productionEnvironment": "main",
            "standbyEnvironment": "develop",
            "sourceNamespace": self.standby,
            "destinationNamespace": self.active,
        })
    }

    /// The task that switches it, in the direct way.
    pub fn task(&self) -> Task<'bench> {
        with_mutant(self.site.task(&self.payload()))
    }

    /// The task, whose requests pass through `proxy`.
    pub fn task_through(&self, proxy: &FaultProxy) -> Task<'bench> {
        self.task().variable("KUBERNETES_SERVICE_PORT", proxy.port().to_string())
    }

    /// Starts the task.
    pub async fn launch(&self) -> Running<'bench> {
        self.task().launch().await.unwrap()
    }

    /// Switches, to the end.
    pub async fn switch(&self) -> Finished {
        self.launch().await.finish().await.unwrap()
    }

    /// The task that switches it the other way. Its rights in the other namespace are given by
    /// [`switch_back`](Self::switch_back), or by who launches it.
    pub fn task_back(&self) -> Task<'bench> {
        let payload = json!({
            "productionEnvironment": "develop",
            "standbyEnvironment": "main",
            "sourceNamespace": self.active,
            "destinationNamespace": self.standby,
        });
        with_mutant(self.site.launcher.task(&self.site.active, built("activestandby").unwrap()).payload(&payload))
    }

    /// Switches the other way, as Lagoon does once it has recorded a switch.
    pub async fn switch_back(&self) -> Finished {
        self.site.launcher.allow_switch(&self.site.active, &self.site.standby).await.unwrap();
        let finished = self.task_back().launch().await.unwrap().finish().await.unwrap();
        self.site.launcher.forbid_switch(&self.site.active, &self.site.standby).await.unwrap();
        finished
    }

    /// Has a policy of the cluster refuse `operation` on the Ingresses of one namespace in these words, unless `expression`
    /// allows it. It takes a moment until it is in force.
    pub async fn add_policy(&self, namespace: &str, operation: &str, expression: &str, words: &str) {
        let spec = json!({
            "failurePolicy": "Fail",
            "matchConstraints": matching(namespace, "networking.k8s.io", "ingresses", &[operation]),
            "validations": [{ "expression": expression, "message": words }],
        });
        let binding = json!({ "validationActions": ["Deny"] });
        self.apply_policy("ValidatingAdmissionPolicy", &format!("refuses-{namespace}"), &spec, binding).await;
    }

    /// Has a policy of the cluster change objects of one namespace by the JSON patch that this CEL expression makes, when they
    /// are created, or also updated. It takes a moment until it is in force.
    pub async fn add_mutating_policy(
        &self,
        namespace: &str,
        (group, resource): (&str, &str),
        operations: &[&str],
        patch: &str,
    ) {
        let spec = json!({
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "matchConstraints": matching(namespace, group, resource, operations),
            "mutations": [{ "patchType": "JSONPatch", "jsonPatch": { "expression": patch } }],
        });
        self.apply_policy("MutatingAdmissionPolicy", &format!("changes-{namespace}"), &spec, json!({})).await;
    }

    async fn apply_policy(&self, kind: &str, name: &str, spec: &Value, mut binding: Value) {
        binding["policyName"] = name.into();
        let manifests = [(kind.to_owned(), spec), (format!("{kind}Binding"), &binding)].map(|(kind, spec)| {
            let api_version = "admissionregistration.k8s.io/v1";
            json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": name }, "spec": spec }).to_string()
        });
        self.control_plane.apply(&manifests.join("\n---\n")).await.unwrap();
    }

    /// Has each route of this name refused that is really to be created in the namespace.
    pub async fn refuse_route(&self, namespace: &str, name: &str) {
        let allowed = format!("request.dryRun || object.metadata.name != '{name}'");
        self.add_policy(namespace, "CREATE", &allowed, "not this one").await;
        let routes: Api<Ingress> = Api::namespaced(self.site.client(), namespace);
        let route: Ingress = serde_json::from_value(ingress(name, "refused.example.com", "web", None)).unwrap();
        until_so(async || {
            let is_refused = routes.create(&PostParams::default(), &route).await.is_err();
            if !is_refused {
                routes.delete(name, &DeleteParams::default()).await.unwrap();
            }
            is_refused
        })
        .await;
    }

    /// Puts a label on a namespace.
    pub async fn label_namespace(&self, namespace: &str, label: &str, value: &str) {
        let namespaces: Api<Namespace> = Api::all(self.site.client());
        let patch = json!({ "metadata": { "labels": { label: value } } });
        namespaces.patch(namespace, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    }

    /// All objects of a resource in a namespace, in the order of their names.
    pub async fn list(&self, namespace: &str, resource: &str) -> Vec<Value> {
        self.control_plane.list_all(namespace, resource).await.unwrap()
    }

    /// The names of the objects of a kind in a namespace.
    pub async fn names(&self, namespace: &str, resource: &str) -> Vec<String> {
        let name = |object: &Value| object["metadata"]["name"].as_str().unwrap().to_owned();
        self.list(namespace, resource).await.iter().map(name).collect()
    }

    /// Ingresses and Secrets of both namespaces without what the server sets and what a switch documents that it
    /// leaves behind: equal before and after means that nothing has changed.
    pub async fn content(&self) -> BTreeMap<String, Value> {
        let mut content = BTreeMap::new();
        for namespace in [&self.standby, &self.active] {
            for resource in [INGRESSES, SECRETS] {
                for object in self.list(namespace, resource).await {
                    let name = object["metadata"]["name"].as_str().unwrap().to_owned();
                    content.insert(format!("{namespace} {resource} {name}"), essence(object));
                }
            }
        }
        content
    }

    /// Every route and Secret of [`with_routes`](Self::with_routes) is on the other side, and nowhere else.
    pub async fn assert_switched(&self, why: &str) {
        for (namespace, routes) in [(&self.standby, ["shop", "www"]), (&self.active, ["preview", "standby"])] {
            assert_eq!(self.names(namespace, INGRESSES).await, routes, "{why}");
            let secrets = routes.map(|name| format!("{name}-tls"));
            assert_eq!(self.names(namespace, SECRETS).await, secrets, "{why}");
            for secret in self.list(namespace, SECRETS).await {
                let name = secret["metadata"]["name"].as_str().unwrap();
                let route = name.trim_end_matches("-tls");
                let project = &self.site.standby.project;
                assert_eq!(secret["data"], tls_secret(name, &host(project, route))["data"], "{why}");
            }
        }
    }

    /// The first host of every route, wherever it is.
    pub async fn hosts(&self) -> BTreeSet<String> {
        let mut hosts = BTreeSet::new();
        for namespace in [&self.standby, &self.active] {
            for route in self.list(namespace, INGRESSES).await {
                hosts.insert(route["spec"]["rules"][0]["host"].as_str().unwrap().to_owned());
            }
        }
        hosts
    }

    /// The host of every route of [`with_routes`](Self::with_routes) has a live route somewhere.
    pub async fn assert_all_live(&self, why: &str) {
        let live = self.hosts().await;
        for name in ["standby", "preview", "www", "shop"] {
            let host = host(&self.site.standby.project, name);
            assert!(live.contains(&host), "{why}: {host} is not among {live:?}");
        }
    }

    /// The result that Lagoon gets of a switch of [`with_routes`](Self::with_routes).
    pub fn result(&self) -> Value {
        let project = &self.site.standby.project;
        let url = |name: &str| format!("https://{}", host(project, name));
        json!({
            "status": "Completed",
            "productionEnvironment": "develop",
            "standbyProductionEnvironment": "main",
            "productionRoutes": format!("{},{}", url("shop"), url("www")),
            "standbyRoutes": format!("{},{}", url("preview"), url("standby")),
            "sourceNamespace": self.standby,
            "DestinationNamespace": self.active,
        })
    }
}

/// What a policy looks at: objects of a kind in one namespace.
fn matching(namespace: &str, group: &str, resource: &str, operations: &[&str]) -> Value {
    json!({
        "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": namespace } },
        "resourceRules": [{
            "apiGroups": [group], "apiVersions": ["v1"], "operations": operations, "resources": [resource],
        }],
    })
}

/// A pod of an environment that no stand-in runs.
#[must_use]
pub fn pod(name: &str, labels: &Value, volumes: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "labels": labels },
        "spec": {
            "serviceAccountName": "lagoon-deployer",
            "automountServiceAccountToken": false,
            "containers": [{ "name": "main", "image": "example" }],
            "volumes": volumes,
        },
    })
}

/// Hands the fault that this process was asked to plant on to the task.
fn with_mutant(task: Task<'_>) -> Task<'_> {
    match std::env::var("ROUTE_SWITCH_MUTANT") {
        Ok(mutant) => task.variable("ROUTE_SWITCH_MUTANT", mutant),
        Err(_) => task,
    }
}

/// The host of the route `name` of a project.
#[must_use]
pub fn host(project: &str, name: &str) -> String {
    format!("{name}.{project}.example.com")
}

/// An object without what the server sets and what a switch leaves behind.
pub fn essence(mut object: Value) -> Value {
    let metadata = object["metadata"].as_object_mut().unwrap();
    for field in ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "namespace"] {
        metadata.remove(field);
    }
    if let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
        for label in ["migrating", "migrated-from", "switch"] {
            labels.remove(&format!("activestandby.lagoon.sh/{label}"));
        }
        if labels.is_empty() {
            metadata.remove("labels");
        }
    }
    object
}
