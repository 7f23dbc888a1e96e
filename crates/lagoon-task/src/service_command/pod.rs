//! A pod that runs one command with everything a service's container has.

use serde_json::{Map, Value, json};

use crate::output::escape;

/// The label of a pod made here. Its value is the uid of the pod whose task asked for it.
pub(crate) const ASKED_FOR_BY_LABEL: &str = "task.lagoon.sh/asked-for-by";

/// The label of a service's pods and of its Deployment.
pub(crate) const SERVICE_LABEL: &str = "lagoon.sh/service";

/// Names the container that `kubectl` takes when it is told none.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// Keeps the cluster's autoscaler from ending the command in order to save a node.
const SAFE_TO_EVICT: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict";

/// Before Kubernetes 1.30 a container's `AppArmor` profile was in an annotation that begins like this.
const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";

/// Lagoon's images start cron when it is set, and a command that ran beside cron would run each job twice.
const CRON_JOBS: &str = "CRONJOBS";

/// The volume with the service account's token. The API server puts it into every pod anew.
const TOKEN_VOLUME: &str = "kube-api-access-";

/// What the new pod itself cannot take over: where and as whom the old one was placed, what the API server works out
/// from other fields and refuses when it differs, and debugging containers, which a new pod must not have.
const NOT_OF_A_NEW_POD: [&str; 12] = [
    "nodeName",
    "hostname",
    "hostnameOverride",
    "subdomain",
    "setHostnameAsFQDN",
    "priority",
    "preemptionPolicy",
    "overhead",
    "readinessGates",
    "ephemeralContainers",
    "activeDeadlineSeconds",
    "restartPolicy",
];

/// What concerns a container only as a part of the service. `resizePolicy` has defaults that a pod which never
/// restarts must not have.
const OF_THE_SERVICE: [&str; 6] =
    ["ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "resizePolicy"];

/// What the one container has otherwise: its command; and nobody sits at its terminal.
const OF_THE_CONTAINER: [&str; 7] =
    ["command", "args", "stdin", "stdinOnce", "tty", "restartPolicy", "restartPolicyRules"];

/// Runs the command as Lagoon's standard task does, under `tini` and the entry points of Lagoon's images; in an image
/// that has them not, without.
const START: &str = r#"set -- /bin/sh -c "$1"
if [ -x /lagoon/entrypoints.sh ]; then set -- /lagoon/entrypoints.sh "$@"; fi
if [ -x /sbin/tini ]; then set -- /sbin/tini -- "$@"; fi
exec "$@""#;

/// What the new pod is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewPod<'a> {
    /// Its name.
    pub name: &'a str,
    /// The service whose container is wanted.
    pub service: &'a str,
    /// The container, for a service whose pods have several and none of the service's name.
    pub container: Option<&'a str>,
    /// What `/bin/sh -c` is to run in it.
    pub command: &'a str,
    /// After so many seconds Kubernetes ends the pod, whatever has become of the task.
    pub seconds: u64,
    /// The name and the uid of the task's own pod. With that pod goes the new one.
    pub owner: (&'a str, &'a str),
}

/// Why no pod can be made of a service's pod.
///
/// ```
/// use lagoon_task::service_command::ServicePodError;
///
/// let error = ServicePodError::NoContainer { service: "cli".to_owned() };
/// assert_eq!(error.to_string(), "The pod of service \"cli\" has no container.");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServicePodError {
    /// There is no container in it, so it is no pod.
    #[error("The pod of service \"{}\" has no container.", escape(.service))]
    NoContainer {
        /// The service.
        service: String,
    },
    /// It has several containers, and nothing says which is meant.
    #[error(
        "The pod of service \"{}\" has several containers, {containers}, and none of that name. Say which one the \
         command is for: in the payload's field `container`.", escape(.service)
    )]
    WhichContainer {
        /// The service.
        service: String,
        /// The names, in the pod's order.
        containers: String,
    },
    /// It has no container of the name that was asked for.
    #[error(
        "The pod of service \"{}\" has no container \"{}\". It has: {containers}.", escape(.service), escape(.container)
    )]
    NoSuchContainer {
        /// The service.
        service: String,
        /// The container that was asked for.
        container: String,
        /// The names, in the pod's order.
        containers: String,
    },
}

