use std::time::Duration;

use super::*;
use crate::journal::Damage;
use lagoon_task::cluster::{Cause, ObjectName};

fn object() -> ObjectName {
    ObjectName::new("Ingress", "shop-main", "www")
}

fn cluster(cause: Cause) -> ClusterError {
    ClusterError::Read { object: object(), cause }
}

fn holder() -> Holder {
    Holder { kind: "Pod".to_owned(), name: "task-1".to_owned(), uid: String::new() }
}

fn migration() -> Holder {
    Holder { kind: "HostMigration".to_owned(), name: "host-migration-1".to_owned(), uid: String::new() }
}

fn problem(number: u8) -> Problem {
    Problem::new(format!("Ingress \"r{number}\""), "it is broken", "Mend it")
}

/// In words: Ingress "www" in namespace "shop-main" was changed by somebody else meanwhile.
fn why() -> MoveError {
    MoveError::Sure(SureError::Changed { object: object() })
}

const SINCE: &str = "2026-01-01T00:00:00.000000Z";

fn held(holder: &Holder) -> SwitchError {
    LockError::Held { holder: holder.object_name("shop-standby"), since: SINCE.to_owned() }.into()
}

fn unknown() -> SwitchError {
    let lease = ObjectName::new("Lease", "shop-main", crate::lock::NAME);
    LockError::Unknown { lease, holder: "kubectl".to_owned(), since: SINCE.to_owned() }.into()
}

fn list(list: &[&str]) -> Vec<String> {
    list.iter().map(|&text| text.to_owned()).collect()
}

fn unended(offline: &[&str], elsewhere: &[&str]) -> SwitchError {
    let (offline, elsewhere) = (list(offline), list(elsewhere));
    let hosts_offline = Some(offline.len());
    SwitchError::Unended { cause: why().into(), offline, elsewhere, unseen: Vec::new(), hosts_offline }
}

#[test]
fn problems_are_a_list_that_says_how_many_there_are_and_that_nothing_has_changed() {
    assert_eq!(
        SwitchError::Problems(vec![problem(1)]).to_string(),
        "The switch cannot be carried out, for one reason:\n- Ingress \"r1\": it is broken. Mend it.\nNothing has changed."
    );
    assert_eq!(
        SwitchError::Problems(vec![problem(1), problem(2)]).to_string(),
        "The switch cannot be carried out, for 2 reasons:\n- Ingress \"r1\": it is broken. Mend it.\n- Ingress \"r2\": it is \
         broken. Mend it.\nNothing has changed."
    );
}

