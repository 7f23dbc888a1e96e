//! One world: a tenant's project, what is deployed in it, what the tenant writes beside that, and who asks for which switch. All
//! of it depends on the seed alone.

use fastrand::Rng;
use lagoon_task_testing::{ingress, service, tls_secret};
use serde_json::{Value, json};
use switch_testing::{forged, host};

use super::journals::{self, Forgery};
use super::objects::{self, Oddity};
use crate::controller_bench::NAME;

/// Oddities of a world, at most.
const ODDITIES: usize = 4;

/// In a forged journal or Lease: the uid of the tenant's own first `HostMigration`, which is known once that is there.
pub const OWN_UID: &str = "the-uid-of-the-tenants-own-request";

pub struct World {
    pub seed: u64,
    pub project: String,
    /// The namespace of the environment whose owner means no good.
    pub standby: String,
    /// The namespace of the project's other production environment.
    pub active: String,
    /// The namespace of a development environment of the project.
    pub feature: String,
    /// The namespace of another project.
    pub victim: String,
    /// Whether the tenant may write in the active environment's namespace too.
    pub reaches_active: bool,
    /// What is deployed, with its namespace.
    pub deployed: Vec<(String, Value)>,
    /// What the tenant writes with its own token, with its namespace, in this order.
    pub written: Vec<(String, Value)>,
    pub oddities: Vec<Oddity>,
    pub forgeries: Vec<Forgery>,
    pub asks: Vec<Ask>,
}

/// A `HostMigration` that the tenant creates.
#[derive(Debug, Clone)]
pub struct Ask {
    pub kind: Asked,
    pub namespace: String,
    pub destination: String,
    pub name: String,
    /// Whether it is there before the controller is, and before the journals.
    pub is_early: bool,
    /// Whether the tenant deletes it as soon as it is there.
    pub is_deleted: bool,
}

/// What a `HostMigration` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    /// To switch the two production environments of the tenant's project.
    Pair,
    /// The same from the other side.
    PairFromTheOtherSide,
    /// To switch with another project.
    OtherProject,
    NoSuchNamespace,
    ItsOwnNamespace,
    DevelopmentEnvironment,
    /// The request itself lies in a development environment.
    FromADevelopmentEnvironment,
    NamespaceOfTheController,
    NoName,
    /// The annotation that asks is missing.
    Nothing,
}

impl World {
    pub fn draw(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let rng = &mut rng;
        let project = format!("hostile-{seed}");
        let namespace = |environment: &str| format!("{project}-{environment}");
        let mut world = Self {
            seed,
            standby: namespace("develop"),
            active: namespace("main"),
            feature: namespace("feature"),
            victim: format!("victim-{seed}-main"),
            project,
            reaches_active: rng.u32(0..3) == 0,
            deployed: Vec::new(),
            written: Vec::new(),
            oddities: Vec::new(),
            forgeries: Vec::new(),
            asks: Vec::new(),
        };
        world.deploy(rng);
        world.ask(rng);
        for _ in 0..rng.usize(0..=ODDITIES) {
            world.add_oddity(rng);
        }
        if rng.u32(0..3) > 0 {
            world.forge(rng);
        }
        world
    }

    /// The namespaces of the tenant's pair.
    pub fn pair(&self) -> [&str; 2] {
        [&self.standby, &self.active]
    }

    pub fn uses_feature(&self) -> bool {
        self.asks.iter().any(|ask| ask.namespace == self.feature || ask.destination == self.feature)
    }

    /// Where the tenant writes next.
    pub fn some_place(&self, rng: &mut Rng) -> String {
        let may_be_active = self.reaches_active && rng.u32(0..3) == 0;
        if may_be_active { self.active.clone() } else { self.standby.clone() }
    }

    /// The labelled routes that are deployed, with their homes.
    pub fn deployed_routes(&self) -> Vec<(&'static str, &Value)> {
        let is_labelled = |object: &Value| object["metadata"]["labels"]["activestandby.lagoon.sh/migrate"] == "true";
        let labelled = self.deployed.iter().filter(|(_, object)| is_labelled(object));
        labelled.map(|(place, object)| (if *place == self.standby { "standby" } else { "active" }, object)).collect()
    }

