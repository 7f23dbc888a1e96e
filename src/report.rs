//! Hands Lagoon the result of a switch, in either way.

use serde::Serialize;

use lagoon_task::Failure;
use lagoon_task::context::Context;

/// Shows the result and hands it to Lagoon: only when Lagoon can hear of the switch may the task succeed.
pub(crate) async fn hand_over(task: &Context, result: &impl Serialize) -> Result<(), Failure> {
    task.say(format!("Result: {}", serde_json::to_string(result)?));
    task.report_as_it_is(result).await.map_err(|failure| {
        Failure::new(format!(
            "The switch is done: the routes have moved. But Lagoon does not know it yet, because the result could not \
             be written to the task's pod. {} Run the task again: it is safe, moves nothing a second time, and reports \
             the result.",
            failure.sentence()
        ))
    })
}