#[test]
fn each_error_says_whether_anything_has_changed_and_what_to_do() {
    let cases = [
        (
            SwitchError::Look(cluster(Cause::Conflict)),
            "The switch could not begin. Ingress \"www\" in namespace \"shop-main\" could not be read: somebody else changed \
             it at the same time. Nothing has changed. Running the task again is safe.",
        ),
        (
            SwitchError::Journal(JournalError::Taken { object: object() }),
            "The switch could not begin. Ingress \"www\" in namespace \"shop-main\" was changed by another run of the switch \
             at the same time. Nothing has changed. Running the task again is safe.",
        ),
        (
            SwitchError::Lock(LockError::Cluster(cluster(Cause::Conflict))),
            "The switch could not begin. The lock of the switch: Ingress \"www\" in namespace \"shop-main\" could not be \
             read: somebody else changed it at the same time. Nothing has changed. Running the task again is safe.",
        ),
        (
            held(&holder()),
            "Another run of this switch is under way: Pod \"task-1\" in namespace \"shop-standby\" has held the lock since \
             2026-01-01T00:00:00.000000Z. Nothing has changed. Wait until that one has ended; if the switch is not done by \
             then, run the task again. If it does not end because its node is lost, ask your Lagoon administrator to delete \
             that pod by force first.",
        ),
        (
            held(&migration()),
            "Another run of this switch is under way: HostMigration \"host-migration-1\" in namespace \"shop-standby\" has \
             held the lock since 2026-01-01T00:00:00.000000Z. Nothing has changed. Wait until that one has ended; if the \
             switch is not done by then, run the task again. If it does not end because no controller carries it out, ask \
             your Lagoon administrator to delete it first.",
        ),
        (
            unknown(),
            "Another run of this switch may be under way: Lease \"activestandby-switch\" in namespace \"shop-main\" is held \
             since 2026-01-01T00:00:00.000000Z by \"kubectl\", and whether that still runs cannot be told. Nothing has \
             changed. If no switch of these environments runs, delete Lease \"activestandby-switch\" in namespace \
             \"shop-main\", then run the task again.",
        ),
        (
            SwitchError::LockLost(Box::new(SwitchError::NotEnded { cause: why().into() })),
            "This run has lost the lock on the two environments: another run has taken it over, or somebody has deleted its \
             Lease. It has stopped without changing anything more. If no other run ends the switch, run the task again.",
        ),
        (
            SwitchError::Unfinished { standby: "a".to_owned(), active: "b\n".to_owned(), holder: holder() },
            "A switch of namespaces \"a\" and \"b\\n\" has begun and not ended, and this task asks for another one. Nothing \
             has changed. Run the task of the earlier switch again first: it was started in namespace \"a\", as Pod \
             \"task-1\" in namespace \"a\".",
        ),
        (
            SwitchError::Stopped,
            "The task was stopped before it had moved a route. Nothing has changed. Running the task again is safe.",
        ),
        (
            SwitchError::Prepared(why().into()),
            "The switch has not begun to move routes, and every route is where it was, but what it had prepared could not \
             be removed again: Ingress \"www\" in namespace \"shop-main\" was changed by somebody else meanwhile. Run the task again: it is safe and goes on from here.",
        ),
        (
            SwitchError::Undone { cause: why().into() },
            "The switch was undone because Ingress \"www\" in namespace \"shop-main\" was changed by somebody else \
             meanwhile. All routes are back where they were: nothing has changed. Remove the cause, \
             then switch again.",
        ),
        (
            SwitchError::Undone { cause: MoveError::Problems(vec![problem(1), problem(2)]).into() },
            "The switch was undone because the rest of the switch can no longer be carried out: Ingress \"r1\": it is broken. \
             Mend it. Ingress \"r2\": it is broken. Mend it. All routes are back where they were: nothing has changed. Remove \
             the cause, then switch again.",
        ),
        (
            SwitchError::NotEnded { cause: why().into() },
            "The routes have moved, but the switch could not be ended: Ingress \"www\" in namespace \"shop-main\" was changed by \
             somebody else meanwhile. Run the task again: it is safe, moves nothing a \
             second time, and ends the switch.",
        ),
    ];
    for (error, sentence) in cases {
        assert_eq!(error.to_string(), sentence);
    }
}

