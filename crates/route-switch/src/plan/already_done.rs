//! Tells a switch that is done, and that Lagoon has not recorded, from one that is yet to be done. Both are asked for in
//! the same words. Plain functions on plain data.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::journal::Head;
use crate::plan::observed::Observed;
use crate::route::Route;
use crate::side::Side;

/// Digits of a moment in an id: enough milliseconds until the year 5188.
const DIGITS: usize = 9;

/// A new switch's id: it begins with the moment, so that the ids of later switches come later, and ends by chance.
#[must_use]
pub(crate) fn new_switch_id() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let chance: String = std::iter::repeat_with(|| fastrand::digit(36)).take(5).collect();
    format!("{}-{chance}", moment(now))
}

/// Milliseconds in base 36.
fn moment(mut milliseconds: u128) -> String {
    let mut digits = [b'0'; DIGITS];
    for digit in digits.iter_mut().rev() {
        // A remainder by 36 fits.
        let value = u32::try_from(milliseconds % 36).unwrap_or_default();
        *digit = char::from_digit(value, 36).map_or(b'0', |digit| digit as u8);
        milliseconds /= 36;
    }
    String::from_utf8_lossy(&digits).into_owned()
}

/// Whether the routes are where the switch of this journal has put them.
///
/// A switch back, or any later one, would have left its own id on every route that it moved. So a route that still
/// carries this one's, and none that carries a later one's, means that Lagoon never took notice: it would have asked for
/// the switch back first. Another program, such as upstream's image, leaves the id on what it moves back; then the
/// routes' URLs are on the wrong sides.
#[must_use]
pub(crate) fn is_in_place(observed: &Observed, head: &Head) -> bool {
    let movers =
        || Side::BOTH.into_iter().flat_map(|side| observed.sides.of(side).movers().map(move |one| (side, one)));
    let ids: Vec<&str> = movers().filter_map(|(_, route)| route.switch()).collect();
    let switch = head.switch_id.as_str();
    ids.contains(&switch)
        && ids.iter().all(|id| *id <= switch)
        && !movers().any(|(side, route)| route.switch() == Some(switch) && is_misplaced(route, side, head))
}

/// Whether the journal says of a URL of the route that it has moved to the other side.
fn is_misplaced(route: &Route, side: Side, head: &Head) -> bool {
    let Some(moved) = &head.routes else { return false };
    let (here, there) = match side {
        Side::Standby => (&moved.to_standby, &moved.to_active),
        Side::Active => (&moved.to_active, &moved.to_standby),
    };
    route.references.urls.iter().any(|url| there.contains(url) && !here.contains(url))
}

#[cfg(test)]
mod tests;
