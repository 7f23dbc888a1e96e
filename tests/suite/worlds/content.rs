//! What stands in the two environments of a world, drawn from its seed.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use lagoon_task_testing::{ingress, service, tls_secret};
use route_switch::side::Side;
use serde_json::{Value, json};
use switch_testing::pod;

/// A route that is labelled to be moved.
pub struct Labelled {
    pub name: String,
    pub kind: &'static str,
    pub home: Side,
    /// Its Secret, if it is one that nothing else uses, so that it may be renewed.
    pub own_secret: Option<String>,
}

/// The objects of a world, and what is to be kept of them.
#[derive(Default)]
pub struct Content {
    /// In the order in which they are created. `@Kind/name` in place of a uid stands for that of the object of this name.
    pub objects: Vec<(Side, Value)>,
    pub routes: Vec<Labelled>,
    /// What each host may be served with: the data of Secrets, as text. A host that is not here is served without TLS, or
    /// with a Secret that does not exist.
    pub certificates: BTreeMap<String, BTreeSet<String>>,
    /// Why it cannot be switched, if it cannot.
    pub problem: Option<&'static str>,
    /// What is odd about it, for the reader of a failure.
    pub traits: Vec<String>,
}

/// The host of a route.
pub fn host(project: &str, name: &str) -> String {
    format!("{name}.{project}.example.com")
}

/// The namespace of a side.
pub fn namespace(project: &str, side: Side) -> String {
    format!("{project}-{}", if side == Side::Standby { "develop" } else { "main" })
}

fn chance(rng: &mut Rng, percent: u32) -> bool {
    rng.u32(0..100) < percent
}

fn labelled(mut object: Value, key: &str, value: &str) -> Value {
    object["metadata"]["labels"][key] = value.into();
    object
}

fn config_map(name: &str, data: &Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": data })
}

fn owned_by(mut object: Value, api_version: &str, kind: &str, name: &str) -> Value {
    let uid = format!("@{kind}/{name}");
    object["metadata"]["ownerReferences"] =
        json!([{ "apiVersion": api_version, "kind": kind, "name": name, "uid": uid }]);
    object
}

fn certificate(name: &str, host: &str) -> Value {
    json!({
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": { "name": name },
        "spec": { "secretName": name, "dnsNames": [host], "issuerRef": { "name": "letsencrypt" } },
    })
}

/// A Secret as cert-manager leaves it: one that nothing uses may make way for another of its name.
fn issued(mut secret: Value) -> Value {
    let certificate = secret["metadata"]["name"].clone();
    secret["metadata"]["annotations"] = json!({ "cert-manager.io/certificate-name": certificate });
    secret
}

fn gateway(name: &str, secret: &str) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": { "name": name },
        "spec": { "gatewayClassName": "example", "listeners": [{
            "name": "https", "port": 443, "protocol": "HTTPS", "tls": { "certificateRefs": [{ "name": secret }] },
        }] },
    })
}

fn http_route(name: &str, host: &str) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": { "name": name, "labels": { "activestandby.lagoon.sh/migrate": "true" } },
        "spec": {
            "parentRefs": [{ "name": "public", "namespace": "gateways" }],
            "hostnames": [host],
            "rules": [{ "backendRefs": [{ "name": "web", "port": 80 }] }],
        },
    })
}

impl Content {
    /// Draws what stands in the environments of `project`.
    pub fn draw(rng: &mut Rng, project: &str) -> Self {
        let mut content = Self::default();
        for side in Side::BOTH {
            for number in 0..rng.usize(1..=4) {
                content.draw_route(rng, project, side, number);
            }
            content.draw_bystander(rng, project, side);
            content.draw_leftovers(rng, project, side);
        }
        if chance(rng, 15) {
            content.draw_problem(rng, project);
        }
        content
    }

    fn add(&mut self, side: Side, object: Value) {
        self.objects.push((side, object));
    }

    fn note(&mut self, what: impl Into<String>) {
        self.traits.push(what.into());
    }

