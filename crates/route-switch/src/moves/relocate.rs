//! Brings one route from one side to the other, in the order that leaves it live where that is possible.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::cluster::ensure::{self, SureError};
use crate::cluster::owners;
use crate::cluster::probe::host_is_taken;
use crate::journal::{RouteEntry, SecretEntry, SecretWay};
use crate::moves::late_webhook::denied;
use crate::moves::{MoveError, Moves, Traveller, belongs};
use crate::mutants::{Mutant, is_planted};
use crate::plan::manifest::{self, with_metadata};
use crate::route::{Acceptance, kind_named};
use crate::side::Side;
use lagoon_task::cluster::{Cause, Deleted, Metadata};
use lagoon_task::output::escape;

/// How long the controller that had accepted a route has to accept it on the other side.
const ACCEPTED_WITHIN: Duration = Duration::from_secs(30);

/// A route that somebody keeps changing is tried this often.
const ATTEMPTS: u32 = 5;

impl Moves<'_> {
    /// Has the route on the side `to`, and no longer on the other one, but for what its controller keeps there for a
    /// while.
    pub(crate) async fn relocate(&self, route: &mut Traveller, to: Side) -> Result<Deleted, MoveError> {
        let from = to.other();
        // Before anything else: until this one has gone the other one may be the only one that serves.
        self.until_name_is_free(route, to).await?;
        if !route.place.is_at(to) {
            let only_in_the_book = !route.place.holds_name_at(from);
            if only_in_the_book || route.entry.may_overlap {
                match self.create_and_see_accepted(route, to).await {
                    // The cluster has changed its mind since it was asked.
                    Err(error) if is_host_taken(&error) && !only_in_the_book => {
                        self.delete_then_create(route, to).await?;
                    }
                    other => other?,
                }
            } else {
                self.delete_then_create(route, to).await?;
            }
        } else if route.place.is_at(from) && to != route.entry.home {
            // An earlier run has created it, and may neither have seen it accepted nor known what has changed since.
            self.catch_up(route, to).await?;
            self.accepted_or_taken_back(route, to).await?;
        }
        if route.place.holds_name_at(from) { self.delete(route, from).await } else { Ok(Deleted::Gone) }
    }

    /// Waits until the route has gone from a side that it is being deleted from.
    pub(crate) async fn until_name_is_free(&self, route: &mut Traveller, side: Side) -> Result<(), MoveError> {
        if route.place.is_going_from(side) {
            ensure::until_gone(&self.objects(&route.entry.kind, side)?, &route.entry.name).await?;
            *route.place.at.of_mut(side) = None;
        }
        Ok(())
    }

    pub(crate) async fn create_and_see_accepted(&self, route: &mut Traveller, to: Side) -> Result<(), MoveError> {
        self.create_past_webhook(route, to).await?;
        self.accepted_or_taken_back(route, to).await
    }

    /// The host is taken as long as the old route is there: what comes between is a gap of two requests, longer where a
    /// webhook notices the delete late. A refusal then puts the route back where it was.
    pub(crate) async fn delete_then_create(&self, route: &mut Traveller, to: Side) -> Result<(), MoveError> {
        let from = to.other();
        // Routes that were to overlap come here too when the cluster has changed its mind.
        let _gap = self.open_gap(route.number).await?;
        if self.delete(route, from).await? == Deleted::Terminating {
            ensure::until_gone(&self.objects(&route.entry.kind, from)?, &route.entry.name).await?;
        }
        let Err(refused) = self.create_and_see_accepted(route, to).await else { return Ok(()) };
        match self.create_past_webhook(route, from).await {
            Ok(()) => Err(refused),
            Err(back) => Err(MoveError::Offline {
                route: route.entry.in_words(),
                to: self.names().of(to).clone(),
                refused: Box::new(refused),
                back: Box::new(back),
            }),
        }
    }

    pub(crate) async fn create(&self, route: &mut Traveller, side: Side) -> Result<(), MoveError> {
        if route.entry.is_unproven && side == route.entry.home {
            return Err(MoveError::Unproven {
                route: route.entry.in_words(),
                namespace: self.names().of(side).clone(),
            });
        }
        let objects = self.objects(&route.entry.kind, side)?;
        let mut object = self.object_for(&route.entry, side);
        let home = route.entry.home;
        if side == home {
            let (kinds, original) = (self.authority.owner_kinds(), route.entry.object());
            object = owners::restore(self.looking.cluster, kinds, objects.namespace(), &original, object).await;
        }
        let ours = |existing: &Value| belongs(&Metadata::of(existing), home, side, &self.switch);
        let created = ensure::create(&objects, &object, &ours).await?;
        *route.place.at.of_mut(side) = Some(created);
        Ok(())
    }

    /// The route as it is to be on this side.
    fn object_for(&self, route: &RouteEntry, side: Side) -> Value {
        let (home, there) = (self.names().of(route.home), self.names().of(side));
        if side == route.home {
            manifest::at_home(&route.object(), home)
        } else {
            manifest::moved(route, home, there, &self.switch)
        }
    }

    /// Deletes the route from a side, if it still is what the book says: if not, the book is written anew first.
    pub(crate) async fn delete(&self, route: &mut Traveller, side: Side) -> Result<Deleted, MoveError> {
        if route.place.is_going_from(side) {
            *route.place.at.of_mut(side) = None;
            return Ok(Deleted::Terminating);
        }
        let objects = self.objects(&route.entry.kind, side)?;
        let mut attempt = 1;
        loop {
            if !self.is_written_down(route, side).await? {
                *route.place.at.of_mut(side) = None;
                return Ok(Deleted::Gone);
            }
            let Some(mut seen) = route.place.at.of(side).clone() else { return Ok(Deleted::Gone) };
            if is_planted(Mutant::ChangedRouteDeleted) {
                seen.resource_version.clear();
            }
            match ensure::delete(&objects, &seen).await {
                Ok(deleted) => {
                    *route.place.at.of_mut(side) = None;
                    return Ok(deleted);
                }
                Err(SureError::Changed { .. }) if attempt < ATTEMPTS => {
                    *route.place.at.of_mut(side) = objects.get_metadata(&seen.name).await?;
                }
                Err(error) => return Err(error.into()),
            }
            attempt += 1;
        }
    }

    /// Makes sure that the route on this side is in the book as it is now. Answers whether it is there at all.
    async fn is_written_down(&self, route: &mut Traveller, side: Side) -> Result<bool, MoveError> {
        let Some(seen) = route.place.at.of(side) else { return Ok(false) };
        let known = seen.uid == route.entry.uid && seen.resource_version == route.entry.resource_version;
        if known || side != route.entry.home {
            return Ok(true);
        }
        let objects = self.objects(&route.entry.kind, side)?;
        let Some(now) = objects.get(&route.entry.name).await? else { return Ok(false) };
        let seen = Metadata::of(&now);
        route.entry.uid.clone_from(&seen.uid);
        route.entry.resource_version.clone_from(&seen.resource_version);
        *route.place.at.of_mut(side) = Some(seen);
        // Controllers write a route's status all the time; that is no change.
        if !manifest::say_the_same(&now, &route.entry.object()) {
            if let Ok(manifest) = RawValue::from_string(now.to_string()) {
                route.entry.manifest = manifest;
            }
            self.follow_references(route, &now).await?;
            // In this order: once it is written down no later run looks whether the copy says it too.
            self.bring_up_to_date(route, side.other()).await?;
            self.amend(route).await?;
        }
        Ok(true)
    }

    /// Brings along the Secrets that a changed route names now and did not name before, and takes down its new hosts.
    async fn follow_references(&self, route: &mut Traveller, now: &Value) -> Result<(), MoveError> {
        let Some(kind) = kind_named(&route.entry.kind) else { return Ok(()) };
        let home = route.entry.home;
        let references = kind.references(now, self.names().of(home));
        let known = self.companions().0;
        let is_new = |name: &&String| !known.iter().any(|entry| entry.home == home && entry.name == **name);
        for name in references.certificates().filter(is_new) {
            let entry = SecretEntry { home, name: name.clone(), way: SecretWay::Copy };
            self.copy_to_the_other_side(&entry).await?;
            self.book().secrets.push(entry);
        }
        route.entry.secrets = references.certificates().cloned().collect();
        route.entry.urls = references.urls;
        Ok(())
    }

    /// Has the copy of an earlier run say what the book says, if it does not.
    async fn catch_up(&self, route: &mut Traveller, side: Side) -> Result<(), MoveError> {
        let copy = self.objects(&route.entry.kind, side)?.get(&route.entry.name).await?.unwrap_or_default();
        if manifest::say_the_same(&copy, &self.object_for(&route.entry, side)) {
            return Ok(());
        }
        self.bring_up_to_date(route, side).await
    }

    /// Has the copy on this side, if there is one already, say what the book now says.
    async fn bring_up_to_date(&self, route: &mut Traveller, side: Side) -> Result<(), MoveError> {
        let Some(copy) = route.place.at.of(side).clone() else { return Ok(()) };
        let objects = self.objects(&route.entry.kind, side)?;
        let object =
            |version: String| with_metadata(self.object_for(&route.entry, side), "resourceVersion", version.into());
        let replaced = match objects.replace(&object(copy.resource_version.clone())).await {
            // Its status was written meanwhile, or the answer to this very request was lost.
            Err(error) if *error.cause() == Cause::Conflict => {
                let now = objects.get_metadata(&copy.name).await?.unwrap_or_default();
                objects.replace(&object(now.resource_version)).await?
            }
            other => other?,
        };
        *route.place.at.of_mut(side) = Some(Metadata::of(&replaced));
        Ok(())
    }

    /// Waits until each controller that had accepted the route has accepted it here too. If one refuses, the route is
    /// taken away from here again.
    async fn accepted_or_taken_back(&self, route: &mut Traveller, side: Side) -> Result<(), MoveError> {
        let name = route.entry.name.clone();
        let accepted = self.until_accepted(&route.entry, side, &name).await;
        if accepted.is_err() {
            self.delete(route, side).await?;
        }
        accepted
    }

    /// Waits until each controller that had accepted the route has accepted the one of this name on this side.
    async fn until_accepted(&self, route: &RouteEntry, side: Side, name: &str) -> Result<(), MoveError> {
        let is_awaited = !route.acceptances.is_empty() && !is_planted(Mutant::AcceptanceNotAwaited);
        let Some(kind) = kind_named(&route.kind).filter(|_| is_awaited) else { return Ok(()) };
        let objects = self.objects(&route.kind, side)?;
        let last = Mutex::new(Verdict::Waiting);
        let decided = |object: Option<&Value>| {
            let verdict = object.map_or(Verdict::Refused("it was deleted".to_owned()), |object| {
                verdict(&route.acceptances, &kind.acceptances(object))
            });
            let is_decided = verdict != Verdict::Waiting;
            *last.lock().unwrap_or_else(PoisonError::into_inner) = verdict;
            is_decided
        };
        objects.until(name, ACCEPTED_WITHIN, &decided).await?;
        let reason = match last.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Verdict::Accepted => return Ok(()),
            Verdict::Refused(reason) => reason,
            Verdict::Waiting => format!("its controller did not answer within {} s", ACCEPTED_WITHIN.as_secs()),
        };
        let (route, namespace) = (route.in_words(), self.names().of(side).clone());
        Err(MoveError::NotAccepted { route, namespace, reason: escape(&reason) })
    }
}

/// What the controllers say to the route on its new side.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Waiting,
    Accepted,
    Refused(String),
}

/// Every controller that had accepted the old route has to accept the new one.
fn verdict(wanted: &[Acceptance], found: &[Acceptance]) -> Verdict {
    let answers = wanted.iter().map(|wanted| {
        // A parent in the route's old namespace may be named by its namespace, and then stays the one there.
        let is_same = |found: &&Acceptance| {
            (&found.controller, &found.condition) == (&wanted.controller, &wanted.condition)
                && (found.parent == wanted.parent
                    || wanted.parent.starts_with('/') && found.parent.ends_with(&wanted.parent))
        };
        found.iter().find(is_same)
    });
    let mut verdict = Verdict::Accepted;
    for answer in answers {
        match answer.and_then(|answer| answer.accepted.map(|accepted| (accepted, &answer.reason))) {
            Some((true, _)) => {}
            Some((false, reason)) => return Verdict::Refused(reason.clone()),
            None => verdict = Verdict::Waiting,
        }
    }
    verdict
}

pub(crate) fn is_host_taken(error: &MoveError) -> bool {
    denied(error).is_some_and(host_is_taken)
}

#[cfg(test)]
mod tests;
