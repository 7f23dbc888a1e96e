//! Objects that a tenant may put into its own namespaces, each of them odd in one way.

use fastrand::Rng;
use lagoon_task_testing::{ingress, tls_secret};
use route_switch::plan::manifest::kept_name;
use serde_json::{Value, json};
use switch_testing::forged::SWITCH;
use switch_testing::host;

use super::world::{OWN_UID, World};

/// In one way each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Oddity {
    RouteOfAForeignSecret,
    RouteWithAnnotations,
    RouteWithFinalizer,
    RouteThatSeemsToHaveArrived,
    RouteWithOwners,
    RouteOfTheGateway,
    RouteWithoutLabel,
    KeptSecret,
    SecretOfAnotherType,
    SecretThatSeemsCopied,
    CertificateOfAForeignSecret,
    Lease,
    PartOfAJournal,
    TextOfAConfigMap,
    FatObject,
}

/// Each as often as its number says: those with which most switches cannot be carried out are rare, or none would.
pub const ALL: [(u32, Oddity); 15] = [
    (1, Oddity::RouteOfAForeignSecret),
    (3, Oddity::RouteWithAnnotations),
    (1, Oddity::RouteWithFinalizer),
    (5, Oddity::RouteThatSeemsToHaveArrived),
    (5, Oddity::RouteWithOwners),
    (1, Oddity::RouteOfTheGateway),
    (4, Oddity::RouteWithoutLabel),
    (4, Oddity::KeptSecret),
    (2, Oddity::SecretOfAnotherType),
    (4, Oddity::SecretThatSeemsCopied),
    (4, Oddity::CertificateOfAForeignSecret),
    (4, Oddity::Lease),
    (4, Oddity::PartOfAJournal),
    (3, Oddity::TextOfAConfigMap),
    (2, Oddity::FatObject),
];

/// Secrets that are there, or are not, and that no route of the site needs.
const FOREIGN_SECRETS: [&str; 6] = ["database", "registry", "token", "admin-tls", "missing", "www-tls"];

/// Text that must not reach a terminal, a browser or a path.
pub fn odd_text(rng: &mut Rng) -> String {
    let texts = [
        "x\u{1b}[31mred",
        "one\ntwo",
        "\u{202e}gnp.exe",
        "<script>alert(1)</script>",
        "../../kube-system/secrets/x",
        "..%2f..%2fvictim",
        "?watch=true#",
        "",
    ];
    (*rng.choice(&texts).unwrap()).to_owned()
}

pub fn draw(rng: &mut Rng, world: &World, oddity: Oddity, place: &str, name: &str) -> Vec<Value> {
    let own_host = host(&world.project, name);
    let other = world.pair().into_iter().find(|one| *one != place).unwrap_or_default();
    let foreign = *rng.choice(&FOREIGN_SECRETS).unwrap();
    let mut route = ingress(name, &own_host, "web", None);
    let object = match oddity {
        Oddity::RouteOfAForeignSecret => ingress(name, &own_host, "web", Some(foreign)),
        Oddity::RouteWithAnnotations => {
            route["metadata"]["annotations"] = annotations(rng, world, foreign);
            route
        }
        Oddity::RouteWithFinalizer => {
            route["metadata"]["finalizers"] = json!(["example.com/stays"]);
            route
        }
        Oddity::RouteThatSeemsToHaveArrived => arrived(name, &own_host, foreign, other),
        Oddity::RouteWithOwners => {
            route["metadata"]["ownerReferences"] = owners(foreign);
            route
        }
        Oddity::RouteOfTheGateway => {
            let mut route = http_route(name, &own_host);
            let elsewhere = *rng.choice(&[world.victim.as_str(), "kube-system", "web"]).unwrap();
            let backend = json!({ "name": "web", "namespace": elsewhere, "port": 80 });
            let extension = json!({ "group": "traefik.io", "kind": "Middleware", "name": foreign });
            route["spec"]["rules"] = json!([{
                "backendRefs": [backend],
                "filters": [{ "type": "ExtensionRef", "extensionRef": extension }],
            }]);
            route
        }
        Oddity::RouteWithoutLabel => {
            route["metadata"]["labels"] = json!({ "activestandby.lagoon.sh/switch": SWITCH });
            route
        }
        Oddity::KeptSecret => kept(rng, world),
        Oddity::SecretOfAnotherType => another_type(rng, name),
        Oddity::SecretThatSeemsCopied => {
            let mut copy = tls_secret(rng.choice(&["www-tls", "standby-tls", "admin-tls"]).unwrap(), name);
            copy["metadata"]["labels"] = json!({ "activestandby.lagoon.sh/switch": SWITCH });
            copy
        }
        Oddity::CertificateOfAForeignSecret => {
            let mut certificate = certificate(name, foreign);
            certificate["metadata"]["labels"] = json!({ "activestandby.lagoon.sh/switch": SWITCH });
            certificate
        }
        Oddity::Lease => lease(rng, world),
        Oddity::PartOfAJournal => part(rng, name, foreign),
        Oddity::TextOfAConfigMap => config_map(name, &odd_text(rng)),
        Oddity::FatObject => {
            route["metadata"]["annotations"] = json!({ "example.com/fat": "x".repeat(rng.usize(1_000..200_000)) });
            route
        }
    };
    vec![object]
}

