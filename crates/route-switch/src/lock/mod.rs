//! The lock: of the runs that may write in a pair of namespaces, one at a time does.
//!
//! It is a Lease of one name in each of the two namespaces, so that both directions, both ways of asking, and switches that
//! share one namespace contend for it. They are taken in the order of the namespaces' names, and no run waits for another.
//! A Lease is taken over when its holder has ended, never by its age. Each write asks first whether both are still held:
//! a run that was stopped, on a node that came back or as a process, writes nothing any more after another has taken over.

mod identity;

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::future::join;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::jiff::Timestamp;
use kube::api::ApiResource;
use serde_json::Value;

use crate::cluster::holder;
use crate::journal::Holder;
use crate::mutants::{Mutant, is_planted};
use crate::side::{Side, Sides};
pub(crate) use identity::OFFLINE;
use identity::{HeldBy, Identity, given_back, held_by, in_place_of, is_held_by, lease, since, with_offline};
use lagoon_task::Backoff;
use lagoon_task::cluster::{Cause, Cluster, ClusterError, Metadata, ObjectName, Objects, WriteGuard};

/// The name of the Lease, in both namespaces.
pub const NAME: &str = "activestandby-switch";

/// How old the knowledge that the lock is held may be when a write is sent.
const FRESH: Duration = Duration::from_millis(500);

/// A Lease that others change at the same time is tried to be taken this often, and how often it is looked at before a
/// write if the answer is too old each time it comes.
const ATTEMPTS: Backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(200)).attempts(20);

/// Why the lock could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// A request failed.
    #[error("The lock of the switch: {0}")]
    Cluster(#[from] ClusterError),
    /// Another run holds it.
    #[error("{holder} has held the lock since {since}")]
    Held {
        /// Who.
        holder: ObjectName,
        /// Since when.
        since: String,
    },
    /// Somebody holds it that nothing can be told about.
    #[error("{lease} is held since {since} by \"{holder}\", and whether that still runs cannot be told")]
    Unknown {
        /// The Lease.
        lease: ObjectName,
        /// What the Lease says.
        holder: String,
        /// Since when.
        since: String,
    },
}

/// The digests of the routes that the switch whose journal is on the other side may have left offline, as the Lease in
/// `namespace` says.
pub(crate) async fn offline(cluster: &Cluster, namespace: &str) -> Result<BTreeSet<String>, ClusterError> {
    let leases = cluster.objects(&ApiResource::erase::<Lease>(&()), namespace);
    Ok(leases.get(NAME).await?.as_ref().map(identity::offline).unwrap_or_default())
}

/// A lock that this run has taken.
pub(crate) struct Lock {
    cluster: Cluster,
    names: Sides<String>,
    run: Identity,
    /// The Leases as this run has written them.
    taken: Mutex<Sides<Option<Value>>>,
    confirmed: tokio::sync::Mutex<Option<Instant>>,
    is_doubted: AtomicBool,
    is_lost: AtomicBool,
}

/// What a look at one of the two Leases says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Look {
    Held,
    Lost,
    /// The rights in its namespace are gone.
    Hidden,
    Failed(Cause),
}

impl Lock {
    /// Takes the lock, or says who has it. `holder` is in the standby environment's namespace.
    pub(crate) async fn take(cluster: &Cluster, names: &Sides<String>, holder: Holder) -> Result<Self, LockError> {
        let chance = std::iter::repeat_with(fastrand::alphanumeric).take(12).collect();
        let run = Identity { namespace: names.standby.clone(), holder, run: chance };
        let lock = Self {
            cluster: cluster.clone(),
            names: names.clone(),
            run,
            taken: Mutex::default(),
            confirmed: tokio::sync::Mutex::new(None),
            is_doubted: AtomicBool::new(false),
            is_lost: AtomicBool::new(false),
        };
        let mut order = Side::BOTH;
        order.sort_by_key(|side| names.of(*side));
        let begun = Instant::now();
        let mut is_fenced = false;
        for side in order {
            match lock.take_one(side).await {
                Ok(taken_over) => is_fenced |= taken_over,
                Err(error) => {
                    lock.release().await;
                    return Err(error);
                }
            }
        }
        if is_fenced {
            // What was sent in the last moment before the other run learns that it has lost the lock has been sent by then.
            tokio::time::sleep(FRESH).await;
        }
        *lock.confirmed.lock().await = Some(begun);
        Ok(lock)
    }