/// The manifest of a pod that runs a command with all that a service's container has. `source` is a Pod or a
/// Deployment, as the API server gives it.
///
/// **Stays**: the container's image, variables, mounts, resources, security context and every field that is not known
/// here; the pod's volumes, service account, pull secrets, security context, node selector, tolerations, affinity, DNS
/// and every field that is not known here. Init containers stay too, among them those that run beside the container
/// (`restartPolicy: Always`): they prepare what it finds, and Kubernetes ends them with it.
///
/// **Goes**: the pod's other containers, which would run for ever; all that makes the container a part of the service
/// (probes, ports, hooks); node and host name; the terminal; the variable `CRONJOBS`, as in Lagoon's standard task; the
/// volume with the service account's token, since the API server adds a new one. Neither labels nor annotations are
/// taken over (but the one with the `AppArmor` profile): with the service's labels the pod would get its visitors.
///
/// The container is the one that [`NewPod::container`] names, else the one with the service's name, else the one that
/// the annotation `kubectl.kubernetes.io/default-container` names, else the only one.
pub(crate) fn service_pod(source: &Value, new: &NewPod<'_>) -> Result<Value, ServicePodError> {
    // A Deployment has a template of a pod where a Pod has itself.
    let template = source.pointer("/spec/template").unwrap_or(source);
    let mut spec = template["spec"].as_object().cloned().unwrap_or_default();
    let mut container = container(template, new)?;
    without(&mut spec, &NOT_OF_A_NEW_POD);
    without(&mut container, &OF_THE_SERVICE);
    without(&mut container, &OF_THE_CONTAINER);
    retain(container.get_mut("env"), |variable| variable["name"] != CRON_JOBS);
    container.insert("command".to_owned(), json!(["/bin/sh", "-c", literal(START), "sh", literal(new.command)]));

    let name = container.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    spec.insert("containers".to_owned(), json!([container]));
    for init in spec.get_mut("initContainers").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(init) = init.as_object_mut() {
            without(init, &OF_THE_SERVICE);
        }
    }
    spec.insert("restartPolicy".to_owned(), json!("Never"));
    spec.insert("activeDeadlineSeconds".to_owned(), json!(new.seconds));
    without_token_volume(&mut spec);

    let (owner, uid) = new.owner;
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": new.name,
            "labels": { ASKED_FOR_BY_LABEL: uid },
            "annotations": annotations(template, &name),
            "ownerReferences": [{ "apiVersion": "v1", "kind": "Pod", "name": owner, "uid": uid }],
        },
        "spec": spec,
    }))
}

/// `text` as an argument that Kubernetes hands on as it is: it would put variables in place of `$(NAME)`, and one dollar
/// in place of two.
fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

/// The name of the one container of a pod that [`service_pod`] has made.
pub(crate) fn container_name(pod: &Value) -> &str {
    pod.pointer("/spec/containers/0/name").and_then(Value::as_str).unwrap_or_default()
}

/// A name for the pod of a task's first, second, ... command, from that of the task's own pod and the number of commands
/// before: the same whenever it is asked for, and not too long.
pub(crate) fn pod_name(own: &str, before: u32) -> String {
    let ending = if before == 0 { "-command".to_owned() } else { format!("-command-{}", u64::from(before) + 1) };
    // The longest name of an object, as Kubernetes has it.
    let own = &own[..own.floor_char_boundary(253 - ending.len())];
    format!("{}{ending}", own.trim_end_matches(['-', '.']))
}

/// The container that the command is for.
fn container(template: &Value, new: &NewPod<'_>) -> Result<Map<String, Value>, ServicePodError> {
    let service = || new.service.to_owned();
    let all: Vec<&Map<String, Value>> =
        template["spec"]["containers"].as_array().into_iter().flatten().filter_map(Value::as_object).collect();
    let named = |name: &str| all.iter().find(|container| container.get("name").is_some_and(|its| its == name));
    if let Some(name) = new.container {
        let no_such = || ServicePodError::NoSuchContainer {
            service: service(),
            container: name.to_owned(),
            containers: names(&all),
        };
        return named(name).map(|found| (*found).clone()).ok_or_else(no_such);
    }
    let default = template["metadata"]["annotations"][DEFAULT_CONTAINER].as_str();
    let found = named(new.service).or_else(|| named(default?));
    match (found, all.as_slice()) {
        (Some(found), _) | (None, [found]) => Ok((*found).clone()),
        (None, []) => Err(ServicePodError::NoContainer { service: service() }),
        (None, _) => Err(ServicePodError::WhichContainer { service: service(), containers: names(&all) }),
    }
}

fn names(containers: &[&Map<String, Value>]) -> String {
    let names = containers.iter().filter_map(|container| container.get("name")?.as_str());
    names.map(|name| format!("\"{}\"", escape(name))).collect::<Vec<_>>().join(", ")
}

fn annotations(template: &Value, container: &str) -> Map<String, Value> {
    let mut annotations = Map::new();
    annotations.insert(SAFE_TO_EVICT.to_owned(), json!("false"));
    let app_armor = format!("{APP_ARMOR}{container}");
    if let Some(profile) = template["metadata"]["annotations"].get(&app_armor) {
        annotations.insert(app_armor, profile.clone());
    }
    annotations
}

fn without(object: &mut Map<String, Value>, fields: &[&str]) {
    object.retain(|name, _| !fields.contains(&name.as_str()));
}

fn retain(list: Option<&mut Value>, keep: impl Fn(&Value) -> bool) {
    if let Some(list) = list.and_then(Value::as_array_mut) {
        list.retain(keep);
    }
}

/// Takes the volume with the service account's token away, and its mounts.
fn without_token_volume(spec: &mut Map<String, Value>) {
    let is_token = |volume: &Value| {
        volume["name"].as_str().is_some_and(|name| name.starts_with(TOKEN_VOLUME)) && volume["projected"].is_object()
    };
    let volumes = spec.get("volumes").and_then(Value::as_array).into_iter().flatten();
    let tokens: Vec<Value> = volumes.filter(|volume| is_token(volume)).map(|volume| volume["name"].clone()).collect();
    retain(spec.get_mut("volumes"), |volume| !is_token(volume));
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            retain(container.get_mut("volumeMounts"), |mount| !tokens.contains(&mount["name"]));
        }
    }
}

#[cfg(test)]
mod tests;
