//! Journals that a tenant may put into its own namespaces: valid ones of each form, and ones that are wrong in one way.

use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fastrand::Rng;
use lagoon_task_testing::ingress;
use serde_json::{Value, json};
use switch_testing::forged::{self, SWITCH, entry, foreign, foreign_secrets};
use switch_testing::host;

use super::objects::{arrived, http_route, odd_text, owners};
use super::world::{OWN_UID, World, weighted};
use crate::controller_bench::NAME;

/// What is wrong with a journal, or which form it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Forgery {
    FirstForm,
    SecondForm,
    TodaysForm,
    NothingOffline,
    ForeignEntries,
    ForeignNamespaces,
    OddText,
    Truncated,
    BitFlipped,
    MissingPart,
    RepeatedParts,
    ForeignParts,
    ManyParts,
    Bomb,
    DeeplyNested,
    HeldByTheRequest,
    HeldByARequestOfItsName,
    HeldByARequestThatIsGone,
    NewerForm,
    NewerFormThatHasEnded,
    NoHead,
    NoJson,
    Ended,
}

pub const ALL: [(u32, Forgery); 23] = [
    (3, Forgery::FirstForm),
    (2, Forgery::SecondForm),
    (4, Forgery::TodaysForm),
    (3, Forgery::NothingOffline),
    (4, Forgery::ForeignEntries),
    (3, Forgery::ForeignNamespaces),
    (2, Forgery::OddText),
    (1, Forgery::Truncated),
    (2, Forgery::BitFlipped),
    (1, Forgery::MissingPart),
    (1, Forgery::RepeatedParts),
    (2, Forgery::ForeignParts),
    (1, Forgery::ManyParts),
    (1, Forgery::Bomb),
    (1, Forgery::DeeplyNested),
    (3, Forgery::HeldByTheRequest),
    (2, Forgery::HeldByARequestOfItsName),
    (3, Forgery::HeldByARequestThatIsGone),
    (1, Forgery::NewerForm),
    (1, Forgery::NewerFormThatHasEnded),
    (1, Forgery::NoHead),
    (1, Forgery::NoJson),
    (2, Forgery::Ended),
];

/// Draws a journal for the namespace `place`: its kind, and the objects.
pub fn draw(rng: &mut Rng, world: &World, place: &str) -> (Forgery, Vec<Value>) {
    let forgery = weighted(rng, &ALL);
    let other = if place == world.standby { &world.active } else { &world.standby };
    let mut entries = entries(rng, world, forgery);
    // With routes that are offline most journals are not believed, and their switches not begun.
    let offline = if rng.bool() { 0 } else { rng.usize(0..=entries.len()) };
    let mut head = forged::head(place, other, offline);
    let mut objects = Vec::new();
    if rng.bool() {
        // What the tenant labels as if it had arrived, and lets the journal say so too.
        let route = arrived("bait", &host(&world.project, "bait"), "admin-tls", other);
        entries.push(entry("active", &with_owners(rng, world, route.clone())));
        objects.push(route);
    }
    let mut secrets = json!([]);
    change(rng, world, forgery, &mut head, &mut entries, &mut secrets);
    let book = if forgery == Forgery::DeeplyNested {
        format!("{{\"routes\":{}", "[".repeat(100_000)).into_bytes()
    } else {
        forged::book(&entries, &secrets)
    };
    let mut journal = if forgery == Forgery::Bomb { bomb(&head) } else { forged::journal(&head, &book) };
    damage(rng, forgery, &mut journal);
    if forgery == Forgery::RepeatedParts {
        objects.push(further_part(&journal));
    }
    objects.push(journal);
    (forgery, objects)
}

/// Routes as the site has them, and ones that it has not.
fn entries(rng: &mut Rng, world: &World, forgery: Forgery) -> Vec<Value> {
    let mut entries: Vec<Value> = world.deployed_routes().iter().map(|(home, object)| entry(home, object)).collect();
    rng.shuffle(&mut entries);
    entries.truncate(rng.usize(0..4));
    if rng.bool() {
        let invented = ingress("invented", &host(&world.project, "invented"), "web", Some("database"));
        entries.push(entry(rng.choice(["standby", "active"]).unwrap(), &with_owners(rng, world, invented)));
    }
    if forgery == Forgery::ForeignEntries {
        entries.extend(foreign_entries(rng, world));
    }
    if forgery == Forgery::OddText {
        entries.push(odd_entry(rng, world));
    }
    entries
}

/// The route, which may say that it is owned by what is none of its business.
fn with_owners(rng: &mut Rng, world: &World, mut route: Value) -> Value {
    if rng.bool() {
        route["metadata"]["ownerReferences"] = owners("database");
        let version = format!("networking.k8s.io/v1/namespaces/{}/ingresses/www?", world.victim);
        let odd = json!({ "apiVersion": version, "kind": "Ingress", "name": "www", "uid": "1" });
        route["metadata"]["ownerReferences"].as_array_mut().unwrap().push(odd);
    }
    route
}

fn foreign_entries(rng: &mut Rng, world: &World) -> Vec<Value> {
    let [admin, admin_tls, database] = foreign(&world.project);
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "shell" }, "spec": {} });
    let mut elsewhere = ingress("elsewhere", "www.victim.example.com", "web", Some("www-tls"));
    elsewhere["metadata"]["namespace"] = world.victim.as_str().into();
    let disguised = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "database" } });
    let mut disguised = entry("active", &disguised);
    disguised["kind"] = "Ingress".into();
    let mut all = [admin, admin_tls, database, pod, elsewhere, http_route("invented", "invented.example.com")]
        .map(|object| entry("active", &object))
        .to_vec();
    all.push(disguised);
    rng.shuffle(&mut all);
    all.truncate(rng.usize(1..=3));
    all
}

