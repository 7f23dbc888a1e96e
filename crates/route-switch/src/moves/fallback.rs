//! What can be done for the routes while the active side is closed: another switch's end has taken away the rights there.
//!
//! A route that may overlap is never offline, so it needs nothing. One whose host is taken as long as it is anywhere else
//! may have left the standby side already: it is put back there, and where its name is taken by then something stands in
//! for it. If it is live on the active side after all the cluster refuses both, as its host is taken.

use crate::moves::relocate::is_host_taken;
use crate::moves::{MoveError, Moves, Places, Traveller};
use crate::plan::groups::{Component, components};
use crate::side::Side;

impl Moves<'_> {
    /// Puts back on the standby side what is not there and may be offline. Answers with what failed.
    pub(crate) async fn hold(&self, places: &Places) -> Vec<MoveError> {
        let parts = components(&self.book());
        let mut errors = Vec::new();
        for part in &parts {
            for number in &part.routes {
                let mut route = self.traveller(*number, places);
                let place = &route.place;
                let is_held = place.is_at(Side::Standby) || place.stood_in_at(Side::Standby);
                if route.entry.home == Side::Active || route.entry.may_overlap || is_held {
                    continue;
                }
                match self.hold_route(part, &mut route).await {
                    Ok(()) => {}
                    Err(error) if is_host_taken(&error) => {}
                    Err(error) => errors.push(error),
                }
            }
        }
        errors
    }

    async fn hold_route(&self, part: &Component, route: &mut Traveller) -> Result<(), MoveError> {
        if !part.is_exchange() {
            return self.create(route, Side::Standby).await;
        }
        // Under its own name the Secret may be the active environment's by now, or may become it when the switch goes on.
        for secret in &part.exchanged_secrets {
            self.park(secret, Side::Standby).await?;
        }
        let stand_in = self.put_up_stand_in(route, Side::Standby, &part.exchanged_secrets).await?;
        self.caller.say(&format!(
            "{} is served by \"{}\" in namespace \"{}\" until the switch goes on.",
            route.entry.in_words(),
            stand_in.name,
            self.names().of(Side::Standby)
        ));
        Ok(())
    }
}
