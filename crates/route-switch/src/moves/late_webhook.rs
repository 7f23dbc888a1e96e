//! Creating a route that is nowhere, past an admission webhook that still knows the deleted one.
//!
//! ingress-nginx's webhook refuses a host that another Ingress has as its informer's cache knows it, which is milliseconds
//! to a second behind the API server. So a refusal right after an own delete says nothing yet.

use std::time::Duration;

use tokio::time::Instant;

use crate::cluster::ensure::SureError;
use crate::cluster::probe::{holder, host_is_taken};
use crate::moves::{MoveError, Moves, Traveller};
use crate::side::Side;
use lagoon_task::Backoff;
use lagoon_task::cluster::Cause;

/// How long a webhook may go on naming the deleted route before its refusal counts.
const NOTICES_WITHIN: Duration = Duration::from_secs(30);

/// How long a refusal in words that name no route may be one of the deleted route. The route is offline meanwhile.
const SHORTLY: Duration = Duration::from_secs(1);

/// After this long the log says what is waited for.
const SAY_AFTER: Duration = Duration::from_secs(1);

/// The pauses between two attempts.
const ATTEMPTS: Backoff = Backoff::new(Duration::from_millis(5), Duration::from_millis(250));

/// The same for as long as a webhook may go on naming the deleted route.
pub(crate) const NOTICES: Backoff = ATTEMPTS.deadline(NOTICES_WITHIN);

impl Moves<'_> {
    /// Creates the route on this side. One that is on neither side is created again and again while it is refused because
    /// of itself on the other side.
    pub(crate) async fn create_past_webhook(&self, route: &mut Traveller, side: Side) -> Result<(), MoveError> {
        if route.place.holds_name_at(side.other()) {
            return self.create(route, side).await;
        }
        let old = self.names().of(side.other());
        let started = Instant::now();
        let (mut pauses, mut is_said) = (ATTEMPTS.start(), false);
        loop {
            let Err(error) = self.create(route, side).await else { return Ok(()) };
            let patience = denied(&error).map_or(Duration::ZERO, |words| patience(words, old, &route.entry.name));
            if started.elapsed() >= patience {
                return Err(error);
            }
            if started.elapsed() >= SAY_AFTER && !is_said {
                is_said = true;
                self.caller.step(&format!(
                    "Waiting until the cluster's admission webhook notices that {} is deleted in namespace \"{old}\".",
                    route.entry.in_words()
                ));
            }
            pauses.pause().await;
        }
    }
}

/// The words of a webhook or a policy that refused.
pub(crate) fn denied(error: &MoveError) -> Option<&str> {
    match error {
        MoveError::Sure(SureError::Cluster(error)) => match error.cause() {
            Cause::Denied(words) => Some(words),
            _ => None,
        },
        _ => None,
    }
}

/// How long after the delete of the route `name` in namespace `old` a refusal in these words may still be due to it.
fn patience(words: &str, old: &str, name: &str) -> Duration {
    match holder(words) {
        Some(holder) if holder == (old, name) => NOTICES_WITHIN,
        // Another route has the host: that does not pass.
        Some(_) => Duration::ZERO,
        None if host_is_taken(words) => NOTICES_WITHIN,
        None => SHORTLY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusal_that_names_the_deleted_route_is_waited_out() {
        let nginx =
            |holder: &str| format!("host \"a.example.com\" and path \"/\" is already defined in ingress {holder}");
        let cases = [
            (nginx("shop-main/www"), NOTICES_WITHIN),
            (format!("admission webhook \"x\" denied the request: {}.", nginx("shop-main/www")), NOTICES_WITHIN),
            (nginx("shop-main/other"), Duration::ZERO),
            (nginx("shop-develop/www"), Duration::ZERO),
            ("ingress host conflicts with an existing ingress <a.example.com>".to_owned(), NOTICES_WITHIN),
            ("The Ingress host name must be unique.".to_owned(), NOTICES_WITHIN),
            ("annotations are not allowed here".to_owned(), SHORTLY),
            (String::new(), SHORTLY),
        ];
        for (words, expected) in cases {
            assert_eq!(patience(&words, "shop-main", "www"), expected, "{words}");
        }
    }
}