    /// A Secret that `host` may be served with.
    fn add_certificate(&mut self, side: Side, host: &str, secret: Value) {
        self.certificates.entry(host.to_owned()).or_default().insert(secret["data"].to_string());
        let name = secret["metadata"]["name"].clone();
        let is_there = |(there, object): &(Side, Value)| {
            *there == side && object["kind"] == "Secret" && object["metadata"]["name"] == name
        };
        if !self.objects.iter().any(is_there) {
            self.add(side, secret);
        }
    }

    fn draw_route(&mut self, rng: &mut Rng, project: &str, home: Side, number: usize) {
        let name = format!("{}{number}", if home == Side::Standby { "s" } else { "a" });
        let host = host(project, &name);
        if chance(rng, 8) {
            self.note(format!("HTTPRoute {name}"));
            self.add(home, http_route(&name, &host));
            self.routes.push(Labelled { name, kind: "httproutes", home, own_secret: None });
            return;
        }
        let own = format!("{name}-tls");
        let case = rng.u32(0..12);
        let secret = self.draw_secret(rng, case, project, home, &name);
        let route = self.mark(rng, project, home, ingress(&name, &host, "web", secret.as_deref()));
        self.add(home, route);
        if case == 5 {
            self.note(format!("a Certificate keeps {own}"));
            let certificate = certificate(&own, &host);
            let owned = owned_by(certificate.clone(), "networking.k8s.io/v1", "Ingress", &name);
            self.add(home, if rng.bool() { certificate } else { owned });
        }
        if case == 6 {
            self.note(format!("others use {own}"));
            let volumes = json!([{ "name": "tls", "secret": { "secretName": own } }]);
            let pod = pod(&format!("uses-{own}"), &json!({}), &volumes);
            self.add(home, if rng.bool() { pod } else { gateway(&format!("uses-{own}"), &own) });
        }
        let own_secret = (case > 8).then_some(own);
        self.routes.push(Labelled { name, kind: "ingresses", home, own_secret });
    }

    /// The Secret of a route, which is added: shared, odd, missing, or usual.
    fn draw_secret(&mut self, rng: &mut Rng, case: u32, project: &str, home: Side, name: &str) -> Option<String> {
        let (host, own) = (host(project, name), format!("{name}-tls"));
        match case {
            0 => return None,
            1 => {
                self.note(format!("{name} names a Secret that is missing"));
                return Some("missing".to_owned());
            }
            2 => {
                self.note(format!("{name} shares its Secret with its side"));
                let shared = format!("shared-{home:?}").to_lowercase();
                self.add_certificate(home, &host, tls_secret(&shared, project));
                return Some(shared);
            }
            3 => {
                self.note(format!("{name} has a Secret that both sides have"));
                self.add_certificate(home, &host, tls_secret("wildcard", project));
                self.add_certificate(home.other(), &host, tls_secret("wildcard", project));
                return Some("wildcard".to_owned());
            }
            4 => {
                self.note(format!("the other side has an old Secret {own}"));
                self.add_certificate(home, &host, tls_secret(&own, &host));
                self.add(home.other(), issued(tls_secret(&own, &format!("an old {host}"))));
            }
            7 => {
                let odd = self.odd(rng, home, tls_secret(&own, &host));
                self.note(format!("{own} is odd: {}", json!([odd["type"], odd["immutable"], odd["metadata"]])));
                self.add_certificate(home, &host, odd);
            }
            8 => self.add_certificate(home, &host, tls_secret(&own, &host)),
            _ => self.add_certificate(home, &host, issued(tls_secret(&own, &host))),
        }
        Some(own)
    }

    fn odd(&mut self, rng: &mut Rng, home: Side, mut secret: Value) -> Value {
        match rng.u32(0..3) {
            0 => secret["type"] = "Opaque".into(),
            1 => secret["immutable"] = true.into(),
            _ => {
                let owner = format!("owner-of-{}", secret["metadata"]["name"].as_str().unwrap());
                self.add(home, config_map(&owner, &json!({})));
                secret = owned_by(secret, "v1", "ConfigMap", &owner);
            }
        }
        secret
    }

