//! The switch engine, as the controller asks for it.

use std::collections::BTreeMap;

use kube::Api;

use crate::engine::{Engine, SwitchFailed, SwitchRequest, SwitchedHosts};
use crate::pair::{self, Namespace};
use hostmigration::KIND;
use lagoon_task::cluster::{Cluster, ClusterError, ObjectName};
use lagoon_task::output::Output;
use route_switch::journal::Holder;
use route_switch::side::Sides;
use route_switch::{self, Caller, LockError, Switch, SwitchError};

/// Carries out switches in this cluster.
pub struct RouteEngine {
    cluster: Cluster,
    any_type: bool,
}

impl RouteEngine {
    /// An engine with the controller's rights. With `any_type` it also switches environments that are not the production
    /// environments of their project.
    #[must_use]
    pub fn new(cluster: &Cluster, any_type: bool) -> Self {
        Self { cluster: cluster.clone(), any_type }
    }

    async fn try_to_switch(&self, request: &SwitchRequest) -> Result<SwitchedHosts, SwitchFailed> {
        self.is_a_pair(request).await?;
        let names = Sides { standby: request.standby_namespace.clone(), active: request.active_namespace.clone() };
        let holder =
            Holder { kind: KIND.to_owned(), name: request.object_name.clone(), uid: request.object_uid.clone() };
        let listener = Listener(request.output.clone());
        let switch = Box::pin(Switch::take(&self.cluster, &listener, names, holder)).await;
        let switch = switch.map_err(|error| {
            // No run waits for another one: who asked learns at once who is at it. One that has moved routes must end.
            let is_final = !request.is_begun && matches!(error, SwitchError::Lock(LockError::Held { .. }));
            let failed = SwitchFailed::from(error);
            SwitchFailed { try_again: failed.try_again && !is_final, ..failed }
        })?;
        let switched = Self::carry_out(&switch, request).await;
        switch.release().await;
        Ok(switched?)
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

    /// Refuses two namespaces that are no pair of Lagoon's.
    async fn is_a_pair(&self, request: &SwitchRequest) -> Result<(), SwitchFailed> {
        let (standby, active) =
            futures::try_join!(self.labels(&request.standby_namespace), self.labels(&request.active_namespace))?;
        let standby = Namespace { name: &request.standby_namespace, labels: standby.as_ref() };
        let active = Namespace { name: &request.active_namespace, labels: active.as_ref() };
        pair::check(standby, active, self.any_type)
            .map_err(|no_pair| SwitchFailed { sentence: no_pair.to_string(), try_again: false })
    }

    /// The namespace's labels; `None` where there is no such namespace.
    async fn labels(&self, namespace: &str) -> Result<Option<BTreeMap<String, String>>, SwitchFailed> {
        let api: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(self.cluster.client());
        let error = |cause| ClusterError::Read { object: ObjectName::new("Namespace", "", namespace), cause };
        let found = self.cluster.call(error, api.get_metadata_opt(namespace)).await;
        let found = found.map_err(|error| SwitchFailed::from(SwitchError::from(error)))?;
        Ok(found.map(|found| found.metadata.labels.unwrap_or_default()))
    }
}

impl Engine for RouteEngine {
    async fn switch(&self, request: SwitchRequest) -> Result<SwitchedHosts, SwitchFailed> {
        self.try_to_switch(&request).await
    }

    async fn after_recorded(&self, request: &SwitchRequest) {
        route_switch::note_reported(&self.cluster, &request.standby_namespace).await;
    }
}

impl From<SwitchError> for SwitchFailed {
    fn from(error: SwitchError) -> Self {
        Self { sentence: error.to_string(), try_again: error.may_pass() }
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
