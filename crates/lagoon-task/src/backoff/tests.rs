use proptest::prelude::*;

use super::{Backoff, Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn pauses_double_up_to_the_cap() {
    let backoff = Backoff::new(Duration::from_millis(100), SECOND);
    let pauses: Vec<u128> = backoff.start().take(6).map(|pause| pause.as_millis()).collect();
    assert_eq!(pauses, [100, 200, 400, 800, 1_000, 1_000]);
}

#[test]
fn attempts_count_the_first_one() {
    let backoff = Backoff::new(SECOND, SECOND);
    for (attempts, pauses) in [(0, 0), (1, 0), (2, 1), (5, 4)] {
        assert_eq!(backoff.attempts(attempts).start().count(), pauses, "{attempts}");
    }
}

#[test]
fn the_last_pause_is_cut_to_what_is_left() {
    let backoff = Backoff::new(SECOND, 8 * SECOND).deadline(10 * SECOND);
    let pause = |made, elapsed| backoff.pause(made, elapsed, 0.0, None);
    assert_eq!(pause(3, 2 * SECOND), Some(8 * SECOND));
    assert_eq!(pause(3, 7 * SECOND), Some(3 * SECOND));
    assert_eq!(pause(3, 10 * SECOND), None);
    assert_eq!(pause(3, 11 * SECOND), None);
}

#[test]
fn a_pause_that_the_server_asked_for_is_made_whole_or_not_at_all() {
    let backoff = Backoff::new(SECOND, 2 * SECOND).deadline(10 * SECOND);
    let pause = |asked| backoff.pause(0, SECOND, 0.0, Some(asked));
    assert_eq!(pause(9 * SECOND), Some(9 * SECOND));
    assert_eq!(pause(10 * SECOND), None);
    assert_eq!(pause(Duration::MAX), None);
    assert_eq!(pause(Duration::ZERO), Some(SECOND));
}

#[test]
fn the_same_seed_makes_the_same_pauses() {
    let backoff = Backoff::new(SECOND, 8 * SECOND).jitter(0.5);
    let pauses = |seed| backoff.start_seeded(seed).take(20).collect::<Vec<_>>();
    assert_eq!(pauses(1), pauses(1));
    assert_ne!(pauses(1), pauses(2));
}

#[tokio::test]
async fn a_pause_takes_its_time_until_the_attempts_are_used_up() {
    let begun = Instant::now();
    let mut pauses = Backoff::new(Duration::from_millis(20), SECOND).attempts(2).start();
    assert!(pauses.pause().await);
    assert!(begun.elapsed() >= Duration::from_millis(20));
    assert!(!pauses.pause().await);
}

/// What waiting through all pauses would come to: attempts, and the time at which the last one starts.
fn waited_through(backoff: Backoff, seed: u64, most: u32) -> (u32, Duration) {
    let mut chance = fastrand::Rng::with_seed(seed);
    let (mut made, mut elapsed) = (0, Duration::ZERO);
    while let Some(pause) = backoff.pause(made, elapsed, chance.f64(), None).filter(|_| made < most) {
        made += 1;
        elapsed += pause;
    }
    (made + 1, elapsed)
}

fn any_duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (0_u64..100_000).prop_map(Duration::from_millis),
        any::<u64>().prop_map(Duration::from_nanos),
        Just(Duration::ZERO),
        Just(Duration::MAX),
    ]
}

fn any_backoff() -> impl Strategy<Value = Backoff> {
    let attempts = prop_oneof![0_u32..20, any::<u32>()];
    let jitter = prop_oneof![0.0..=1.0, any::<f64>()];
    (any_duration(), any_duration(), attempts, any_duration(), jitter).prop_map(
        |(base, cap, attempts, deadline, jitter)| {
            Backoff::new(base, cap).attempts(attempts).deadline(deadline).jitter(jitter)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_pause_is_above_the_cap_or_beyond_the_deadline(
        backoff in any_backoff(),
        made in prop_oneof![0_u32..40, any::<u32>()],
        elapsed in any_duration(),
        chance in prop_oneof![0.0..=1.0, any::<f64>()],
    ) {
        if let Some(pause) = backoff.pause(made, elapsed, chance, None) {
            prop_assert!(pause <= backoff.cap, "{pause:?}");
            prop_assert!(pause <= backoff.deadline.saturating_sub(elapsed), "{pause:?} after {elapsed:?}");
            prop_assert!(made < backoff.attempts, "pause {made}");
        }
    }

    #[test]
    fn all_pauses_together_keep_to_the_deadline_and_the_attempts(backoff in any_backoff(), seed in any::<u64>()) {
        // Adding up needs a bound: there are pauses of no length, and deadlines that no clock reaches.
        let backoff = backoff.deadline(backoff.deadline.min(Duration::from_hours(24)));
        let (attempts, last) = waited_through(backoff, seed, 500);
        prop_assert!(last <= backoff.deadline, "{last:?}");
        prop_assert!(attempts <= backoff.attempts.max(1), "{attempts}");
    }
}
