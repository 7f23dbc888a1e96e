//! The switch engine, as the controller asks for it.

use std::sync::Arc;

use crate::engine::{Engine, SwitchFailed, SwitchRequest, SwitchedHosts};
use crate::pair::{self, Facts, Namespace};
use crate::pair_guard::{PairGuard, facts};
use hostmigration::KIND;
use lagoon_task::cluster::Cluster;
use lagoon_task::output::Output;
use route_switch::journal::Holder;
use route_switch::side::Sides;
use route_switch::{self, Authority, Caller, LockError, Switch, SwitchError};

/// Carries out switches in this cluster.
pub struct RouteEngine {
    cluster: Cluster,
    namespace: String,
    any_type: bool,
}

impl RouteEngine {
    /// An engine with the controller's rights, whose journals lie in the controller's `namespace`. With `any_type` it also
    /// switches environments that are not the production environments of their project.
    #[must_use]
    pub fn new(cluster: &Cluster, namespace: &str, any_type: bool) -> Self {
        Self { cluster: cluster.clone(), namespace: namespace.to_owned(), any_type }
    }

    async fn try_to_switch(&self, request: &SwitchRequest) -> Result<SwitchedHosts, SwitchFailed> {
        let pair = self.pair(request).await?;
        let names = names(request);
        let authority = self.authority(&pair);
        let guard = [(names.standby.clone(), pair.standby), (names.active.clone(), pair.active)];
        let cluster = self.cluster.guarded(Arc::new(PairGuard::new(&self.cluster, guard)));
        let holder =
            Holder { kind: KIND.to_owned(), name: request.object_name.clone(), uid: request.object_uid.clone() };
        let listener = Listener(request.output.clone());
        let switch = Box::pin(Switch::take(&cluster, &listener, names, holder, authority)).await;
        let switch = switch.map_err(|error| failed(request, error))?;
        let switched = Self::carry_out(&switch, request).await;
        switch.release().await;
        switched.map_err(|error| failed(request, error))
    }

    async fn carry_out<'a>(switch: &'a Switch<'a>, request: &SwitchRequest) -> Result<SwitchedHosts, SwitchError> {
        let ready = Box::pin(switch.prepare()).await?;
        let carried = Box::pin(switch.carry_out(ready)).await?;
        let (to_standby, to_active) = (&carried.moved.to_standby, &carried.moved.to_active);
        let summary = format!(
            "moved {} to {}, {} to {}",
            counted(to_standby.len()),
            request.standby_namespace,
            counted(to_active.len()),
            request.active_namespace
        );
        Ok(SwitchedHosts { active_hosts: to_standby.join(","), standby_hosts: to_active.join(","), summary })
    }

    /// The two namespaces, if they are a pair of Lagoon's.
    async fn pair(&self, request: &SwitchRequest) -> Result<Sides<Facts>, SwitchFailed> {
        let (standby, active) = futures::try_join!(
            facts(&self.cluster, &request.standby_namespace),
            facts(&self.cluster, &request.active_namespace)
        )
        .map_err(|error| SwitchFailed::from(SwitchError::from(error)))?;
        let check = pair::check(
            Namespace { name: &request.standby_namespace, labels: standby.as_ref().map(|facts| &facts.labels) },
            Namespace { name: &request.active_namespace, labels: active.as_ref().map(|facts| &facts.labels) },
            self.any_type,
        );
        check.map_err(|no_pair| SwitchFailed::for_good(no_pair.to_string()))?;
        Ok(Sides { standby: standby.unwrap_or_default(), active: active.unwrap_or_default() })
    }

    fn authority(&self, pair: &Sides<Facts>) -> Authority {
        let uids = Sides { standby: pair.standby.uid.clone(), active: pair.active.uid.clone() };
        Authority::Controller { namespace: self.namespace.clone(), uids }
    }
}

/// No run waits for another one, whether that holds the lock or only a journal says so: who asked learns at once who is at
/// it. One that has moved routes must end.
fn failed(request: &SwitchRequest, error: SwitchError) -> SwitchFailed {
    let is_final = !request.is_begun && matches!(error, SwitchError::Lock(LockError::Held { .. }));
    let failed = SwitchFailed::from(error);
    SwitchFailed { try_again: failed.try_again && !is_final, ..failed }
}

fn names(request: &SwitchRequest) -> Sides<String> {
    Sides { standby: request.standby_namespace.clone(), active: request.active_namespace.clone() }
}

impl Engine for RouteEngine {
    async fn switch(&self, request: SwitchRequest) -> Result<SwitchedHosts, SwitchFailed> {
        self.try_to_switch(&request).await
    }

    async fn after_recorded(&self, request: &SwitchRequest) {
        if let Ok(pair) = self.pair(request).await {
            route_switch::note_reported(&self.cluster, &names(request), &self.authority(&pair)).await;
        }
    }
}

impl From<SwitchError> for SwitchFailed {
    fn from(error: SwitchError) -> Self {
        Self {
            try_again: error.may_pass(),
            hosts_offline: error.hosts_offline(),
            unreadable: error.unreadable_journal().cloned(),
            ..Self::for_good(error.to_string())
        }
    }
}

/// Hears how a switch goes. A switch that has begun is not asked to stop: it takes seconds.
struct Listener(Output);

impl Caller for Listener {
    fn say(&self, text: &str) {
        self.0.say(text);
    }

    fn step(&self, text: &str) {
        self.0.say(text);
    }

    fn is_stopping(&self) -> bool {
        false
    }
}

fn counted(routes: usize) -> String {
    if routes == 1 { "1 route".to_owned() } else { format!("{routes} routes") }
}
