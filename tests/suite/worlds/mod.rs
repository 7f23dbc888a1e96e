//! Worlds: sites of every kind, with faults, runs beside each other and deployments in between, all drawn from a seed.
//!
//! `SEED=7` carries out that one world, `WORLDS=2000` so many in place of the usual number, both together so many from that
//! seed on. What is drawn depends on the seed alone; how runs that go on at once interleave depends on the machine too.

mod content;
mod invariants;
mod plan;
mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::time::Duration;

use fastrand::Rng;
use futures::{FutureExt, StreamExt, stream};
use hostmigration::HostMigration;
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;
use kube::api::{Api, ListParams, PostParams};
use lagoon_task_testing::{
    CERT_MANAGER, ControlPlane, Fault, FaultProxy, GATEWAY_API, HostGuard, LagoonEnvironment, Launcher, Passing,
    Running, built, until_so,
};
use route_switch::side::Side;
use serde_json::{Value, json};
use switch_testing::{CONFIG_MAPS, INGRESSES, Shop, new_control_plane};
use tokio::sync::OnceCell;
use tokio::task::LocalSet;

use crate::evidence::writes;
use crate::history::Recording;
use content::{Content, namespace};
use invariants::Expected;
use plan::{Deployment, Plans, Run};
use stage::{Counts, Stage};

/// So many worlds, if nothing else is said.
const WORLDS: u64 = 150;

/// Worlds that are carried out at once.
const AT_ONCE: usize = 4;

/// Of so many requests of the controller one meets a fault.
const CONTROLLER_FAULTS: u32 = 25;

const HTTP_ROUTES: &str = "gateway.networking.k8s.io/v1/httproutes";
const LEASES: &str = "coordination.k8s.io/v1/leases";

static CONTROL_PLANE: OnceCell<ControlPlane> = OnceCell::const_new();

/// The controller acts on the whole cluster, and routes of all kinds are there: the worlds have a cluster of their own.
async fn control_plane() -> &'static ControlPlane {
    let new = async || {
        let control_plane = new_control_plane().await;
        control_plane.apply(GATEWAY_API).await.unwrap();
        control_plane.apply(CERT_MANAGER).await.unwrap();
        let namespaces = Api::<Namespace>::all(control_plane.client().unwrap());
        let lagoon = serde_json::from_value(json!({ "metadata": { "name": "lagoon" } })).unwrap();
        namespaces.create(&PostParams::default(), &lagoon).await.unwrap();
        control_plane.apply(include_str!("../../../deploy/hostmigration-controller.yaml")).await.unwrap();
        control_plane
    };
    CONTROL_PLANE.get_or_init(new).await
}

/// The controller, some of whose requests meet a fault.
async fn start_controller(seed: u64) -> (FaultProxy, Running<'static>) {
    let mut rng = Rng::with_seed(seed);
    let faults =
        [Fault::NeverArrives, Fault::AnswerLost, Fault::AnsweredInstead(500, None), Fault::AnsweredWrongly(500)];
    let plan = move |passing: &Passing| {
        // It may stop when it cannot renew its Lease, and then nobody would carry out what is asked.
        let is_spared = passing.uri.contains("/namespaces/lagoon/") || rng.u32(0..CONTROLLER_FAULTS) > 0;
        if is_spared { Fault::None } else { faults[rng.usize(0..faults.len())] }
    };
    let proxy = FaultProxy::start(control_plane().await, plan).await.unwrap();
    let lagoon = LagoonEnvironment { project: String::new(), name: String::new(), namespace: "lagoon".to_owned() };
    let controller = Launcher::new(control_plane().await)
        .task(&lagoon, built("hostmigration-controller").unwrap())
        .service_account("hostmigration-controller")
        .argument("--listen")
        .argument("127.0.0.1:0")
        .variable("KUBERNETES_SERVICE_PORT", proxy.port().to_string());
    let controller = controller.launch().await.unwrap();
    controller.wait_for_line("This replica holds the Lease.").await.unwrap();
    (proxy, controller)
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().unwrap())
}

#[tokio::test]
async fn worlds_end_whole_or_unchanged_and_lose_nothing_on_the_way() {
    // Runs beside each other are tasks of this thread.
    Box::pin(LocalSet::new().run_until(all_worlds())).await;
}