fn odd_entry(rng: &mut Rng, world: &World) -> Value {
    let text = odd_text(rng);
    let mut odd = entry("active", &ingress("invented", &host(&world.project, "odd"), "web", None));
    match *rng.choice(&["kind", "name", "urls", "manifest", "secrets"]).unwrap() {
        "urls" => odd["urls"] = json!([text]),
        "secrets" => odd["secrets"] = json!([text, "database"]),
        "name" => {
            odd["name"] = text.as_str().into();
            odd["manifest"]["metadata"]["name"] = text.into();
        }
        field => odd[field] = text.into(),
    }
    odd
}

/// Has the head and the book say what the forgery is about.
fn change(
    rng: &mut Rng,
    world: &World,
    forgery: Forgery,
    head: &mut Value,
    entries: &mut Vec<Value>,
    secrets: &mut Value,
) {
    let held_by = |name: &str, uid: &str| json!({ "kind": "HostMigration", "name": name, "uid": uid });
    match forgery {
        Forgery::FirstForm => {
            head["version"] = 1.into();
            head.as_object_mut().unwrap().remove("gaps");
            *secrets = foreign_secrets();
        }
        Forgery::SecondForm => {
            head["version"] = 2.into();
            *secrets = foreign_secrets();
        }
        Forgery::NothingOffline => head["gaps"] = json!([]),
        Forgery::ForeignNamespaces => {
            let others = [&world.victim, &world.feature, "lagoon", "kube-system", &world.standby, &world.active]
                .map(str::to_owned);
            let field = *rng.choice(&["standbyNamespace", "activeNamespace"]).unwrap();
            head[field] = rng.choice(&others).unwrap().as_str().into();
        }
        Forgery::OddText => {
            let field = *rng.choice(&["switchId", "standbyNamespace", "activeNamespace", "holder", "none"]).unwrap();
            let text = odd_text(rng);
            head[field] = if field == "holder" { held_by(&text, &text) } else { text.into() };
        }
        Forgery::RepeatedParts => {
            let name = format!("activestandby-journal-{SWITCH}-1");
            head["parts"] = json!(vec![name; rng.usize(2..15)]);
        }
        Forgery::MissingPart => head["parts"] = json!([format!("activestandby-journal-{SWITCH}-1")]),
        Forgery::ForeignParts => head["parts"] = json!(["settings", "../secrets/database", odd_text(rng)]),
        Forgery::ManyParts => head["parts"] = (0..100).map(|n| format!("activestandby-journal-{SWITCH}-{n}")).collect(),
        Forgery::HeldByTheRequest => head["holder"] = held_by(NAME, OWN_UID),
        Forgery::HeldByARequestOfItsName => head["holder"] = held_by(NAME, ""),
        Forgery::HeldByARequestThatIsGone => head["holder"] = held_by("long-gone", "1"),
        Forgery::NewerForm => head["version"] = 9.into(),
        Forgery::NewerFormThatHasEnded => {
            head["version"] = 9.into();
            head["state"] = "reported".into();
        }
        Forgery::Ended => {
            head["state"] = (*rng.choice(&["switched", "reported"]).unwrap()).into();
            head["routes"] = json!({ "toStandby": [odd_text(rng)], "toActive": ["https://forged.example.com"] });
        }
        _ => {}
    }
    if forgery != Forgery::FirstForm && rng.u32(0..30) == 0 {
        head["parts"] = json!(["settings"]);
    }
    if rng.u32(0..10) == 0 {
        entries.extend(entries.clone());
    }
}

/// The part that a journal with repeated parts names, with the same bytes as its first.
fn further_part(journal: &Value) -> Value {
    let mut part = journal.clone();
    part["metadata"]["name"] = format!("activestandby-journal-{SWITCH}-1").into();
    part["metadata"]["labels"]["activestandby.lagoon.sh/part"] = "true".into();
    part["data"] = json!({});
    part
}

/// Damages what is written.
fn damage(rng: &mut Rng, forgery: Forgery, journal: &mut Value) {
    let packed = journal["binaryData"]["book.json.gz"].as_str().unwrap_or_default();
    let mut packed = STANDARD.decode(packed).unwrap();
    match forgery {
        Forgery::Truncated => packed.truncate(rng.usize(0..packed.len())),
        Forgery::BitFlipped => {
            let place = rng.usize(0..packed.len());
            packed[place] ^= 1 << rng.u32(0..8);
        }
        Forgery::NoHead => journal["data"] = json!({ "text": "no head" }),
        Forgery::NoJson => journal["data"] = json!({ "journal.json": odd_text(rng) }),
        _ => return,
    }
    journal["binaryData"] = json!({ "book.json.gz": STANDARD.encode(packed) });
}

/// A journal that is small, and unpacks to more than its reader has memory for. Packing takes a second, so it is done once.
fn bomb(head: &Value) -> Value {
    static PACKED: OnceLock<Value> = OnceLock::new();
    let packed = PACKED.get_or_init(|| forged::journal(&json!({}), &vec![b' '; 24_000_000]));
    let mut journal = packed.clone();
    journal["data"] = json!({ "journal.json": head.to_string() });
    journal
}
