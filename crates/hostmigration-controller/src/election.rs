//! Which of several replicas acts: the one that holds a Lease.
//!
//! The holder writes the time into the Lease again and again. A replica that has not seen it change for
//! [`LEASE_DURATION`] by its own clock takes it over; clocks of different machines are never compared. Each write carries
//! the resourceVersion of what was read, so that of two that write at the same time one is refused. The holder gives up
//! some seconds before another can take over.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, ResourceExt};
use tokio::time::Instant;

use lagoon_task::Backoff;
use lagoon_task::cluster::{Cause, Cluster, ClusterError, ObjectName};

/// Name of the Lease.
pub const LEASE: &str = "hostmigration-controller";

/// How long a Lease is left to a holder that does not renew it.
pub const LEASE_DURATION: Duration = Duration::from_secs(15);

/// The holder gives up when it has not been able to renew the Lease for this long.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);

/// Between two looks at the Lease.
const LOOKS: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(2));

/// For giving the Lease back at the end.
const RELEASE_DEADLINE: Duration = Duration::from_secs(5);

/// One replica's part in the election.
pub struct Election {
    cluster: Cluster,
    leases: Api<Lease>,
    namespace: String,
    identity: String,
    /// The Lease as this replica wrote it last, if nothing is known to have happened to it since.
    written: Option<Lease>,
    /// When the request was sent that has renewed the Lease last: another replica may take over [`LEASE_DURATION`] after
    /// that, however often this one has begun to keep the Lease since.
    renewed: Instant,
    /// The version of the Lease that was seen last, and since when.
    seen: Option<(Option<String>, Instant)>,
}

/// What a look at the Lease has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    ByUs,
    ByAnother,
    /// Somebody else wrote at the same time: look again.
    Unclear,
}

impl Election {
    /// Takes part as `identity` in the election in `namespace`.
    #[must_use]
    pub fn new(cluster: Cluster, namespace: &str, identity: &str) -> Self {
        let leases = Api::namespaced(cluster.client(), namespace);
        let (namespace, identity) = (namespace.to_owned(), identity.to_owned());
        Self { cluster, leases, namespace, identity, written: None, renewed: Instant::now(), seen: None }
    }

    /// Waits until this replica holds the Lease.
    pub async fn win(&mut self) {
        let mut pauses = LOOKS.start();
        loop {
            match tokio::time::timeout(RENEW_DEADLINE, self.attempt()).await {
                Ok(Ok(Held::ByUs)) => return,
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::warn!("The Lease could not be had: {error}."),
                Err(_) => tracing::warn!("The Lease could not be had within {} s.", RENEW_DEADLINE.as_secs()),
            }
            pauses.pause().await;
        }
    }

    /// Keeps the Lease and returns when it is lost.
    pub async fn keep(&mut self) {
        let mut pauses = LOOKS.start();
        while pauses.pause().await {
            match tokio::time::timeout_at(self.renewed + RENEW_DEADLINE, self.attempt()).await {
                Ok(Ok(Held::ByAnother)) | Err(_) => return,
                Ok(Ok(Held::ByUs | Held::Unclear)) => {}
                Ok(Err(error)) => tracing::warn!("The Lease could not be renewed: {error}."),
            }
        }
    }

    /// Gives the Lease back, if this replica holds it, so that another need not wait.
    pub async fn release(&mut self) {
        match tokio::time::timeout(RELEASE_DEADLINE, self.give_back()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("The Lease could not be given back: {error}."),
            Err(_) => tracing::warn!("The Lease could not be given back within {} s.", RELEASE_DEADLINE.as_secs()),
        }
    }

    /// Renews the Lease, or takes it if nobody has it.
    async fn attempt(&mut self) -> Result<Held, ClusterError> {
        let begun = Instant::now();
        let held = self.look().await?;
        if held == Held::ByUs {
            self.renewed = begun;
        }
        Ok(held)
    }

