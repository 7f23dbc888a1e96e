//! Reads the places that a kind of route declares, and has what stands there follow a route to its new namespace.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::route::fields::text;
use lagoon_task::environment::{is_dns_label, is_dns_subdomain};

use crate::route::reference::{At, Form, ObjectForm, Place, Purpose, Reference, References, SERVICE, Unchecked};

/// The provider of what are objects of the cluster, in Traefik's names.
const OF_THE_CLUSTER: &str = "@kubernetescrd";

/// Adds what a route in `namespace` names at these places. Whatever is missing or of another type counts as not there.
pub(crate) fn read(route: &Value, namespace: &str, places: &[&[Place]], references: &mut References) {
    let (mut known, mut unknown) = (BTreeSet::new(), BTreeSet::new());
    for place in places.iter().copied().flatten() {
        for pointer in pointers(route, place.at) {
            let Some(value) = route.pointer(&pointer) else { continue };
            let field = field(&pointer);
            if let Form::Object(form) = place.form {
                match object(value, place, form) {
                    Some(true) => _ = known.insert(field.clone()),
                    Some(false) => {
                        let kind = text(value, "kind").unwrap_or("object");
                        let what = format!("{kind} \"{}\"", text(value, "name").unwrap_or_default());
                        unknown.insert(Unchecked { what, field });
                        continue;
                    }
                    None => continue,
                }
            }
            references.named.extend(named(value, place, namespace).into_iter().map(|named| Reference {
                target: place.target,
                namespace: named.namespace.filter(|other| other != namespace),
                name: named.name,
                part: named.part,
                purpose: place.purpose,
                field: field.clone(),
            }));
        }
    }
    references.unchecked.extend(unknown.into_iter().filter(|one| !known.contains(&one.field)));
}

/// Has what stands at these places of a route name things of the namespace that it goes to, where it names those of the one
/// that it comes from: each environment has its own. In Traefik's lists where a namespace's name ends cannot be told, so
/// there `is_followed` decides.
pub(crate) fn follow(route: &mut Value, places: &[&[Place]], from: &str, to: &str, is_followed: &dyn Fn(&str) -> bool) {
    for place in places.iter().copied().flatten() {
        for pointer in pointers(route, place.at) {
            let Some(value) = route.pointer_mut(&pointer) else { continue };
            let followed = match place.form {
                Form::Name | Form::Names => None,
                Form::Object(form) => {
                    let is_old = form.follows && text(value, "namespace") == Some(from);
                    if is_old && object(value, place, form) == Some(true) {
                        set(value, "namespace", to);
                    }
                    None
                }
                Form::Slashed => value.as_str().and_then(|text| {
                    let name = text.trim().strip_prefix(from)?.strip_prefix('/')?;
                    Some(format!("{to}/{name}"))
                }),
                Form::Traefik => value.as_str().map(|list| {
                    let entries = list.split(',').map(|entry| match middleware(entry.trim(), from) {
                        Some(name) if is_followed(entry.trim()) => format!("{to}-{name}{OF_THE_CLUSTER}"),
                        _ => entry.to_owned(),
                    });
                    entries.collect::<Vec<_>>().join(",")
                }),
                Form::Url => value.as_str().and_then(|url| {
                    let place = in_cluster(url).filter(|host| host.namespace == from)?;
                    Some(format!("{}{to}{}", url.get(..place.start)?, url.get(place.start + from.len()..)?))
                }),
            };
            if let Some(followed) = followed {
                *value = followed.into();
            }
        }
    }
}

fn set(object: &mut Value, field: &str, text: &str) {
    if let Some(object) = object.as_object_mut() {
        object.insert(field.to_owned(), text.into());
    }
}

/// What stands at a place.
#[derive(Default)]
struct Named {
    name: String,
    namespace: Option<String>,
    part: Option<String>,
}

impl Named {
    /// Whether there can be such a thing in a cluster.
    fn is_legal(&self) -> bool {
        is_dns_subdomain(&self.name) && self.namespace.as_deref().is_none_or(is_dns_label)
    }
}

/// Whether an object names something, and if so whether that is of the place's kind.
fn object(value: &Value, place: &Place, form: ObjectForm) -> Option<bool> {
    text(value, "name")?;
    let group = ["group", "apiGroup"].into_iter().find_map(|field| value.get(field)).and_then(Value::as_str);
    let is_of_group = group.is_none_or(|group| place.target.groups.contains(&group));
    let is_of_kind =
        value.get("kind").and_then(Value::as_str).map_or(form.is_default, |kind| kind == place.target.kind);
    Some(is_of_group && is_of_kind)
}

