//! Worlds of tenants who mean no good: forged journals, odd objects and requests for switches that are nobody's to ask for, all
//! drawn from a seed. One controller, with the rights of `deploy/`, serves many at once.
//!
//! After each world the API server's own record must show that the controller has touched nothing but what a plain switch of that
//! tenant's pair may touch, as [`rule`] says; and all else must be as it was, as [`outcome`] says. `SEED=7` carries out that one
//! world, `WORLDS=2000` so many, both together so many from that seed on.

mod journals;
mod objects;
mod outcome;
mod restarts;
mod rule;
mod stage;
mod world;

use std::collections::BTreeMap;

use futures::future::join_all;
use hostmigration::HostMigration;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, ListParams};
use lagoon_task_testing::{CERT_MANAGER, ControlPlane, Finished, GATEWAY_API, until_so};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::controller_bench::{Replica, Turn, conditions, last_words, with_manifest};
use rule::Rule;
use stage::{Seen, Stage};
use world::{Asked, World};

/// So many worlds, if nothing else is said.
const WORLDS: u64 = 60;

/// Worlds that one controller serves.
const AT_ONCE: u64 = 20;

static CONTROL_PLANE: OnceCell<ControlPlane> = OnceCell::const_new();

/// Routes of all kinds are there, and all worlds: the other tests have another cluster.
async fn with_all_kinds() -> ControlPlane {
    let control_plane = with_manifest().await;
    control_plane.apply(GATEWAY_API).await.unwrap();
    control_plane.apply(CERT_MANAGER).await.unwrap();
    control_plane
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().unwrap())
}

/// What the worlds had in them.
type Counts = BTreeMap<String, usize>;

#[tokio::test]
async fn controller_touches_nothing_outside_a_plain_switch_whatever_tenants_write() {
    let turn = Turn::take_on(&CONTROL_PLANE, with_all_kinds).await;
    let (first, worlds) = (number("SEED"), number("WORLDS"));
    let worlds = worlds.unwrap_or(if first.is_some() { 1 } else { WORLDS });
    let seeds = first.unwrap_or(0)..first.unwrap_or(0) + worlds;
    let mut counts = Counts::new();
    for start in seeds.clone().step_by(usize::try_from(AT_ONCE).unwrap()) {
        let round = start..seeds.end.min(start + AT_ONCE);
        Box::pin(carry_out(&turn, round, &mut counts)).await;
    }
    println!("{worlds} hostile worlds");
    for (what, count) in &counts {
        println!("{count:6} {what}");
    }
    if worlds >= WORLDS {
        assert!(counts.contains_key("switch completed") && counts.contains_key("switch failed"), "{counts:?}");
    }
}

/// Carries out the worlds of these seeds, side by side.
async fn carry_out(turn: &Turn, seeds: std::ops::Range<u64>, counts: &mut Counts) {
    turn.delete_lease().await;
    let stages = join_all(seeds.clone().map(|seed| Stage::new(turn, World::draw(seed)))).await;
    let befores = join_all(stages.iter().map(Stage::everything)).await;
    let controller = turn.start().await;
    controller.until_it_leads().await;
    join_all(stages.iter().map(|stage| stage.ask(false))).await;
    join_all(stages.iter().map(Stage::withdraw)).await;
    until_it_rests(turn, &controller).await;
    controller.running.signal("TERM").await.unwrap();
    let finished = Box::pin(controller.running.finish()).await.unwrap();
    let afters = join_all(stages.iter().map(Stage::everything)).await;

    let why = format!("SEED={} WORLDS={}", seeds.start, seeds.end - seeds.start);
    assert_eq!(finished.exit_code, Some(0), "{why}\n{}", finished.log);
    assert!(!finished.log.contains("crashed") && !outcome::is_harmful(&finished.log), "{why}\n{}", finished.log);
    let rules: Vec<Rule<'_>> =
        stages.iter().zip(&befores).map(|(stage, before)| Rule::of(&stage.world, before)).collect();
    assert_all_explained(&finished, &stages, &rules, &why);
    for (((stage, rule), before), after) in stages.iter().zip(&rules).zip(&befores).zip(&afters) {
        assert_whole(stage, rule, before, after, &finished, counts).await;
    }
    join_all(stages.iter().map(Stage::clear)).await;
    let journals: Api<ConfigMap> = Api::namespaced(turn.client(), "lagoon");
    journals.delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();
}