    async fn look(&mut self) -> Result<Held, ClusterError> {
        let lease = match self.written.take() {
            Some(lease) => lease,
            None => match self.read().await? {
                Some(lease) => lease,
                None => return self.create().await,
            },
        };
        if self.is_left_to_another(&lease) {
            return Ok(Held::ByAnother);
        }
        let spec = taken(lease.spec.unwrap_or_default(), &self.identity, Timestamp::now());
        self.write(Lease { metadata: lease.metadata, spec: Some(spec) }).await
    }

    fn is_left_to_another(&mut self, lease: &Lease) -> bool {
        let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default();
        if holder.is_empty() || holder == self.identity {
            return false;
        }
        let (now, version) = (Instant::now(), lease.resource_version());
        match &self.seen {
            Some((seen, since)) if *seen == version => now.duration_since(*since) < LEASE_DURATION,
            _ => {
                self.seen = Some((version, now));
                true
            }
        }
    }

    async fn read(&self) -> Result<Option<Lease>, ClusterError> {
        let error = |cause| ClusterError::Read { object: self.object_name(), cause };
        self.cluster.call(error, self.leases.get_opt(LEASE)).await
    }

    async fn create(&mut self) -> Result<Held, ClusterError> {
        let metadata = ObjectMeta { name: Some(LEASE.to_owned()), ..ObjectMeta::default() };
        let lease = Lease { metadata, spec: Some(taken(LeaseSpec::default(), &self.identity, Timestamp::now())) };
        let error = |cause| ClusterError::Create { object: self.object_name(), cause };
        let created = self.cluster.call(error, self.leases.create(&PostParams::default(), &lease)).await;
        self.written_or_unclear(created)
    }

    async fn write(&mut self, lease: Lease) -> Result<Held, ClusterError> {
        let error = |cause| ClusterError::Change { object: self.object_name(), cause };
        let written = self.cluster.call(error, self.leases.replace(LEASE, &PostParams::default(), &lease)).await;
        self.written_or_unclear(written)
    }

    fn written_or_unclear(&mut self, answer: Result<Lease, ClusterError>) -> Result<Held, ClusterError> {
        match answer {
            Ok(lease) => {
                self.written = Some(lease);
                Ok(Held::ByUs)
            }
            // Also when it was deleted in between.
            Err(error) if matches!(error.cause(), Cause::AlreadyExists | Cause::Conflict | Cause::NotFound(_)) => {
                Ok(Held::Unclear)
            }
            Err(error) => Err(error),
        }
    }

    async fn give_back(&mut self) -> Result<(), ClusterError> {
        self.written = None;
        let Some(lease) = self.read().await? else { return Ok(()) };
        let spec = lease.spec.unwrap_or_default();
        if spec.holder_identity.as_deref() != Some(&self.identity) {
            return Ok(());
        }
        let spec = LeaseSpec { holder_identity: None, ..spec };
        self.write(Lease { metadata: lease.metadata, spec: Some(spec) }).await?;
        self.written = None;
        Ok(())
    }

    fn object_name(&self) -> ObjectName {
        ObjectName::new("Lease", &self.namespace, LEASE)
    }
}

/// `spec` with `identity` as the holder from `now` on.
fn taken(spec: LeaseSpec, identity: &str, now: Timestamp) -> LeaseSpec {
    let renewed = spec.holder_identity.as_deref() == Some(identity);
    let acquire_time = spec.acquire_time.filter(|_| renewed).or(Some(MicroTime(now)));
    let transitions = spec.lease_transitions.unwrap_or_default();
    LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        acquire_time,
        renew_time: Some(MicroTime(now)),
        lease_duration_seconds: i32::try_from(LEASE_DURATION.as_secs()).ok(),
        lease_transitions: Some(if renewed { transitions } else { transitions.saturating_add(1) }),
        ..spec
    }
}

#[cfg(test)]
mod tests;
