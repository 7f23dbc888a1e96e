//! The API server's own record of every request.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use crate::error::Error;

/// A request is answered, or its watch closed, long before this.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

/// How often the record is read again while a request is still open.
const READ_EVERY: Duration = Duration::from_millis(20);

/// One request that reached the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// `create`, `get`, `list`, `watch`, `patch`, `update`, `delete`.
    pub verb: String,
    /// The plural of the kind, with `/subresource` where there is one; empty for a path that is no resource.
    pub resource: String,
    /// The namespace, empty for none.
    pub namespace: String,
    /// The object's name, empty for none.
    pub name: String,
    /// Path and query.
    pub uri: String,
    /// Who asked, like `system:serviceaccount:shop-main:lagoon-deployer`.
    pub user: String,
    /// The pod whose bound token it was, empty for none.
    pub pod: String,
    /// How the client names itself.
    pub user_agent: String,
    /// The HTTP status; `None` when the API server was killed before it answered.
    pub status: Option<u16>,
    /// Whether it only asked what would happen (`dryRun=All`).
    pub dry_run: bool,
    /// When it arrived, in RFC 3339 with microseconds.
    pub received_at: String,
    /// When it was answered, in RFC 3339 with microseconds; empty when it was not.
    pub answered_at: String,
}

impl Request {
    /// `verb resource`, for comparing lists of requests: `create hostmigrations`.
    #[must_use]
    pub fn short(&self) -> String {
        format!("{} {}", self.verb, self.resource)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(rename = "auditID")]
    audit_id: String,
    stage: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    verb: String,
    #[serde(default)]
    user: User,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    object_ref: ObjectRef,
    #[serde(default)]
    response_status: ResponseStatus,
    request_received_timestamp: String,
    stage_timestamp: String,
}

#[derive(Deserialize, Default)]
struct User {
    #[serde(default)]
    username: String,
    #[serde(default)]
    extra: std::collections::BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ObjectRef {
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Deserialize, Default)]
struct ResponseStatus {
    code: Option<u16>,
}

/// Reads the record from its byte `from` on, again until all wanted requests have been answered, but for those before the
/// byte `lost_until`, whose server was killed. The record of many tests is long, so only this part of it is read.
pub(crate) async fn requests(
    log: &Path,
    from: usize,
    lost_until: usize,
    wanted: impl Fn(&Request) -> bool,
) -> Result<Vec<Request>, Error> {
    let until = Instant::now() + ANSWERED_WITHIN;
    let mut read = tokio::time::interval(READ_EVERY);
    loop {
        read.tick().await;
        let text = read_from(log, from).map_err(Error::file(log))?;
        let lost_until = lost_until.saturating_sub(from).min(text.len());
        let lost = parse(&String::from_utf8_lossy(text.get(..lost_until).unwrap_or_default())).len();
        let text = String::from_utf8_lossy(&text);
        let found: Vec<_> = parse(&text).into_iter().enumerate().filter(|(_, request)| wanted(request)).collect();
        if found.iter().all(|(place, request)| *place < lost || request.status.is_some()) {
            return Ok(found.into_iter().map(|(_, request)| request).collect());
        }
        if Instant::now() > until {
            return Err(Error::Waited { what: "the answers to all requests".to_owned(), log: format!("{found:#?}") });
        }
    }
}

fn read_from(log: &Path, from: usize) -> std::io::Result<Vec<u8>> {
    let mut file = std::fs::File::open(log)?;
    file.seek(SeekFrom::Start(from as u64))?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    Ok(text)
}

/// One entry a request, in the order of arrival. A line that is still being written is left for the next reading.
fn parse(text: &str) -> Vec<Request> {
    let mut requests: Vec<Request> = Vec::new();
    let mut place = std::collections::HashMap::new();
    for event in text.lines().filter_map(|line| serde_json::from_str::<Event>(line).ok()) {
        let at = *place.entry(event.audit_id.clone()).or_insert_with(|| {
            requests.push(new_request(&event));
            requests.len() - 1
        });
        if event.stage == "ResponseComplete" || event.stage == "Panic" {
            let Some(request) = requests.get_mut(at) else { continue };
            request.status = Some(event.response_status.code.unwrap_or_default());
            request.answered_at = event.stage_timestamp;
            // The name of an object that is created stands in its body, which is read later.
            if request.name.is_empty() {
                request.name = event.object_ref.name;
            }
        }
    }
    requests
}

fn new_request(event: &Event) -> Request {
    let object = &event.object_ref;
    let resource = if object.subresource.is_empty() {
        object.resource.clone()
    } else {
        format!("{}/{}", object.resource, object.subresource)
    };
    let pod = event.user.extra.get("authentication.kubernetes.io/pod-name").and_then(|names| names.first());
    Request {
        verb: event.verb.clone(),
        resource,
        namespace: object.namespace.clone(),
        name: object.name.clone(),
        uri: event.request_uri.clone(),
        user: event.user.username.clone(),
        pod: pod.cloned().unwrap_or_default(),
        user_agent: event.user_agent.clone(),
        status: None,
        dry_run: is_dry_run(&event.request_uri),
        received_at: event.request_received_timestamp.clone(),
        answered_at: String::new(),
    }
}

fn is_dry_run(uri: &str) -> bool {
    let query = uri.split_once('?').map_or("", |(_, query)| query);
    query.split('&').any(|parameter| parameter == "dryRun=All")
}