/// Every request has been attempted, and no attempt is at work.
async fn until_it_rests(turn: &Turn, controller: &Replica<'_>) {
    let migrations: Api<HostMigration> = Api::all(turn.client());
    until_so(async || {
        let (_, metrics) = controller.get("/metrics").await;
        let of = |name: &str| format!("hostmigration_controller_{name}");
        let is_zero =
            |name: &str| metrics.lines().filter(|line| line.starts_with(&of(name))).all(|line| line.ends_with(" 0"));
        if !is_zero("queue_waiting") || !is_zero("queue_at_work") {
            return false;
        }
        let listed = migrations.list(&ListParams::default()).await.unwrap();
        let is_asked = |object: &HostMigration| {
            object
                .metadata
                .annotations
                .iter()
                .flatten()
                .any(|(name, value)| name.ends_with("/migrate") && value == "true")
        };
        listed.iter().all(|object| !is_asked(object))
    })
    .await;
}

/// Each request of the controller belongs to one of the worlds, or says nothing of anybody's objects.
fn assert_all_explained(finished: &Finished, stages: &[Stage<'_>], rules: &[Rule<'_>], why: &str) {
    let unexplained = finished
        .requests
        .iter()
        .filter(|request| !rule::is_of_no_world(request) && !rules.iter().any(|rule| rule.allows(request)));
    let unexplained: Vec<_> = unexplained.collect();
    if let Some(first) = unexplained.first() {
        let of = |stage: &&Stage<'_>| first.namespace.contains(&format!("-{}-", stage.world.seed));
        let story = stages.iter().find(of).map(|stage| stage.world.story()).unwrap_or_default();
        panic!("{why}: no plain switch asks for {unexplained:#?}\n{story}");
    }
}

/// What a world leaves behind.
async fn assert_whole(
    stage: &Stage<'_>,
    rule: &Rule<'_>,
    before: &BTreeMap<Seen, Value>,
    after: &BTreeMap<Seen, Value>,
    finished: &Finished,
    counts: &mut Counts,
) {
    let world = &stage.world;
    let mut problems = outcome::problems(world, rule, before, after);
    let answers = stage.answers().await;
    for (ask, object, notes) in &answers {
        *counts.entry(format!("switch {}", outcome::ending(object))).or_default() += 1;
        *counts.entry(format!("asked for: {:?}", ask.kind)).or_default() += 1;
        problems.extend(outcome::harmful_texts(object, notes).into_iter().map(|text| format!("harmful text {text:?}")));
        // Of two switches one may take back what the other has done.
        let is_only_one = world.asks.len() == 1 && ask.kind == Asked::Pair && !rule::is_asked_by_a_journal(world);
        if is_only_one && conditions(object).last() == Some(&"completed") {
            problems.extend(outcome::not_moved(world, before, after));
        }
    }
    let answers: Vec<_> = answers.iter().map(|(ask, object, notes)| (&ask.name, last_words(object), notes)).collect();
    let own = |line: &&str| line.contains(&world.standby) || line.contains(&world.active);
    let log: Vec<&str> = finished.log.lines().filter(own).collect();
    assert!(problems.is_empty(), "{problems:#?}\n{}\n{answers:#?}\n{}", world.story(), log.join("\n"));
    let drawn = world.oddities.iter().map(|oddity| format!("object {oddity:?}"));
    let drawn = drawn.chain(world.forgeries.iter().map(|forgery| format!("journal {forgery:?}")));
    for what in drawn.chain(["world".to_owned()]) {
        *counts.entry(what).or_default() += 1;
    }
    *counts.entry("objects that the API server took from tenants".to_owned()).or_default() += stage.taken;
}
