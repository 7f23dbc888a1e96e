//! A controller that starts again and again where every hostile object lies.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::future::join_all;
use switch_testing::Shop;

use super::stage::Stage;
use super::world::World;
use super::{CONTROL_PLANE, journals, objects, with_all_kinds};
use crate::controller_bench::{NAME, Turn, ask, conditions};

const RESTARTS: usize = 20;

/// In KiB.
const MOST_MEMORY: u64 = 64 * 1024;

/// From this seed on, so that no namespace is that of a world of the other test.
const FIRST_SEED: u64 = 1_000_000;

/// Worlds that together have every kind of object and of journal.
fn worlds_of_every_kind() -> Vec<World> {
    let mut missing: BTreeSet<String> = objects::ALL.iter().map(|(_, oddity)| format!("{oddity:?}")).collect();
    missing.extend(journals::ALL.iter().map(|(_, forgery)| format!("{forgery:?}")));
    let mut worlds = Vec::new();
    for seed in FIRST_SEED.. {
        if missing.is_empty() {
            break;
        }
        let world = World::draw(seed);
        let oddities = world.oddities.iter().map(|oddity| format!("{oddity:?}"));
        let kinds: Vec<String> = oddities.chain(world.forgeries.iter().map(|forgery| format!("{forgery:?}"))).collect();
        if kinds.iter().any(|kind| missing.remove(kind)) {
            worlds.push(world);
        }
    }
    worlds
}

#[tokio::test]
async fn controller_that_restarts_among_all_hostile_objects_serves_another_tenant() {
    let turn = Turn::take_on(&CONTROL_PLANE, with_all_kinds).await;
    let stages = join_all(worlds_of_every_kind().into_iter().map(|world| Stage::new(&turn, world))).await;
    join_all(stages.iter().map(|stage| stage.ask(false))).await;
    let (mut longest, mut memory) = (Duration::ZERO, 0);
    for restart in 0..RESTARTS {
        let other = Shop::with_routes(turn.control_plane, &format!("beside-hostile-{restart}")).await;
        ask(&other.site, NAME, &other.active).await;
        turn.delete_lease().await;
        let controller = turn.start().await;
        controller.until_it_leads().await;
        let leads = Instant::now();
        let object = turn.until_ended(&other, NAME).await;
        longest = longest.max(leads.elapsed());
        println!("restart {restart}: served within {:?} of leading", leads.elapsed());
        assert_eq!(conditions(&object), ["started", "completed"], "{object:#?}");
        other.assert_switched("another tenant").await;
        memory = memory.max(controller.peak_memory());
        if restart.is_multiple_of(2) {
            controller.kill().await;
        } else {
            controller.running.signal("TERM").await.unwrap();
            let finished = Box::pin(controller.running.finish()).await.unwrap();
            assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
            assert!(!finished.log.contains("crashed"), "{}", finished.log);
        }
    }
    println!("{} hostile worlds, {RESTARTS} restarts: {longest:?} and {memory} KiB at most", stages.len());
    assert!(memory < MOST_MEMORY, "{memory} KiB");
    join_all(stages.iter().map(Stage::clear)).await;
}