    /// What other programs and versions may have left on a route.
    fn mark(&mut self, rng: &mut Rng, project: &str, home: Side, mut route: Value) -> Value {
        let name = route["metadata"]["name"].clone();
        let case = rng.u32(0..16);
        if case == 0 {
            self.note(format!("{name} was half moved by another program"));
            let from = namespace(project, home.other());
            for (key, value) in [("migrating", "true"), ("migrated-from", &from), ("switch", "0aaaaaaaa-other")] {
                route = labelled(route, &format!("activestandby.lagoon.sh/{key}"), value);
            }
        } else if case == 1 {
            self.note(format!("{name} has the older label"));
            route["metadata"]["labels"] = json!({ "dioscuri.amazee.io/migrate": "true" });
        }
        route
    }

    fn draw_bystander(&mut self, rng: &mut Rng, project: &str, side: Side) {
        if !chance(rng, 40) {
            return;
        }
        let name = format!("stays-{side:?}").to_lowercase();
        let host = host(project, &name);
        // It may use the Secret of one that goes.
        let goer = self.routes.iter().rev().find(|route| route.home == side && route.own_secret.is_some());
        let secret = goer.filter(|_| rng.bool()).and_then(|goer| goer.own_secret.clone());
        let mut object = ingress(&name, &host, "web", secret.as_deref());
        object["metadata"]["labels"] = json!({ "activestandby.lagoon.sh/migrate": "false" });
        if let Some(secret) = secret {
            self.note(format!("{name} uses {secret} and stays"));
            for route in &mut self.routes {
                route.own_secret = route.own_secret.take().filter(|own| *own != secret);
            }
            let content = self::host(project, secret.trim_end_matches("-tls"));
            self.certificates.entry(host).or_default().insert(tls_secret("", &content)["data"].to_string());
        }
        self.add(side, object);
    }

    fn draw_leftovers(&mut self, rng: &mut Rng, project: &str, side: Side) {
        let namespace = namespace(project, side);
        if chance(rng, 8) {
            self.note(format!("a journal of a later version, reported, in {namespace}"));
            let head = json!({ "version": 9, "state": "reported", "switchId": "0aaaaaaaa-later" });
            self.add(side, config_map("activestandby-journal", &json!({ "journal.json": head.to_string() })));
        }
        if chance(rng, 8) {
            self.note(format!("a part of another run's book in {namespace}"));
            let part = config_map("activestandby-journal-0aaaaaaaa-other-1", &json!({}));
            let part = labelled(part, "activestandby.lagoon.sh/role", "journal");
            self.add(side, labelled(part, "activestandby.lagoon.sh/switch", "0aaaaaaaa-other"));
        }
        if chance(rng, 8) {
            self.note(format!("the Lease of a pod that is gone in {namespace}"));
            let holder = format!("Pod/{namespace}/lagoon-task-gone/uid/run");
            self.add(
                side,
                json!({
                    "apiVersion": "coordination.k8s.io/v1",
                    "kind": "Lease",
                    "metadata": { "name": "activestandby-switch" },
                    "spec": { "holderIdentity": holder },
                }),
            );
        }
    }

    fn draw_problem(&mut self, rng: &mut Rng, project: &str) {
        let side = if rng.bool() { Side::Standby } else { Side::Active };
        let host = host(project, "odd");
        self.problem = Some(match rng.u32(0..4) {
            0 => {
                self.add(side, service("only-here"));
                self.add(side, ingress("odd", &host, "only-here", None));
                "a Service that the other side has not"
            }
            1 => {
                self.add(side, ingress("odd", &host, "web", None));
                self.add(side.other(), ingress("odd", &format!("too.{host}"), "web", None));
                "equal names"
            }
            2 => {
                self.add(side, pod("lagoon-build-1", &json!({ "lagoon.sh/jobType": "build" }), &json!([])));
                "a build of Lagoon"
            }
            _ => {
                self.add_certificate(side, &host, tls_secret("odd-tls", &host));
                self.add(side, ingress("odd", &host, "web", Some("odd-tls")));
                let there = format!("there.{host}");
                self.add_certificate(side.other(), &there, tls_secret("odd-tls", &there));
                let mut user = ingress("uses-odd", &there, "web", Some("odd-tls"));
                user["metadata"]["labels"] = json!({});
                self.add(side.other(), user);
                "a Secret of another content that is in use"
            }
        });
    }
}