#[test]
fn an_unfinished_switch_names_the_routes_that_are_offline_and_where_the_others_are() {
    let begin = "The switch is not finished: Ingress \"www\" in namespace \"shop-main\" was changed by somebody else meanwhile.";
    let end = "Remove the cause and run the task again: it is safe, goes on from here, and finishes the switch.";
    let offline = "OFFLINE at the moment (ConfigMap activestandby-journal in the standby namespace has a full copy of each):\n- r1\n- r2";
    let live = "These routes are live:\n- r3 in shop-main";
    let cases = [
        (unended(&[], &[]), format!("{begin}\n{end}")),
        (unended(&["r1", "r2"], &[]), format!("{begin}\n{offline}\n{end}")),
        (unended(&[], &["r3 in shop-main"]), format!("{begin}\n{live}\n{end}")),
        (unended(&["r1", "r2"], &["r3 in shop-main"]), format!("{begin}\n{offline}\n{live}\n{end}")),
    ];
    for (error, text) in cases {
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn an_error_may_pass_if_the_same_switch_may_go_on_without_anyone_doing_anything() {
    let lost = || Cause::AnswerLost("reset".to_owned());
    let cases = [
        (SwitchError::Look(cluster(lost())), true),
        (SwitchError::Look(cluster(Cause::Forbidden("no".to_owned()))), false),
        (SwitchError::Journal(JournalError::Cluster(cluster(Cause::Deadline(Duration::from_secs(1))))), true),
        (SwitchError::Journal(JournalError::Cluster(cluster(Cause::Unauthorized))), false),
        (SwitchError::Journal(JournalError::Sure(SureError::Cluster(cluster(Cause::Unauthorized)))), false),
        (SwitchError::Journal(JournalError::Sure(SureError::DoesNotGo { object: object() })), false),
        (SwitchError::Journal(JournalError::Taken { object: object() }), true),
        (SwitchError::Journal(JournalError::TooNew { object: object(), version: 2 }), false),
        (SwitchError::Journal(JournalError::Damaged { object: object(), cause: Damage::NoHead }), false),
        (SwitchError::Problems(vec![problem(1)]), false),
        (SwitchError::Unfinished { standby: String::new(), active: String::new(), holder: holder() }, false),
        (SwitchError::Undone { cause: why().into() }, false),
        (held(&holder()), true),
        (held(&migration()), true),
        (unknown(), true),
        (SwitchError::Lock(LockError::Cluster(cluster(lost()))), true),
        (SwitchError::Lock(LockError::Cluster(cluster(Cause::Unauthorized))), false),
        (SwitchError::LockLost(Box::new(SwitchError::Stopped)), true),
        (SwitchError::Stopped, true),
        (SwitchError::Prepared(why().into()), true),
        (unended(&[], &[]), true),
        (SwitchError::NotEnded { cause: why().into() }, true),
    ];
    for (error, may_pass) in cases {
        assert_eq!(error.may_pass(), may_pass, "{error}");
    }
}

#[test]
fn a_journal_whose_create_met_a_passing_fault_may_pass() {
    let create =
        |cause| ClusterError::Create { object: ObjectName::new("ConfigMap", "shop-standby", "journal"), cause };
    let fault = || Cause::ServerFault { code: 503, message: String::new() };
    for error in [JournalError::Sure(SureError::Cluster(create(fault()))), JournalError::Cluster(create(fault()))] {
        assert!(SwitchError::Journal(error).may_pass());
    }
}

#[test]
fn an_unfinished_switch_names_the_namespaces_that_could_not_be_looked_at() {
    let text = |unseen: &[&str]| {
        let unseen = list(unseen);
        let (cause, offline, elsewhere, hosts_offline) = (why().into(), Vec::new(), Vec::new(), Some(0));
        SwitchError::Unended { cause, offline, elsewhere, unseen, hosts_offline }.to_string()
    };
    assert!(text(&["a"]).contains(" meanwhile; and namespace a could not be looked at.\n"));
    assert!(text(&["a", "b"]).contains(" meanwhile; and namespace a and b could not be looked at.\n"));
}

#[test]
fn hosts_are_offline_only_as_far_as_the_error_says_where_routes_are() {
    assert_eq!(unended(&["a", "b"], &["c"]).hosts_offline(), Some(2));
    assert_eq!(SwitchError::LockLost(Box::new(unended(&["a"], &[]))).hosts_offline(), Some(1));
    assert_eq!(SwitchError::NotEnded { cause: why().into() }.hosts_offline(), Some(0));
    assert_eq!(SwitchError::Stopped.hosts_offline(), None);
}

#[test]
fn journal_that_cannot_be_read_is_named_wherever_the_error_has_it() {
    let damaged = || JournalError::Damaged { object: object(), cause: Damage::NoHead };
    let unended = |error: JournalError| SwitchError::NotEnded { cause: Box::new(error.into()) };
    assert_eq!(SwitchError::Journal(damaged()).unreadable_journal(), Some(&object()));
    assert_eq!(unended(damaged()).unreadable_journal(), Some(&object()));
    assert_eq!(unended(JournalError::Taken { object: object() }).unreadable_journal(), None);
    assert_eq!(SwitchError::Stopped.unreadable_journal(), None);
}

#[test]
fn an_error_keeps_its_source_down_to_the_cause() {
    let create = ClusterError::Create { object: object(), cause: Cause::Conflict };
    let error = SwitchError::Undone { cause: Box::new(MoveError::Journal(JournalError::Cluster(create))) };
    let chain = std::iter::successors(std::error::Error::source(&error), |error| error.source());
    assert!(chain.last().is_some_and(|error| error.downcast_ref() == Some(&Cause::Conflict)));
}
