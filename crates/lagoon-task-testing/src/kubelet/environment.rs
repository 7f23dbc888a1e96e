//! A container's variables, as a kubelet resolves them. Format: Pod, `spec.containers[].env` and `envFrom`.

use k8s_openapi::api::core::v1::{Container, EnvVar, EnvVarSource, Pod};

use crate::kubelet::sources::Sources;

/// Variables in the order in which they were first named.
pub(super) type Variables = Vec<(String, String)>;

/// All variables that the pod gives its container: `envFrom`, then `env`, which wins. An error is the message of
/// `CreateContainerConfigError`.
pub(super) fn variables(container: &Container, pod: &Pod, sources: &Sources) -> Result<Variables, String> {
    let mut variables = Variables::new();
    for from in container.env_from.iter().flatten() {
        let prefix = from.prefix.clone().unwrap_or_default();
        if let Some(reference) = &from.config_map_ref
            && let Some(data) = sources.config_map(&reference.name, reference.optional)?
        {
            add_all(&mut variables, &prefix, data);
        }
        if let Some(reference) = &from.secret_ref
            && let Some(data) = sources.secret(&reference.name, reference.optional)?
        {
            add_all(&mut variables, &prefix, data);
        }
    }
    for variable in container.env.iter().flatten() {
        if let Some(value) = value(variable, &variables, pod, sources)? {
            set(&mut variables, &variable.name, value);
        }
    }
    Ok(variables)
}

fn add_all(variables: &mut Variables, prefix: &str, data: &crate::kubelet::sources::Data) {
    for (key, value) in data {
        set(variables, &format!("{prefix}{key}"), String::from_utf8_lossy(value).into_owned());
    }
}

/// Sets a variable, in its old place if it has one.
pub(super) fn set(variables: &mut Variables, name: &str, value: String) {
    match variables.iter_mut().find(|(existing, _)| existing == name) {
        Some((_, old)) => *old = value,
        None => variables.push((name.to_owned(), value)),
    }
}

/// The value of one variable; `None` for an optional one that is not there.
fn value(variable: &EnvVar, before: &Variables, pod: &Pod, sources: &Sources) -> Result<Option<String>, String> {
    match (&variable.value, &variable.value_from) {
        (_, Some(from)) => value_from(from, pod, sources),
        (value, None) => Ok(Some(expand(value.as_deref().unwrap_or_default(), before))),
    }
}

fn value_from(from: &EnvVarSource, pod: &Pod, sources: &Sources) -> Result<Option<String>, String> {
    let text = |value: &Vec<u8>| String::from_utf8_lossy(value).into_owned();
    if let Some(reference) = &from.secret_key_ref {
        let value = sources.secret_key(&reference.name, &reference.key, reference.optional)?;
        Ok(value.map(text))
    } else if let Some(reference) = &from.config_map_key_ref {
        let value = sources.config_map_key(&reference.name, &reference.key, reference.optional)?;
        Ok(value.map(text))
    } else if let Some(reference) = &from.field_ref {
        field(pod, &reference.field_path).map(Some)
    } else {
        Err("the kubelet stand-in knows env from secretKeyRef, configMapKeyRef and fieldRef only".to_owned())
    }
}

/// The value of a pod's field, as `fieldRef` names it.
pub(super) fn field(pod: &Pod, path: &str) -> Result<String, String> {
    let metadata = &pod.metadata;
    let spec = pod.spec.as_ref();
    let value = match path {
        "metadata.name" => metadata.name.clone(),
        "metadata.namespace" => metadata.namespace.clone(),
        "metadata.uid" => metadata.uid.clone(),
        "metadata.labels" => Some(listed(metadata.labels.as_ref())),
        "metadata.annotations" => Some(listed(metadata.annotations.as_ref())),
        "spec.nodeName" => Some(crate::kubelet::node::NAME.to_owned()),
        "spec.serviceAccountName" => spec.and_then(|spec| spec.service_account_name.clone()),
        "status.podIP" | "status.podIPs" | "status.hostIP" | "status.hostIPs" => {
            Some(crate::kubelet::node::ADDRESS.to_owned())
        }
        _ => {
            let keyed = |field: &str| path.strip_prefix(field)?.strip_prefix("['")?.strip_suffix("']");
            let of = |map: &Option<std::collections::BTreeMap<String, String>>, key: &str| {
                map.as_ref().and_then(|map| map.get(key)).cloned()
            };
            if let Some(key) = keyed("metadata.labels") {
                of(&metadata.labels, key)
            } else if let Some(key) = keyed("metadata.annotations") {
                of(&metadata.annotations, key)
            } else {
                return Err(format!("unsupported fieldPath: {path}"));
            }
        }
    };
    Ok(value.unwrap_or_default())
}

/// Labels or annotations as a downward API file has them: `key="value"`, a line each.
fn listed(map: Option<&std::collections::BTreeMap<String, String>>) -> String {
    let lines: Vec<String> = map.into_iter().flatten().map(|(key, value)| format!("{key}={value:?}")).collect();
    lines.join("\n")
}

/// Replaces `$(NAME)` by the variable's value. `$$` is a dollar sign; a name that is not set stays as it stands.
/// Rule: Kubernetes, "Define dependent environment variables".
pub(super) fn expand(text: &str, variables: &Variables) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            expanded.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|reference| reference.split_once(')')) {
            match variables.iter().find(|(existing, _)| existing == name) {
                Some((_, value)) => expanded.push_str(value),
                None => expanded.extend(["$(", name, ")"]),
            }
            rest = after;
        } else {
            expanded.push('$');
        }
    }
    expanded + rest
}

#[cfg(test)]
mod tests;
