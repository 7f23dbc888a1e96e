//! The switch as Lagoon 2.17 and later ask for it: the task itself moves the routes, with the [switch engine](route_switch).

use serde::Serialize;

use crate::payload::{EnvironmentNames, as_kept_by_lagoon};
use crate::report::hand_over;
use lagoon_task::Failure;
use lagoon_task::context::Context;
use lagoon_task::environment::is_dns_label;
use lagoon_task::output::escape;
use lagoon_task::report::{self, ReportError};
use route_switch::journal::{Holder, Moved};
use route_switch::side::Sides;
use route_switch::{Authority, Caller, Carried, Ready, Switch, SwitchError};

/// What the payload asks for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The two environments.
    pub names: EnvironmentNames,
    /// Namespace of the standby environment, where the task runs.
    pub source_namespace: String,
    /// Namespace of the active environment.
    pub destination_namespace: String,
    /// Whether to show only what would be done.
    pub dry_run: bool,
}

/// Why a payload's names cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskedError {
    /// A namespace's name is none.
    #[error("{BEFORE} its `{0}` is not the name of a Kubernetes namespace. {AFTER}")]
    NotANamespace(&'static str),
    /// The task runs elsewhere.
    #[error(
        "{BEFORE} its `sourceNamespace` is not the namespace that the task runs in. A switch is started in the standby \
         environment. {AFTER}"
    )]
    NotHere,
    /// There is only one namespace.
    #[error("{BEFORE} its `sourceNamespace` and `destinationNamespace` are the same. {AFTER}")]
    SameNamespace,
    /// There is only one environment, or a name is missing.
    #[error("{BEFORE} its `productionEnvironment` and `standbyEnvironment` are not two different names. {AFTER}")]
    Environments,
}

const BEFORE: &str = "The task's payload does not fit this task:";
const AFTER: &str = "Nothing has changed.";

/// The result that Lagoon takes. In this way the task swaps the environments' names itself; the capital D is upstream's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DirectResult {
    status: &'static str,
    production_environment: String,
    standby_production_environment: String,
    production_routes: String,
    standby_routes: String,
    source_namespace: String,
    #[serde(rename = "DestinationNamespace")]
    destination_namespace: String,
}

impl Asked {
    /// Checks the names, for a task that runs in `namespace`.
    pub fn check(&self, namespace: &str) -> Result<(), AskedError> {
        for (field, name) in
            [("sourceNamespace", &self.source_namespace), ("destinationNamespace", &self.destination_namespace)]
        {
            if !is_dns_label(name) {
                return Err(AskedError::NotANamespace(field));
            }
        }
        if self.source_namespace == self.destination_namespace {
            return Err(AskedError::SameNamespace);
        }
        if self.source_namespace != namespace {
            return Err(AskedError::NotHere);
        }
        let EnvironmentNames { production, standby } = &self.names;
        if production == standby || production.trim().is_empty() || standby.trim().is_empty() {
            return Err(AskedError::Environments);
        }
        Ok(())
    }

    fn result(&self, moved: &Moved) -> DirectResult {
        DirectResult {
            status: "Completed",
            production_environment: as_kept_by_lagoon(&self.names.standby),
            standby_production_environment: as_kept_by_lagoon(&self.names.production),
            production_routes: moved.to_standby.join(","),
            standby_routes: moved.to_active.join(","),
            source_namespace: self.source_namespace.clone(),
            destination_namespace: self.destination_namespace.clone(),
        }
    }
}

/// Shows the user of the task how the switch goes.
struct TaskLog<'a>(&'a Context);

impl Caller for TaskLog<'_> {
    fn say(&self, text: &str) {
        self.0.say(text);
    }

    fn step(&self, text: &str) {
        self.0.step(text);
    }

    fn is_stopping(&self) -> bool {
        self.0.is_stopping()
    }
}

