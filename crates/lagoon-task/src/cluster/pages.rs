//! Pages of a list that are bounded in bytes. Kubernetes bounds them in objects only, and an object may have 1.5 MB.

use std::pin::pin;

use futures::AsyncReadExt;
use kube::api::ListParams;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::OwnedSemaphorePermit;

use crate::cluster::{CALL_DEADLINE, Cause, Cluster};

/// Objects in a page, at most.
const OBJECTS: u32 = 500;

/// Bytes of a page with more than one object, at most: 2 MiB. One that is larger is not read to its end, and fewer objects are
/// asked for.
const BYTES: usize = 2 * 1024 * 1024;

/// Bytes of a page with one object, at most: 16 MiB, several times what the API server stores of one.
const ONE_OBJECT: usize = 16 * 1024 * 1024;

/// A page with more bytes is a large one: 256 KiB.
const LARGE: usize = 256 * 1024;

/// How many objects to ask for next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size(u32);

impl Size {
    /// After a page that was too large; `None` if that had one object.
    fn smaller(self) -> Option<Self> {
        (self.0 > 1).then_some(Self((self.0 / 8).max(1)))
    }

    /// After a page of so many bytes.
    fn after(self, bytes: usize) -> Self {
        if bytes.saturating_mul(2) <= BYTES { Self(self.0.saturating_mul(2).min(OBJECTS)) } else { self }
    }

    fn most_bytes(self) -> usize {
        if self.0 > 1 { BYTES } else { ONE_OBJECT }
    }
}

#[derive(Deserialize)]
struct List<'a> {
    #[serde(default)]
    metadata: ListMetadata,
    /// The API server writes `null` for the items of an empty list of metadata.
    #[serde(default, borrow)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ListMetadata {
    #[serde(rename = "continue")]
    next: Option<String>,
    resource_version: String,
}

/// A page, and leave to have it in memory if it is a large one.
struct Page {
    bytes: Vec<u8>,
    _large: Option<OwnedSemaphorePermit>,
}

/// What `read` makes of each object of a list, in the order of their names, and the version of the list. An object is
/// dropped before the next is read.
pub(super) async fn read_all<T>(
    cluster: &Cluster,
    parameters: &ListParams,
    request: impl Fn(&ListParams) -> Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    read: impl Fn(&RawValue) -> Result<T, Cause>,
) -> Result<(Vec<T>, String), Cause> {
    let (mut all, mut size, mut next) = (Vec::new(), Size(OBJECTS), None);
    loop {
        let page = ListParams { limit: Some(size.0), continue_token: next.clone(), ..parameters.clone() };
        let request = request(&page).map_err(|_| Cause::NotUnderstood)?;
        let Some(page) = fetch_in_time(cluster, request, size.most_bytes()).await? else {
            size = size.smaller().ok_or(Cause::TooLarge)?;
            continue;
        };
        let list: List<'_> = serde_json::from_slice(&page.bytes).map_err(|_| Cause::NotUnderstood)?;
        for item in list.items.iter().flatten() {
            all.push(read(item)?);
        }
        size = size.after(page.bytes.len());
        next = list.metadata.next.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok((all, list.metadata.resource_version));
        }
    }
}

async fn fetch_in_time(cluster: &Cluster, request: http::Request<Vec<u8>>, most: usize) -> Result<Option<Page>, Cause> {
    let fetched = tokio::time::timeout(CALL_DEADLINE, fetch(cluster, request, most)).await;
    fetched.unwrap_or(Err(Cause::Deadline(CALL_DEADLINE)))
}

/// The answer to a request; `None` if it has more bytes.
async fn fetch(cluster: &Cluster, request: http::Request<Vec<u8>>, most: usize) -> Result<Option<Page>, Cause> {
    let answer = cluster.client.request_stream(request).await.map_err(|failure| Cause::from(&failure))?;
    let mut answer = pin!(answer);
    let (mut bytes, mut large, mut piece) = (Vec::new(), None, vec![0; 16 * 1024]);
    loop {
        let read = answer.read(&mut piece).await.map_err(|error| Cause::AnswerLost(error.to_string()))?;
        if read == 0 {
            return Ok(Some(Page { bytes, _large: large }));
        }
        if bytes.len() + read > most {
            return Ok(None);
        }
        if large.is_none() && bytes.len() + read > LARGE {
            large = cluster.large_pages.clone().acquire_owned().await.ok();
        }
        bytes.extend(piece.iter().take(read));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_shrinks_until_it_fits_and_grows_again_behind_small_ones() {
        let sizes = std::iter::successors(Some(Size(OBJECTS)), |size| size.smaller());
        assert_eq!(sizes.map(|size| size.0).collect::<Vec<_>>(), [500, 62, 7, 1]);
        assert_eq!(Size(1).after(BYTES), Size(1));
        assert_eq!(Size(1).after(BYTES / 2), Size(2));
        assert_eq!(Size(400).after(0), Size(OBJECTS));
    }

    #[test]
    fn page_with_one_object_may_be_larger() {
        assert_eq!(Size(2).most_bytes(), BYTES);
        assert_eq!(Size(1).most_bytes(), ONE_OBJECT);
    }
}
