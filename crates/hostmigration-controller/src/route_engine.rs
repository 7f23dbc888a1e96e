//! The switch engine, as the controller asks for it.

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;

use crate::engine::{Engine, SwitchFailed, SwitchRequest, SwitchedHosts};
use hostmigration::KIND;
use lagoon_task::cluster::{Cluster, ClusterError, ObjectName};
use lagoon_task::output::{Output, escape};
use route_switch::journal::Holder;
use route_switch::side::Sides;
use route_switch::{self, Caller, LockError, Switch, SwitchError};

/// Lagoon's label on the namespaces of a project's environments.
const PROJECT: &str = "lagoon.sh/project";

/// Carries out switches in this cluster.
pub struct RouteEngine {
    cluster: Cluster,
}

impl RouteEngine {
    /// An engine with the controller's rights.
    #[must_use]
    pub fn new(cluster: &Cluster) -> Self {
        Self { cluster: cluster.clone() }
    }

    async fn try_to_switch(&self, request: &SwitchRequest) -> Result<SwitchedHosts, SwitchFailed> {
        self.same_project(request).await?;
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

    /// The controller's rights reach every namespace, those of who creates an object reach one. So the other namespace
    /// must belong to the same project, as Lagoon labels it.
    async fn same_project(&self, request: &SwitchRequest) -> Result<(), SwitchFailed> {
        let standby = self.project(&request.standby_namespace).await?;
        let active = self.project(&request.active_namespace).await?;
        match (standby.flatten(), active) {
            // That it is missing is for the engine to say.
            (_, None) => Ok(()),
            // Two namespaces without a project are not of the same one.
            (Some(standby), Some(Some(active))) if standby == active => Ok(()),
            _ => Err(SwitchFailed {
                sentence: format!(
                    "Namespace \"{}\" does not belong to the same Lagoon project as namespace \"{}\" (label {PROJECT}), so \
                     their routes are not switched. Nothing has changed.",
                    escape(&request.active_namespace),
                    escape(&request.standby_namespace)
                ),
                try_again: false,
            }),
        }
    }

    /// The namespace's project, which may be none; `None` where there is no such namespace.
    async fn project(&self, namespace: &str) -> Result<Option<Option<String>>, SwitchFailed> {
        let api: Api<Namespace> = Api::all(self.cluster.client());
        let error = |cause| ClusterError::Read { object: ObjectName::new("Namespace", "", namespace), cause };
        let found = self.cluster.call(error, api.get_metadata_opt(namespace)).await;
        let found = found.map_err(|error| SwitchFailed::from(SwitchError::from(error)))?;
        Ok(found.map(|found| found.metadata.labels.unwrap_or_default().remove(PROJECT)))
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