/// Carries out the switch and reports the result.
pub async fn switch(task: &Context, asked: &Asked) -> Result<String, Failure> {
    asked.check(&task.environment.namespace)?;
    let names = Sides { standby: asked.source_namespace.clone(), active: asked.destination_namespace.clone() };
    let pod = task.environment.pod_name.clone();
    let holder = Holder { kind: "Pod".to_owned(), name: pod, uid: String::new() };
    let log = TaskLog(task);
    let cluster = task.cluster()?;
    let (standby, production) = (escape(&asked.names.standby), escape(&asked.names.production));
    task.say(format!("Switching: environment \"{standby}\" is to become active, \"{production}\" standby."));
    let take = async {
        if asked.dry_run {
            Ok(Switch::look_only(cluster, &log, names, holder))
        } else {
            Switch::take(cluster, &log, names, holder, Authority::Deployer).await
        }
    };
    let switch = tokio::select! {
        switch = take => switch?,
        // A Lease that was taken meanwhile is left: the next run sees that this pod has ended.
        () = task.stopping() => return Err(SwitchError::Stopped.into()),
    };
    let outcome = prepare_and_carry_out(task, asked, &switch).await;
    switch.release().await;
    outcome
}

async fn prepare_and_carry_out<'a>(task: &Context, asked: &Asked, switch: &'a Switch<'a>) -> Result<String, Failure> {
    let ready = tokio::select! {
        ready = switch.prepare() => ready?,
        () = task.stopping() => return Err(SwitchError::Stopped.into()),
    };
    fits(&asked.result(&switch.would_move(&ready)))?;
    if asked.dry_run {
        return Ok(show(task, switch, &ready));
    }
    if matches!(ready, Ready::Nothing(_)) {
        task.say("Neither environment has a route, so none moves.");
    }
    let carried = switch.carry_out(ready).await?;
    let last_sentence = report(task, asked, &carried).await?;
    switch.reported(carried).await;
    Ok(last_sentence)
}

/// Whether Lagoon can take the result is found out before anything moves.
fn fits(result: &DirectResult) -> Result<(), Failure> {
    match report::encode(result) {
        Err(error @ ReportError::TooLarge { .. }) => Err(Failure::new(format!("{error} {AFTER}"))),
        _ => Ok(()),
    }
}

/// A dry run: shows the plan and changes nothing.
fn show(task: &Context, switch: &Switch<'_>, ready: &Ready<'_>) -> String {
    let outlook = match ready {
        Ready::Nothing(_) => "neither environment has a route, so none would move",
        Ready::Done(_) => "the switch is done already; a run would move nothing and report the result again",
        Ready::Planned(planned) if planned.is_begun() => "an interrupted switch would be continued",
        Ready::Planned(_) => "the switch can be carried out",
    };
    task.say(switch.table(ready));
    switch.say_notes(ready);
    format!("Dry run: {outlook}. {AFTER}")
}

/// Lagoon must hear of the switch before the task may succeed.
async fn report(task: &Context, asked: &Asked, carried: &Carried<'_>) -> Result<String, Failure> {
    let result = asked.result(&carried.moved);
    task.say(summary(asked, carried));
    hand_over(task, &result).await?;
    let again = if carried.is_repeated {
        " An earlier run had moved the routes already; this one has only reported the result again."
    } else {
        ""
    };
    Ok(format!("The switch is done. Environment \"{}\" is active now.{again}", escape(&asked.names.standby)))
}

/// Which hosts point where now.
fn summary(asked: &Asked, carried: &Carried<'_>) -> String {
    let listed = |routes: &[String]| {
        if routes.is_empty() { "none".to_owned() } else { escape(&routes.join(", ")) }
    };
    format!(
        "These routes point to environment \"{}\" (namespace {}) now: {}.\nThese routes point to environment \"{}\" \
         (namespace {}) now: {}.",
        escape(&asked.names.standby),
        asked.source_namespace,
        listed(&carried.moved.to_standby),
        escape(&asked.names.production),
        asked.destination_namespace,
        listed(&carried.moved.to_active),
    )
}

#[cfg(test)]
mod tests;
