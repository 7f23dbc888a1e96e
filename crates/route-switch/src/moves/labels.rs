//! The label by which other programs see that a route is on its way.

use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;

use crate::cluster::probe::{host_is_taken, is_refusal};
use crate::moves::late_webhook::NOTICES;
use crate::moves::{MoveError, Moves};
use crate::route::Route;
use crate::side::{Side, Sides};
use crate::{CONCURRENT, labels};
use lagoon_task::cluster::Cause;

impl Moves<'_> {
    /// Has the labels of the routes that this switch has moved say that they no longer are on their way. Who may not change
    /// them has moved them all the same.
    pub(crate) async fn label_as_moved(&self, routes: &Sides<Vec<Route>>) -> Result<(), MoveError> {
        let mut on_their_way = Vec::new();
        for side in Side::BOTH {
            for route in routes.of(side) {
                if route.is_migrating && route.switch() == Some(self.switch.as_str()) {
                    on_their_way.push((side, route.kind_name(), route.metadata.clone()));
                }
            }
        }
        let labels = stream::iter(on_their_way).map(|(side, kind, seen)| async move {
            let objects = self.objects(&kind, side)?;
            let patch = json!({ "metadata": { "uid": seen.uid, "labels": { labels::MIGRATING: "false" } } });
            let mut pauses = NOTICES.start();
            loop {
                let Err(error) = objects.merge(&seen.name, &patch).await else { return Ok(()) };
                match error.cause() {
                    Cause::Denied(words) if host_is_taken(words) && pauses.pause().await => {}
                    // Somebody has deleted it, or created another in its place: it is not this switch's any more.
                    cause if is_refusal(cause) || matches!(cause, Cause::NotFound(_) | Cause::Conflict) => {
                        return Ok(());
                    }
                    _ => return Err(error.into()),
                }
            }
        });
        labels.buffer_unordered(CONCURRENT).try_collect::<Vec<()>>().await.map(drop)
    }
}