    fn deploy(&mut self, rng: &mut Rng) {
        let sides = [(self.standby.clone(), ["preview", "standby"]), (self.active.clone(), ["shop", "www"])];
        for (place, names) in sides {
            self.deployed.push((place.clone(), service("web")));
            for name in names.into_iter().take(rng.usize(0..=2)) {
                let secret = format!("{name}-tls");
                let is_tls = rng.u32(0..3) > 0;
                let host = host(&self.project, name);
                self.deployed.push((place.clone(), ingress(name, &host, "web", is_tls.then_some(secret.as_str()))));
                if is_tls {
                    self.deployed.push((place.clone(), tls_secret(&secret, &host)));
                    if rng.u32(0..4) == 0 {
                        self.deployed.push((place.clone(), objects::certificate(name, &secret)));
                    }
                }
            }
            if rng.u32(0..4) == 0 {
                let name = format!("gateway-{}", names[0]);
                self.deployed.push((place.clone(), objects::http_route(&name, &host(&self.project, &name))));
            }
        }
        for object in forged::foreign(&self.project).into_iter().chain(objects::bystanders()) {
            self.deployed.push((self.active.clone(), object));
        }
        for object in objects::bystanders() {
            self.deployed.push((self.standby.clone(), object));
        }
        let victims = ingress("www", &host(&self.victim, "www"), "web", Some("www-tls"));
        self.deployed.extend([
            (self.victim.clone(), victims),
            (self.victim.clone(), tls_secret("www-tls", "the victim's")),
            (self.victim.clone(), tls_secret("database", "the victim's other one")),
        ]);
    }

    fn ask(&mut self, rng: &mut Rng) {
        let kinds = [
            (10, Asked::Pair),
            (2, Asked::PairFromTheOtherSide),
            (2, Asked::OtherProject),
            (1, Asked::NoSuchNamespace),
            (1, Asked::ItsOwnNamespace),
            (1, Asked::DevelopmentEnvironment),
            (1, Asked::FromADevelopmentEnvironment),
            (1, Asked::NamespaceOfTheController),
            (1, Asked::NoName),
            (2, Asked::Nothing),
        ];
        for number in 0..=usize::from(rng.u32(0..6) == 0) {
            let kind = weighted(rng, &kinds);
            let (namespace, destination) = match kind {
                Asked::Pair | Asked::Nothing => (&self.standby, self.active.clone()),
                Asked::PairFromTheOtherSide => (&self.active, self.standby.clone()),
                Asked::OtherProject => (&self.standby, self.victim.clone()),
                Asked::NoSuchNamespace => (&self.standby, format!("{}-gone", self.project)),
                Asked::ItsOwnNamespace => (&self.standby, self.standby.clone()),
                Asked::DevelopmentEnvironment => (&self.standby, self.feature.clone()),
                Asked::FromADevelopmentEnvironment => (&self.feature, self.active.clone()),
                Asked::NamespaceOfTheController => (&self.standby, "lagoon".to_owned()),
                Asked::NoName => (&self.standby, objects::odd_text(rng).chars().take(63).collect()),
            };
            self.asks.push(Ask {
                kind,
                namespace: namespace.clone(),
                destination,
                name: if number == 0 { NAME.to_owned() } else { format!("{NAME}-{number}") },
                is_early: rng.bool(),
                is_deleted: rng.u32(0..8) == 0,
            });
        }
    }

    fn add_oddity(&mut self, rng: &mut Rng) {
        let oddity = weighted(rng, &objects::ALL);
        let place = self.some_place(rng);
        let name = format!("odd-{}", self.oddities.len());
        for object in objects::draw(rng, self, oddity, &place, &name) {
            self.written.push((place.clone(), object));
        }
        self.oddities.push(oddity);
    }

    fn forge(&mut self, rng: &mut Rng) {
        let place = self.some_place(rng);
        let (forgery, objects) = journals::draw(rng, self, &place);
        self.written.extend(objects.into_iter().map(|object| (place.clone(), object)));
        self.forgeries.push(forgery);
    }

    /// What the world is, for people.
    pub fn story(&self) -> String {
        format!(
            "SEED={}: asks {:#?}\nthe tenant {} write in {}\noddities {:?}, journals {:?}\nwrites {}",
            self.seed,
            self.asks,
            if self.reaches_active { "may" } else { "may not" },
            self.active,
            self.oddities,
            self.forgeries,
            self.written
                .iter()
                .map(|(place, object)| format!("{place}: {}", cut(object)))
                .collect::<Vec<_>>()
                .join("\n"),
        )
    }
}

fn cut(object: &Value) -> String {
    object.to_string().chars().take(900).collect()
}

/// One of the kinds, each as often as its number says.
pub fn weighted<T: Copy>(rng: &mut Rng, kinds: &[(u32, T)]) -> T {
    let mut left = rng.u32(0..kinds.iter().map(|(weight, _)| weight).sum());
    for (weight, kind) in kinds {
        if left < *weight {
            return *kind;
        }
        left -= weight;
    }
    unreachable!("the weights' sum is larger than any number drawn")
}

/// The `HostMigration` itself.
pub fn request(ask: &Ask) -> Value {
    let asks = if ask.kind == Asked::Nothing { "false" } else { "true" };
    json!({
        "apiVersion": "dioscuri.amazee.io/v1",
        "kind": "HostMigration",
        "metadata": { "name": ask.name, "annotations": { "dioscuri.amazee.io/migrate": asks } },
        "spec": { "destinationNamespace": ask.destination, "activeEnvironment": "main" },
    })
}