    /// Takes the Lease of one side. Answers whether it was taken from a run that may not have ended, but is fenced.
    async fn take_one(&self, side: Side) -> Result<bool, LockError> {
        let leases = self.leases(side);
        let mut pauses = ATTEMPTS.start();
        let (mut there, mut taken_over) = (None, false);
        loop {
            let now = format!("{:.6}", Timestamp::now());
            let ours = lease(NAME, leases.namespace(), &self.run, &now, there.as_ref());
            let written = if there.is_some() { leases.replace(&ours).await } else { leases.create(&ours).await };
            let error = match written {
                Ok(written) => {
                    *self.taken().of_mut(side) = Some(written);
                    return Ok(taken_over);
                }
                Err(error) => error,
            };
            let is_passing = matches!(error.cause(), Cause::Conflict | Cause::AlreadyExists | Cause::NotFound(_));
            // A lost answer shows in the next look.
            if !(is_passing || error.cause().may_pass()) || !pauses.pause().await {
                return Err(error.into());
            }
            there = leases.get(NAME).await?;
            if let Some(there) = &there {
                taken_over |= self.may_take_over(there, &leases).await?;
            }
        }
    }

    /// Whether a Lease may be taken, and if so, whether it is from a run that is only known to be fenced: a controller that
    /// has lost its part may still have the program running that carries out a `HostMigration`.
    async fn may_take_over(&self, there: &Value, leases: &Objects<'_>) -> Result<bool, LockError> {
        let other = match held_by(there) {
            HeldBy::Nobody => return Ok(false),
            HeldBy::Run(run) if run == self.run => return Ok(false),
            HeldBy::Run(run) => run,
            HeldBy::Unknown(holder) => {
                let holder = lagoon_task::output::escape(&holder);
                return Err(LockError::Unknown { lease: leases.name(NAME), holder, since: since(there) });
            }
        };
        if !Side::BOTH.into_iter().any(|side| *self.names.of(side) == other.namespace) {
            // Whoever writes a Lease chooses what it says: it has nobody look into a third namespace, and tell what is there.
            let holder = lagoon_task::output::escape(&other.text());
            return Err(LockError::Unknown { lease: leases.name(NAME), holder, since: since(there) });
        }
        let is_fenced = other.holder.kind != "Pod";
        if (&other.namespace, &other.holder) == (&self.run.namespace, &self.run.holder) {
            return Ok(is_fenced);
        }
        match holder::is_running(&self.cluster, &other.namespace, &other.holder).await {
            Ok(true) if !is_planted(Mutant::LivingHolderReplaced) => {
                Err(LockError::Held { holder: other.holder.object_name(&other.namespace), since: since(there) })
            }
            Ok(_) => Ok(is_fenced),
            Err(error) if matches!(error.cause(), Cause::Forbidden(_)) => {
                let Holder { kind, name, .. } = &other.holder;
                let holder = lagoon_task::output::escape(&format!("{kind} {}/{name}", other.namespace));
                Err(LockError::Unknown { lease: leases.name(NAME), holder, since: since(there) })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The digests of the routes that the switch whose journal is on the other side may have left offline, as the Lease on
    /// this side says.
    pub(crate) fn offline(&self, side: Side) -> BTreeSet<String> {
        self.taken().of(side).as_ref().map(identity::offline).unwrap_or_default()
    }

    /// Has the Lease on the active side say that these routes may be offline. It stays when the lock is given back, until a
    /// run says that none is.
    pub(crate) async fn record_offline(&self, digests: BTreeSet<String>) -> Result<(), ClusterError> {
        let leases = self.leases(Side::Active);
        let mut pauses = ATTEMPTS.start();
        loop {
            let Some(taken) = self.taken().active.clone() else { return Ok(()) };
            let lease = with_offline(in_place_of(&Metadata::of(&taken), taken), &digests);
            let error = match leases.replace(&lease).await {
                Ok(written) => {
                    self.taken().active = Some(written);
                    return Ok(());
                }
                Err(error) => error,
            };
            // A lost answer shows in the next look; so does a run that has taken the lock over.
            let now = if *error.cause() == Cause::Conflict { leases.get(NAME).await? } else { None };
            match now.filter(|now| is_held_by(now, &self.run)) {
                Some(now) if pauses.pause().await => self.taken().active = Some(now),
                _ => return Err(error),
            }
        }
    }

    /// No route is offline any more: nothing stays when the lock is given back.
    pub(crate) fn forget_offline(&self) {
        let mut taken = self.taken();
        for side in Side::BOTH {
            if let Some(lease) = taken.of_mut(side) {
                *lease = with_offline(std::mem::take(lease), &BTreeSet::new());
            }
        }
    }

    /// Gives the lock back. What fails here is left: the next run sees that its holder has ended.
    pub(crate) async fn release(&self) {
        let release = |side| async move {
            let Some(taken) = self.taken().of_mut(side).take() else { return };
            let (leases, seen) = (self.leases(side), Metadata::of(&taken));
            if identity::offline(&taken).is_empty() {
                let _ = leases.delete(&seen).await;
            } else {
                let _ = leases.replace(&in_place_of(&seen, given_back(taken))).await;
            }
        };
        join(release(Side::Standby), release(Side::Active)).await;
    }

    fn taken(&self) -> MutexGuard<'_, Sides<Option<Value>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether another run has taken it over.
    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed)
    }

    async fn confirm(&self) -> Result<(), Cause> {
        if is_planted(Mutant::LockNotAsked) {
            return Ok(());
        }
        let mut confirmed = self.confirmed.lock().await;
        let mut pauses = ATTEMPTS.start();
        if self.is_doubted.swap(false, Ordering::Relaxed) {
            *confirmed = None;
        }
        // `Instant` goes on while the process is stopped, so what was known before counts as old then.
        while !confirmed.is_some_and(|at| at.elapsed() <= FRESH) {
            let asked = Instant::now();
            verdict(join(self.look(Side::Standby), self.look(Side::Active)).await, &self.names).inspect_err(
                |cause| {
                    self.is_lost.fetch_or(matches!(cause, Cause::Withheld(_)), Ordering::Relaxed);
                },
            )?;
            *confirmed = Some(asked);
            if asked.elapsed() > FRESH && !pauses.pause().await {
                return Err(Cause::Deadline(FRESH));
            }
        }
        Ok(())
    }

    async fn look(&self, side: Side) -> Look {
        match self.leases(side).get(NAME).await {
            Ok(Some(there)) if is_held_by(&there, &self.run) => Look::Held,
            Ok(_) => Look::Lost,
            Err(error) if matches!(error.cause(), Cause::Forbidden(_)) => Look::Hidden,
            Err(error) => Look::Failed(error.cause().clone()),
        }
    }

    fn leases(&self, side: Side) -> Objects<'_> {
        self.cluster.objects(&ApiResource::erase::<Lease>(&()), self.names.of(side))
    }
}

