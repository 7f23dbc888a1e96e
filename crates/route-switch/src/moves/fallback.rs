//! What can be done for the routes while the active side is closed.

use crate::moves::relocate::is_host_taken;
use crate::moves::{MoveError, Moves, Places};
use crate::side::Side;

impl Moves<'_> {
    /// Creates again on the standby side what is not there and may be offline, while the active side is closed: another
    /// switch's end has taken away the rights there. Answers with what failed.
    ///
    /// A route that may overlap is never offline, so it needs nothing. If one is live on the active side after all the
    /// cluster refuses it here, as its host is taken.
    pub(crate) async fn hold(&self, places: &Places) -> Vec<MoveError> {
        let mut errors = Vec::new();
        let total = self.book().routes.len();
        for number in 0..total {
            let Some(mut route) = self.traveller(number, places) else { continue };
            let is_offline = self.gaps.is_open(number) && !route.place.is_at(Side::Standby);
            if route.entry.home == Side::Standby && is_offline {
                let held = self.create(&mut route, Side::Standby).await;
                errors.extend(held.err().filter(|error| !is_host_taken(error)));
            }
        }
        errors
    }
}
