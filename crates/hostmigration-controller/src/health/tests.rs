use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn leader() -> State {
    let watch = WatchState { is_synced: true, last_success: Some(at(1000)), error: None };
    State { is_started: true, is_leader: true, watch, needs: Some(Needs::default()), unchecked: None }
}

#[test]
fn leader_whose_watch_works_is_ready() {
    assert_eq!(leader().report(at(1001)), (true, "ok\nleader: yes\nwatch: synced, last success 1000\n".to_owned()));
}

#[test]
fn replica_that_waits_for_the_lease_is_ready_without_a_watch() {
    let waiting = State { is_started: true, ..State::default() };
    let says = "ok\nleader: no, another replica acts\nrights: not checked yet\n";
    assert_eq!(waiting.report(at(0)), (true, says.to_owned()));
    assert!(!State::default().report(at(0)).0);
}

#[test]
fn leader_whose_watch_is_broken_incomplete_or_silent_is_not_ready() {
    let broken = WatchState { error: Some("permission denied".to_owned()), ..leader().watch };
    let silent = WatchState { last_success: Some(at(0)), ..leader().watch };
    for (watch, says) in [
        (broken, "not ready\nleader: yes\nwatch: broken, last success 1000: permission denied\n"),
        (WatchState::default(), "not ready\nleader: yes\nwatch: the first list is not complete\n"),
        (silent, "not ready\nleader: yes\nwatch: silent, last success 0\n"),
    ] {
        assert_eq!(State { watch, ..leader() }.report(at(1001)), (false, says.to_owned()));
    }
}

#[test]
fn whatever_is_missing_is_named() {
    let rights_missing = vec!["create secrets".to_owned(), "get pods".to_owned()];
    let needs = Some(Needs { rights_missing, is_definition_missing: true });
    let waiting = State { is_leader: false, needs, unchecked: Some("no answer".to_owned()), ..leader() };
    let says = "not ready\nleader: no, another replica acts\nmissing right: create secrets\nmissing right: get pods\n\
                missing definition: hostmigrations.dioscuri.amazee.io\nrights could not be checked: no answer\n";
    assert_eq!(waiting.report(at(0)), (false, says.to_owned()));
}

#[test]
fn metrics_follow_the_watch_and_the_rights() {
    let metrics = Arc::new(Metrics::new());
    let health = Health::new(Arc::clone(&metrics));
    health.watch_works(at(5));
    assert_eq!((metrics.watch_synced.get(), metrics.watch_succeeded.get()), (1, 5));
    health.watch_failed("no answer");
    health.watch_confirmed(at(6));
    assert_eq!((metrics.watch_synced.get(), metrics.watch_succeeded.get()), (0, 5));
    health.needs_checked(&Needs { rights_missing: vec!["get pods".to_owned()], is_definition_missing: true });
    assert_eq!((metrics.rights_missing.get(), metrics.definition_missing.get()), (1, 1));
    health.needs_checked(&Needs::default());
    assert_eq!((metrics.rights_missing.get(), metrics.definition_missing.get()), (0, 0));
}