impl WriteGuard for Lock {
    fn may_write<'a>(&'a self, _namespace: &'a str) -> Pin<Box<dyn Future<Output = Result<(), Cause>> + Send + 'a>> {
        Box::pin(self.confirm())
    }

    /// What was met may be the doing of another run.
    fn has_met_conflict(&self) {
        self.is_doubted.store(true, Ordering::Relaxed);
    }
}

/// Whoever else wants to write needs both Leases, so one that is held is enough where the rights to see the other are gone:
/// what can still be put back then is.
fn verdict((standby, active): (Look, Look), names: &Sides<String>) -> Result<(), Cause> {
    let lost = |name: &str| {
        Err(Cause::Withheld(format!(
            "this run no longer holds the lock (Lease \"{NAME}\" in namespace \"{name}\"): another run has taken it over"
        )))
    };
    match (standby, active) {
        (Look::Lost, _) => lost(&names.standby),
        (_, Look::Lost) => lost(&names.active),
        (Look::Held, Look::Held | Look::Hidden) | (Look::Hidden, Look::Held) => Ok(()),
        (Look::Failed(cause), _) | (_, Look::Failed(cause)) => Err(cause),
        (Look::Hidden, Look::Hidden) => Err(Cause::Forbidden("the lock can no longer be seen".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_lease_is_enough_only_where_the_other_is_hidden() {
        use Look::{Failed, Held, Hidden, Lost};
        let names = Sides { standby: "a".to_owned(), active: "b".to_owned() };
        let failed = || Failed(Cause::NotUnderstood);
        let may_write = |standby, active| verdict((standby, active), &names).is_ok();
        assert!(may_write(Held, Held) && may_write(Held, Hidden) && may_write(Hidden, Held));
        for other in [Held, Hidden, Lost, failed()] {
            assert!(!may_write(Lost, other.clone()) && !may_write(other, Lost));
        }
        assert!(!may_write(Hidden, Hidden) && !may_write(Held, failed()) && !may_write(failed(), Held));
    }
}
