//! What a run leaves behind in the API server's record and in the namespaces.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use lagoon_task_testing::{Finished, Request};

use switch_testing::{CONFIG_MAPS, Shop};

/// The requests that changed something, or would have if they had been allowed. Questions that are sent as creates are
/// none, nor is the progress label on the task's own pod, nor is the lock, which every run takes and gives back.
pub fn writes(finished: &Finished) -> Vec<&Request> {
    let writes = |request: &&Request| {
        let is_write = ["create", "update", "patch", "delete", "deletecollection"].contains(&request.verb.as_str());
        let is_question = request.dry_run || request.resource == "selfsubjectrulesreviews";
        is_write && !is_question && !is_own_pod(request) && request.resource != "leases"
    };
    finished.requests.iter().filter(writes).collect()
}

fn is_own_pod(request: &Request) -> bool {
    request.verb == "patch" && request.resource == "pods" && request.name == request.pod
}

/// The names of all parts of journals in both namespaces.
pub async fn journals(shop: &Shop<'_>) -> Vec<String> {
    let mut all = shop.names(&shop.standby, CONFIG_MAPS).await;
    all.extend(shop.names(&shop.active, CONFIG_MAPS).await);
    all.retain(|name| name.starts_with("activestandby-journal"));
    all
}

/// What was done to the only route that goes from one namespace to the other, like `["create", "delete"]`: each was
/// answered before the next was sent.
pub fn steps<'a>(finished: &'a Finished, from: &str, to: &str) -> Vec<&'a str> {
    let mut steps: Vec<&Request> = writes(finished);
    steps.retain(|request| {
        let belongs = (request.verb == "create" && request.namespace == to)
            || (request.verb == "delete" && request.namespace == from);
        request.resource == "ingresses" && belongs
    });
    steps.sort_by(|one, other| one.received_at.cmp(&other.received_at));
    for pair in steps.windows(2) {
        assert!(pair[0].answered_at <= pair[1].received_at, "{pair:#?}");
    }
    steps.iter().map(|request| request.verb.as_str()).collect()
}

/// How long each host was offline, as the API server's record says: from the answer to the delete of its route to that to
/// the create which went through.
pub fn gaps(finished: &Finished) -> Vec<Duration> {
    let of_routes = |verb: &'static str| {
        let writes = writes(finished).into_iter().filter(|request| request.status.is_some_and(|status| status < 300));
        writes.filter(move |request| request.resource == "ingresses" && request.verb == verb)
    };
    let time = |text: &str| text.parse::<Timestamp>().unwrap();
    let gaps = of_routes("delete").map(|delete| {
        let created = of_routes("create").find(|create| create.name == delete.name).unwrap();
        let gap = time(&created.answered_at).duration_since(time(&delete.answered_at));
        // Nothing where the new one came first.
        Duration::try_from(gap).unwrap_or_default()
    });
    gaps.collect()
}

/// The median and the longest, to be printed.
pub fn median_and_longest(mut times: Vec<Duration>) -> String {
    times.sort();
    format!("{:?} median, {:?} longest", times[times.len() / 2], times[times.len() - 1])
}