async fn all_worlds() {
    let (first, worlds) = (number("SEED"), number("WORLDS"));
    let worlds = worlds.unwrap_or(if first.is_some() { 1 } else { WORLDS });
    let seeds = first.unwrap_or(0)..first.unwrap_or(0) + worlds;
    let (proxy, controller) = start_controller(seeds.start).await;
    let ends: Result<Vec<Counts>, _> =
        AssertUnwindSafe(stream::iter(seeds).map(world).buffer_unordered(AT_ONCE).collect()).catch_unwind().await;
    let mut counts = Counts::default();
    match ends {
        Ok(ends) => ends.into_iter().for_each(|world| counts.add(world)),
        Err(failure) => {
            eprintln!("The controller:\n{}", controller.log());
            resume_unwind(failure);
        }
    }
    let by_the_controller = proxy.injected().len();
    println!("{worlds} worlds: {counts:?}, faults at the controller: {by_the_controller}");
    if worlds >= WORLDS {
        let each = [counts.faults, counts.kills, counts.stops, counts.deployments, counts.beside, by_the_controller];
        assert!(each.iter().all(|count| *count > 0), "{counts:?}, {by_the_controller}");
    }
    controller.signal("TERM").await.unwrap();
    let finished = controller.finish().await.unwrap();
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
}

/// Carries out the world of this seed.
async fn world(seed: u64) -> Counts {
    let mut rng = Rng::with_seed(seed);
    let project = format!("world-{seed}");
    let content = Content::draw(&mut rng, &project);
    let mut plans = Plans::new(&mut rng, &content);
    let run = plans.run();
    let guard = (content.problem.is_none() && rng.u32(0..5) == 0).then(|| Duration::from_millis(rng.u64(0..=20)));
    let expected = expected(&project, &content, &run);
    let story = format!(
        "SEED={seed}\n{:?}, {:?}, guard: {guard:?}\n{}\n{run:#?}",
        content.problem,
        content.traits,
        content.routes.iter().map(|route| format!("{} {:?}", route.name, route.home)).collect::<Vec<_>>().join(", "),
    );

    let shop = Shop::empty(control_plane().await, &project).await;
    shop.site.launcher.allow_switch(&shop.site.active, &shop.site.standby).await.unwrap();
    let guard = match guard {
        Some(lag) => Some(HostGuard::install_lagging(shop.control_plane, &shop.site.standby, lag).await.unwrap()),
        None => None,
    };
    let stage = Stage::new(shop, project, content);
    stage.create_content().await;
    stage.say(story);
    let before = everything(&stage.shop).await;
    let recording = Recording::with_journals(&stage.shop, "lagoon").await;
    stage.clone().carry_out(run).await;
    stage.until_all_have_ended().await;
    until_controller_rests(&stage).await;
    last_runs(&stage, &before).await;
    let history = recording.end().await;
    invariants::assert_hold(&history, &expected, &stage.story());
    if let Some(guard) = guard {
        guard.uninstall().await.unwrap();
    }
    *stage.counts.lock().unwrap()
}

/// What is to be kept, considering what the deployments of the plan do.
fn expected(project: &str, content: &Content, run: &Run) -> Expected {
    let mut expected = Expected { certificates: content.certificates.clone(), ..Expected::default() };
    let mut deployments = Vec::new();
    run.deployments(&mut deployments);
    for deployment in deployments {
        match deployment {
            Deployment::Delete(route) => {
                expected.deleted_hosts.insert(content::host(project, &content.routes[*route].name));
            }
            Deployment::Renew(route) => {
                let host = content::host(project, &content.routes[*route].name);
                expected.renewed_keys.insert(format!("the key of {host}"));
                expected
                    .certificates
                    .entry(host.clone())
                    .or_default()
                    .insert(stage::renewed("", &host)["data"].to_string());
            }
            _ => {}
        }
    }
    expected
}

/// Everything of the site that a switch may move.
async fn everything(shop: &Shop<'_>) -> BTreeMap<String, Value> {
    let mut content = shop.content().await;
    for namespace in [&shop.standby, &shop.active] {
        for route in shop.list(namespace, HTTP_ROUTES).await {
            let name = route["metadata"]["name"].as_str().unwrap().to_owned();
            content.insert(format!("{namespace} {name}"), route["spec"].clone());
        }
    }
    content
}