fn named(value: &Value, place: &Place, namespace: &str) -> Vec<Named> {
    if let Form::Object(form) = place.form {
        let name = text(value, "name").unwrap_or_default().to_owned();
        // Traefik's names of what other providers have.
        if name.contains('@') {
            return Vec::new();
        }
        let part = form.part.iter().find_map(|part| value.pointer(part)).and_then(scalar);
        return vec![Named { name, namespace: text(value, "namespace").map(str::to_owned), part }];
    }
    let text = value.as_str().unwrap_or_default().trim();
    let one = |name: &str| Named { name: name.to_owned(), ..Named::default() };
    let all: Vec<Named> = match place.form {
        // The API server has looked at it, but for annotations.
        Form::Name => return Some(one(text)).filter(|named| !named.name.is_empty()).into_iter().collect(),
        Form::Names => text.split(',').map(|name| one(name.trim())).collect(),
        Form::Slashed => vec![text.split_once('/').map_or_else(
            || one(text),
            |(namespace, name)| Named { namespace: Some(namespace.to_owned()), ..one(name) },
        )],
        Form::Traefik => text.split(',').filter_map(|entry| middleware(entry.trim(), namespace)).map(one).collect(),
        Form::Url => in_cluster(text)
            .map(|host| Named { namespace: Some(host.namespace.to_owned()), part: host.port, ..one(host.name) })
            .into_iter()
            .collect(),
        Form::Object(_) => Vec::new(),
    };
    all.into_iter().filter(Named::is_legal).collect()
}

fn scalar(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned).or_else(|| value.as_i64().map(|number| number.to_string()))
}

/// The Middleware's name, of an entry that names one in `namespace`. A Middleware of a file or another provider is not an
/// object of the cluster.
fn middleware<'a>(entry: &'a str, namespace: &str) -> Option<&'a str> {
    entry.strip_suffix(OF_THE_CLUSTER)?.strip_prefix(namespace)?.strip_prefix('-').filter(|name| !name.is_empty())
}

/// The entry of one of a route's Traefik lists that names this; `None` for what is named elsewhere.
pub(crate) fn traefik_entry(reference: &Reference, places: &[&[Place]], namespace: &str) -> Option<String> {
    let is_of = |place: &&Place| matches!(place.at, At::Annotation(name) if name == reference.field);
    let place = places.iter().copied().flatten().find(is_of)?;
    (place.form == Form::Traefik).then(|| format!("{namespace}-{}{OF_THE_CLUSTER}", reference.name))
}

/// A Service's host in a URL.
struct Host<'a> {
    name: &'a str,
    namespace: &'a str,
    port: Option<String>,
    /// Where in the URL the namespace begins.
    start: usize,
}

/// The Service in a URL whose host is the cluster's own: `name.namespace.svc` and what may follow it.
fn in_cluster(url: &str) -> Option<Host<'_>> {
    let begin = url.find("://")? + 3;
    let rest = url.get(begin..)?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let begin = begin + authority.len() - host.len();
    let (host, port) = host.split_once(':').map_or((host, None), |(host, port)| (host, Some(port.to_owned())));
    let (name, rest) = host.split_once('.')?;
    let (namespace, domain) = rest.split_once('.')?;
    let is_local = domain.split('.').next() == Some("svc");
    is_local.then_some(Host { name, namespace, port, start: begin + name.len() + 1 })
}

/// JSON pointers to all that stands at a place.
fn pointers(route: &Value, at: At) -> Vec<String> {
    let annotations = || {
        let annotations = route.pointer("/metadata/annotations").and_then(Value::as_object);
        annotations.into_iter().flatten().map(|(name, _)| name)
    };
    let to = |name: &String| format!("/metadata/annotations/{}", name.replace('~', "~0").replace('/', "~1"));
    match at {
        At::Field(path) => fields(route, path),
        At::Annotation(wanted) => annotations().filter(|name| *name == wanted).map(to).collect(),
        At::AnyPrefix(wanted) => {
            annotations().filter(|name| name.split_once('/').is_some_and(|(_, name)| name == wanted)).map(to).collect()
        }
    }
}

fn fields(route: &Value, path: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    for step in path.split('.') {
        let (name, is_list) = step.strip_suffix("[]").map_or((step, false), |name| (name, true));
        found = found
            .into_iter()
            .map(|pointer| format!("{pointer}/{name}"))
            .filter(|pointer| route.pointer(pointer).is_some())
            .flat_map(|pointer| {
                let items = route.pointer(&pointer).and_then(Value::as_array).map_or(0, Vec::len);
                if is_list { (0..items).map(|place| format!("{pointer}/{place}")).collect() } else { vec![pointer] }
            })
            .collect();
    }
    found
}

/// A JSON pointer as people write a field: `spec.rules[0].backendRefs[1]`, and an annotation by its name alone.
fn field(pointer: &str) -> String {
    if let Some(annotation) = pointer.strip_prefix("/metadata/annotations/") {
        return annotation.replace("~1", "/").replace("~0", "~");
    }
    let is_place = |step: &str| step.bytes().all(|byte| byte.is_ascii_digit());
    let steps = pointer.split('/').skip(1);
    let written = steps.map(|step| if is_place(step) { format!("[{step}]") } else { format!(".{step}") });
    written.collect::<String>().trim_start_matches('.').to_owned()
}

/// Whether a reference is a URL's, which may lead anywhere in the cluster.
pub(crate) fn is_by_url(reference: &Reference) -> bool {
    *reference.target == SERVICE && reference.purpose != Purpose::Serves && reference.namespace.is_some()
}
