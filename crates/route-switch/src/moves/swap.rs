//! Routes whose names are taken on the other side by routes that come the other way: they change places step by step.
//!
//! Wherever hosts may overlap no route is ever offline: the standby environment's routes have stand-ins under other
//! names on the active side, and these serve until the names are free. Secrets of a name that goes both ways change
//! places in the same steps, by way of a copy under another name, so that each route serves its own certificate at
//! every moment. The way back is the same way with the sides exchanged; the stand-ins stay where they are.

use crate::cluster::ensure;
use crate::journal::CertificateEntry;
use crate::moves::relocate::is_host_taken;
use crate::moves::{Goal, MoveError, Moves, Traveller};
use crate::plan::groups::Component;
use crate::plan::manifest::{stand_in, stand_in_name};
use crate::side::Side;
use lagoon_task::cluster::{Deleted, Metadata};

impl Moves<'_> {
    /// Has all routes of the component where `goal` wants them.
    pub(crate) async fn exchange(
        &self,
        goal: Goal,
        part: &Component,
        routes: &mut [Traveller],
    ) -> Result<(), MoveError> {
        let second = goal.side(Side::Standby);
        let first = second.other();
        let is_done = routes.iter().all(|route| {
            let side = goal.side(route.entry.home);
            route.place.is_at(side) && !route.place.is_at(side.other())
        });
        if !is_done {
            let has_gaps = of(routes, Side::Standby).any(|route| !route.entry.may_overlap);
            for secret in &part.exchanged_secrets {
                self.park(secret, Side::Active).await?;
                if has_gaps {
                    // For what stands in at home, should the rights on the active side vanish.
                    self.park(secret, Side::Standby).await?;
                }
            }
            for route in of(routes, Side::Standby).filter(|route| route.entry.may_overlap) {
                self.stand_in(goal, route, &part.exchanged_secrets).await?;
            }
            for route in of(routes, Side::Standby) {
                self.leave(route, first).await?;
            }
            self.certificates_leave(part, Side::Standby, first).await?;
            for secret in &part.exchanged_secrets {
                self.take_place(secret, Side::Active, first).await?;
            }
            self.certificates_come(part, Side::Active, first).await?;
            for route in of(routes, Side::Active) {
                if self.relocate(route, first).await? == Deleted::Terminating {
                    ensure::until_gone(&self.objects(&route.entry.kind, second)?, &route.entry.name).await?;
                }
            }
            self.certificates_leave(part, Side::Active, second).await?;
            for secret in &part.exchanged_secrets {
                self.take_place(secret, Side::Standby, second).await?;
            }
            self.certificates_come(part, Side::Standby, second).await?;
            for route in of(routes, Side::Standby) {
                // What stands in serves until the name is free.
                self.until_name_is_free(route, second).await?;
                if !route.place.is_at(second) {
                    self.stand_in_leaves(route, Side::Standby).await?;
                    self.create_and_see_accepted(route, second).await?;
                }
            }
        }
        for route in of(routes, Side::Standby) {
            if goal == Goal::Switched && route.place.stood_in_at(Side::Active) {
                // An earlier run may have created it and not have seen it accepted.
                self.until_accepted(&route.entry, second, &route.entry.name).await?;
            }
            for side in Side::BOTH {
                self.stand_in_leaves(route, side).await?;
            }
        }
        Ok(())
    }

    /// Puts up what serves in the route's place on the active side, unless the route itself is settled.
    async fn stand_in(&self, goal: Goal, route: &mut Traveller, exchanged: &[String]) -> Result<(), MoveError> {
        let name = stand_in_name(&self.switch, &route.entry.kind, &route.entry.name);
        if route.place.stood_in_at(Side::Active) {
            // An earlier run may not have seen it accepted. On the way back it is there to serve as well as it can.
            return match goal {
                Goal::Switched => self.until_accepted(&route.entry, Side::Active, &name).await,
                Goal::AsBefore => Ok(()),
            };
        }
        match self.put_up_stand_in(route, Side::Active, exchanged).await {
            Ok(created) => route.place.stand_ins.active = Some(created),
            // The cluster has changed its mind since it was asked: then there is a gap.
            Err(error) if is_host_taken(&error) => return Ok(()),
            Err(error) => return Err(error),
        }
        self.until_accepted(&route.entry, Side::Active, &name).await
    }

    /// Creates what stands in for the route on a side. It serves the exchanged Secrets from where they are put aside.
    pub(crate) async fn put_up_stand_in(
        &self,
        route: &Traveller,
        side: Side,
        exchanged: &[String],
    ) -> Result<Metadata, MoveError> {
        let entry = &route.entry;
        let name = stand_in_name(&self.switch, &entry.kind, &entry.name);
        let secrets = self.names_aside(exchanged);
        let object = stand_in(&entry.object(), self.names().of(side), &name, &self.switch, &secrets);
        let objects = self.objects(&entry.kind, side)?;
        Ok(ensure::create(&objects, &object, &ensure::made_by(&self.switch)).await?)
    }

    async fn stand_in_leaves(&self, route: &mut Traveller, side: Side) -> Result<(), MoveError> {
        let Some(seen) = route.place.stand_ins.of(side) else { return Ok(()) };
        let objects = self.objects(&route.entry.kind, side)?;
        // Whoever has written its status meanwhile does not matter.
        let seen = Metadata { resource_version: String::new(), ..seen.clone() };
        ensure::delete(&objects, &seen).await?;
        *route.place.stand_ins.of_mut(side) = None;
        Ok(())
    }

    /// Deletes the route from a side, and waits until its name is free.
    async fn leave(&self, route: &mut Traveller, side: Side) -> Result<(), MoveError> {
        if route.place.holds_name_at(side) && self.delete(route, side).await? == Deleted::Terminating {
            ensure::until_gone(&self.objects(&route.entry.kind, side)?, &route.entry.name).await?;
        }
        Ok(())
    }

    async fn certificates_leave(&self, part: &Component, home: Side, side: Side) -> Result<(), MoveError> {
        for certificate in self.exchanged_certificates(part, home) {
            self.delete_certificate(&certificate, side).await?;
        }
        Ok(())
    }

    async fn certificates_come(&self, part: &Component, home: Side, side: Side) -> Result<(), MoveError> {
        for certificate in self.exchanged_certificates(part, home) {
            // One that a route owns comes back with it: cert-manager makes it.
            if certificate.copied {
                self.create_certificate(&certificate, side).await?;
            }
        }
        Ok(())
    }

    fn exchanged_certificates(&self, part: &Component, home: Side) -> Vec<CertificateEntry> {
        let book = self.book();
        let all = part.exchanged_certificates.iter().map(|place| &book.certificates[*place]);
        all.filter(|certificate| certificate.home == home).cloned().collect()
    }
}

fn of(routes: &mut [Traveller], home: Side) -> impl Iterator<Item = &mut Traveller> {
    routes.iter_mut().filter(move |route| route.entry.home == home)
}
