//! Traefik's `IngressRoute` (`traefik.io`, since Traefik 3 the only group). Its hosts stand in rules:
//! `Host(`www.example.com`) && PathPrefix(`/api`)`.

use kube::api::{ApiResource, GroupVersionKind};
use serde_json::Value;

use crate::route::fields::{add, items, text};
use crate::route::kind::RouteKind;
use crate::route::reference::{At, Form, ObjectForm, Place, Purpose, SECRET, SERVICE, Target};
use crate::route::traefik::{MIDDLEWARE, SERVERS_TRANSPORT, TLS_OPTION};

/// `traefik.io/v1alpha1` `IngressRoute`.
pub(crate) struct IngressRoute;

/// Traefik's own Service: one that shares requests among others.
static TRAEFIK_SERVICE: Target =
    Target { kind: "TraefikService", groups: &["traefik.io"], version: "v1alpha1", plural: "traefikservices" };

/// Certificates for hosts that have none of their own.
static TLS_STORE: Target =
    Target { kind: "TLSStore", groups: &["traefik.io"], version: "v1alpha1", plural: "tlsstores" };

const NAMED: ObjectForm = ObjectForm { is_default: true, follows: true, part: &["/port"] };
const TOLD: ObjectForm = ObjectForm { is_default: false, follows: true, part: &[] };

static FIELDS: [Place; 7] = [
    Place::object("spec.routes[].services[]", NAMED, &SERVICE, Purpose::Serves),
    Place::object("spec.routes[].services[]", TOLD, &TRAEFIK_SERVICE, Purpose::Serves),
    Place::object("spec.routes[].middlewares[]", NAMED, &MIDDLEWARE, Purpose::Transforms),
    Place::object("spec.tls.options", NAMED, &TLS_OPTION, Purpose::Transforms),
    Place::object("spec.tls.store", NAMED, &TLS_STORE, Purpose::Transforms),
    Place { at: At::Field("spec.tls.secretName"), form: Form::Name, target: &SECRET, purpose: Purpose::Certifies },
    Place {
        at: At::Field("spec.routes[].services[].serversTransport"),
        form: Form::Name,
        target: &SERVERS_TRANSPORT,
        purpose: Purpose::Transforms,
    },
];

static PLACES: [&[Place]; 1] = [&FIELDS];

impl RouteKind for IngressRoute {
    fn resource(&self) -> ApiResource {
        let kind = GroupVersionKind::gvk("traefik.io", "v1alpha1", "IngressRoute");
        ApiResource::from_gvk_with_plural(&kind, "ingressroutes")
    }

    fn places(&self) -> &'static [&'static [Place]] {
        &PLACES
    }

    fn urls(&self, route: &Value) -> Vec<String> {
        // An empty section `tls` speaks TLS too, with the controller's own certificate.
        let is_secure = route["spec"].get("tls").is_some_and(|tls| !tls.is_null());
        let scheme = if is_secure { "https" } else { "http" };
        let mut urls = Vec::new();
        for rule in items(&route["spec"], "routes").filter_map(|one| text(one, "match")) {
            hosts(rule).for_each(|host| add(&mut urls, format!("{scheme}://{host}")));
        }
        urls
    }
}

/// The hosts of a rule: what stands between quotes in each `Host(...)`. Patterns (`HostRegexp`) are no hosts.
fn hosts(rule: &str) -> impl Iterator<Item = String> {
    let calls = rule.match_indices("Host(").filter_map(|(start, call)| {
        // Not `!Host(`, and not the end of another name.
        let before = rule.get(..start)?.trim_end().chars().next_back();
        let is_own = before.is_none_or(|one| !one.is_alphanumeric() && one != '!');
        rule.get(start + call.len()..).filter(|_| is_own)?.split(')').next()
    });
    let quoted = calls.flat_map(|list| list.split(',')).map(|host| host.trim().trim_matches(['`', '"', '\'']));
    quoted.filter(|host| !host.is_empty()).map(str::to_lowercase)
}