fn annotations(rng: &mut Rng, world: &World, foreign: &str) -> Value {
    let named = [
        foreign.to_owned(),
        format!("{}/{foreign}", world.victim),
        format!("{}/{foreign}", world.active),
        odd_text(rng),
    ];
    let mut some = || rng.choice(&named).unwrap().clone();
    json!({
        "nginx.ingress.kubernetes.io/auth-secret": some(),
        "nginx.ingress.kubernetes.io/auth-proxy-set-headers": some(),
        "nginx.ingress.kubernetes.io/default-backend": some(),
        "traefik.ingress.kubernetes.io/router.middlewares": format!("{}-{}@kubernetescrd", world.victim, some()),
        "kubernetes.io/ingress.class": some(),
    })
}

/// A route that looks as if a switch had brought it here from the namespace `from`.
pub fn arrived(name: &str, host: &str, secret: &str, from: &str) -> Value {
    let mut route = ingress(name, host, "web", Some(secret));
    route["metadata"]["labels"] = json!({
        "activestandby.lagoon.sh/migrate": "true",
        "activestandby.lagoon.sh/switch": SWITCH,
        "activestandby.lagoon.sh/migrated-from": from,
    });
    route
}

/// Owners that a switch has no business to look at.
pub fn owners(foreign: &str) -> Value {
    let owner = |version: &str, kind: &str, name: &str| json!({ "apiVersion": version, "kind": kind, "name": name, "uid": "1" });
    json!([
        owner("v1", "Secret", foreign),
        owner("v1", "ConfigMap", "settings"),
        owner("networking.k8s.io/v1", "Ingress", "admin"),
        owner("apps/v1", "Deployment", "web"),
    ])
}

fn kept(rng: &mut Rng, world: &World) -> Value {
    let mut kept = tls_secret(&kept_name(SWITCH, rng.choice(&["www-tls", "standby-tls"]).unwrap()), "kept");
    kept["metadata"]["labels"] = json!({
        "activestandby.lagoon.sh/switch": SWITCH,
        "activestandby.lagoon.sh/role": "kept",
    });
    let metadata = [
        "\"boom\"".to_owned(),
        "[1]".to_owned(),
        odd_text(rng),
        json!({ "name": "database", "namespace": world.victim }).to_string(),
        json!({ "name": "www-tls", "labels": 7, "ownerReferences": "x" }).to_string(),
    ];
    let metadata = rng.choice(&metadata).unwrap().as_str();
    kept["metadata"]["annotations"] = json!({ "activestandby.lagoon.sh/metadata": metadata });
    kept
}

fn another_type(rng: &mut Rng, name: &str) -> Value {
    let name = *rng.choice(&["www-tls", "shop-tls", name]).unwrap();
    match rng.u32(0..3) {
        0 => {
            let mut secret = tls_secret(name, "not a TLS Secret");
            secret["type"] = "Opaque".into();
            secret
        }
        1 => token(name),
        _ => registry(name),
    }
}

fn token(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": name, "annotations": { "kubernetes.io/service-account.name": "lagoon-deployer" } },
        "type": "kubernetes.io/service-account-token",
    })
}

fn registry(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": name },
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": { ".dockerconfigjson": "{\"auths\":{}}" },
    })
}

fn lease(rng: &mut Rng, world: &World) -> Value {
    let holders = [
        format!("Pod/{}/db-0//run", world.victim),
        format!("Pod/{}/db-0//run", world.standby),
        format!("HostMigration/{}/other//run", world.victim),
        format!("HostMigration/{}/{}/{OWN_UID}/run", world.standby, crate::controller_bench::NAME),
        "Secret/lagoon/hostmigration-controller//run".to_owned(),
        "Pod/../db-0//run".to_owned(),
        "Pod/kube-system?/db-0//run".to_owned(),
        odd_text(rng),
        String::new(),
    ];
    let offline = [String::new(), SWITCH.to_owned(), "q83v ".repeat(1000), odd_text(rng)];
    let mut lease = json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": "activestandby-switch",
            "annotations": { "activestandby.lagoon.sh/offline": rng.choice(&offline).unwrap() },
        },
        "spec": {},
    });
    // Most holders keep the switch from being begun.
    let holder = rng.choice(&holders).filter(|_| rng.bool());
    if let Some(holder) = holder {
        lease["spec"] = json!({ "holderIdentity": holder, "acquireTime": "2026-01-01T00:00:00.000000Z" });
    }
    lease
}

fn part(rng: &mut Rng, name: &str, foreign: &str) -> Value {
    let names =
        [format!("activestandby-journal-{SWITCH}-change-1"), format!("activestandby-journal-{name}"), name.to_owned()];
    let text = format!("{{\"route\":{{\"kind\":\"Secret\",\"name\":\"{foreign}\"}}}}");
    let mut part = config_map(rng.choice(&names).unwrap(), &text);
    part["metadata"]["labels"] = json!({
        "activestandby.lagoon.sh/role": "journal",
        "activestandby.lagoon.sh/switch": SWITCH,
    });
    part["data"] = json!({ "change.json": text, "journal.json": odd_text(rng) });
    part
}

fn config_map(name: &str, text: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "text": text } })
}

/// What is no switch's business in any namespace of the project.
pub fn bystanders() -> [Value; 3] {
    [config_map("settings", "of the site"), registry("registry"), token("token")]
}

pub fn http_route(name: &str, host: &str) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": { "name": name, "labels": { "activestandby.lagoon.sh/migrate": "true" } },
        "spec": {
            "hostnames": [host],
            "parentRefs": [{ "name": "public", "namespace": "gateways" }],
            "rules": [{ "backendRefs": [{ "name": "web", "port": 80 }] }],
        },
    })
}

pub fn certificate(name: &str, secret: &str) -> Value {
    json!({
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": { "name": name },
        "spec": { "secretName": secret },
    })
}