/// Waits until the controller has ended what it was asked for, by whichever run.
async fn until_controller_rests(stage: &Stage) {
    let client = stage.shop.site.client();
    until_so(async || {
        for namespace in [&stage.shop.standby, &stage.shop.active] {
            let migrations: Api<HostMigration> = Api::namespaced(client.clone(), namespace);
            let listed = migrations.list(&ListParams::default()).await.unwrap();
            if !listed.items.iter().all(has_ended) {
                return false;
            }
            for object in listed {
                stage.say(format!("the controller to {}: {:?}", object.name_any(), object.status));
            }
        }
        true
    })
    .await;
}

fn has_ended(object: &HostMigration) -> bool {
    let is_asked = object.metadata.annotations.iter().flatten().any(|(_, value)| value == "true");
    let conditions = object.status.iter().filter_map(|status| status.conditions.as_ref()).flatten();
    !is_asked && conditions.last().is_some_and(|last| ["completed", "failed"].contains(&last.kind.as_str()))
}

/// The next run ends the switch, or says why it cannot be; one more writes nothing.
async fn last_runs(stage: &Stage, before: &BTreeMap<String, Value>) {
    let shop = &stage.shop;
    let mut last = shop.switch().await;
    stage.say(format!("the last run ended with {:?}:\n{}", last.exit_code, last.log));
    if last.log.contains("Run the task of the earlier switch again first") {
        let back = shop.task_back().launch().await.unwrap().finish().await.unwrap();
        stage.say(format!("the unfinished one ended with {:?}:\n{}", back.exit_code, back.log));
        assert_eq!(back.exit_code, Some(0), "{}", stage.story());
        last = shop.switch().await;
        stage.say(format!("the very last run ended with {:?}:\n{}", last.exit_code, last.log));
    }
    if stage.content.problem.is_some() {
        assert_eq!(last.exit_code, Some(1), "{}", stage.story());
        assert!(writes(&last).is_empty(), "{:#?}\n{}", writes(&last), stage.story());
        assert_eq!(everything(shop).await, *before, "{}", stage.story());
        return;
    }
    assert_eq!(last.exit_code, Some(0), "{}", stage.story());
    let once_more = shop.switch().await;
    stage.say(format!("one more ended with {:?}:\n{}", once_more.exit_code, once_more.log));
    assert_eq!((once_more.exit_code, &once_more.result), (Some(0), &last.result), "{}", stage.story());
    assert!(writes(&once_more).is_empty(), "{:#?}\n{}", writes(&once_more), stage.story());
    assert_all_on_one_side(stage).await;
    for namespace in [&shop.standby, &shop.active] {
        assert!(shop.names(namespace, LEASES).await.is_empty(), "a Lease is left\n{}", stage.story());
        for map in shop.list(namespace, CONFIG_MAPS).await {
            assert_ne!(invariants::state(&map), "moving", "an unfinished journal is left\n{}", stage.story());
        }
    }
}

/// Every route that was labelled at first is in one place, and all have changed sides, or none has: that depends on how many
/// of the runs have switched. A deployment may have deleted some.
async fn assert_all_on_one_side(stage: &Stage) {
    let shop = &stage.shop;
    let mut standing = BTreeMap::new();
    for side in Side::BOTH {
        let namespace = namespace(&stage.project, side);
        for (plural, resource) in [("ingresses", INGRESSES), ("httproutes", HTTP_ROUTES)] {
            standing.insert((side, plural), shop.names(&namespace, resource).await);
        }
    }
    let mut have_moved = BTreeSet::new();
    for route in &stage.content.routes {
        let sides = stage::standing(&standing, route);
        assert!(sides.len() < 2, "{} is at {sides:?}\n{}", route.name, stage.story());
        have_moved.extend(sides.first().map(|side| *side != route.home));
    }
    assert!(have_moved.len() < 2, "{standing:?}\n{}", stage.story());
    let (standby, active) = (&standing[&(Side::Standby, "ingresses")], &standing[&(Side::Active, "ingresses")]);
    assert!(standby.iter().all(|name| !active.contains(name)), "{standing:?}\n{}", stage.story());
}
