//! What an Ingress names in its annotations, by the rules of the controllers that read them.
//!
//! Such things do not move. A route whose new namespace lacks one that its old namespace has would answer errors.

use serde_json::{Map, Value};

use crate::route::kind::{Beside, BesideKind, References, text};

/// Annotations whose value is `name` or `namespace/name`, by what follows their prefix: those of ingress-nginx, NGINX's
/// own controller and the two `HAProxy` controllers. The prefix can be chosen by who installs the controller.
const NAMED: [(&str, BesideKind); 14] = [
    ("auth-secret", BesideKind::Secret),
    ("auth-tls-secret", BesideKind::Secret),
    ("proxy-ssl-secret", BesideKind::Secret),
    ("secure-verify-ca-secret", BesideKind::Secret),
    ("secure-crt-secret", BesideKind::Secret),
    ("basic-auth-secret", BesideKind::Secret),
    ("jwt-key", BesideKind::Secret),
    ("server-ca", BesideKind::Secret),
    ("server-crt", BesideKind::Secret),
    ("client-ca", BesideKind::Secret),
    ("auth-proxy-set-headers", BesideKind::ConfigMap),
    ("custom-headers", BesideKind::ConfigMap),
    ("fastcgi-params-configmap", BesideKind::ConfigMap),
    ("default-backend", BesideKind::Service),
];

/// Traefik's list of `namespace-name@kubernetescrd`.
const TRAEFIK_MIDDLEWARES: &str = "traefik.ingress.kubernetes.io/router.middlewares";

/// Adds what the annotations of a route in `namespace` name there.
pub(crate) fn read(route: &Value, namespace: &str, references: &mut References) {
    let annotations = route.pointer("/metadata/annotations").and_then(Value::as_object);
    for (annotation, value) in annotations.into_iter().flatten() {
        let Some(value) = value.as_str().map(str::trim).filter(|value| !value.is_empty()) else { continue };
        if annotation == TRAEFIK_MIDDLEWARES {
            let own = value.split(',').filter_map(|entry| middleware(entry.trim(), namespace));
            references.beside.extend(own.map(|name| beside(BesideKind::Middleware, name, annotation)));
        } else if let Some(kind) = kind_named_by(annotation) {
            references.beside.extend(in_namespace(value, namespace).map(|name| beside(kind, name, annotation)));
        }
    }
}

/// In the annotations of a route that goes from one namespace to the other, names what it named in the old one by the new
/// one's name: each environment has its own. Traefik's list is left alone: where a namespace's name ends in it cannot be
/// told, and Traefik follows it wherever it leads.
pub(crate) fn follow(annotations: &mut Map<String, Value>, from: &str, to: &str) {
    for (annotation, value) in annotations {
        let named = value.as_str().and_then(|named| named.trim().strip_prefix(from)?.strip_prefix('/'));
        if let Some(name) = named.filter(|_| kind_named_by(annotation).is_some()) {
            *value = format!("{to}/{name}").into();
        }
    }
}

fn beside(kind: BesideKind, name: &str, annotation: &str) -> Beside {
    Beside { kind, name: name.to_owned(), named_by: annotation.to_owned() }
}

fn kind_named_by(annotation: &str) -> Option<BesideKind> {
    let (_, name) = annotation.split_once('/')?;
    NAMED.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
}

/// The name, of a value that names something in `namespace`: with that namespace before it or with none.
fn in_namespace<'a>(value: &'a str, namespace: &str) -> Option<&'a str> {
    match value.split_once('/') {
        None => Some(value),
        Some((other, name)) if other == namespace => Some(name),
        Some(_) => None,
    }
}

/// The Middleware's name, of an entry that names one in `namespace`. A Middleware of a file or another provider is not
/// an object of the cluster.
fn middleware<'a>(entry: &'a str, namespace: &str) -> Option<&'a str> {
    let (name, provider) = entry.rsplit_once('@')?;
    let name = name.strip_prefix(namespace)?.strip_prefix('-')?;
    (provider == "kubernetescrd").then_some(name)
}

/// What a filter of an `HTTPRoute` names: Traefik's Middleware is known, the rest cannot be looked up.
pub(crate) fn extension(filter: &Value, references: &mut References) {
    let reference = &filter["extensionRef"];
    let (Some(kind), Some(name)) = (text(reference, "kind"), text(reference, "name")) else { return };
    let of_traefik = text(reference, "group").is_some_and(|group| group.starts_with("traefik."));
    if of_traefik && kind == "Middleware" {
        references.beside.insert(beside(BesideKind::Middleware, name, "a filter"));
    } else {
        references.unchecked.insert(format!("{kind} \"{name}\""));
    }
}
