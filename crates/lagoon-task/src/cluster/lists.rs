//! Lists of objects, page by page.

use std::time::Duration;

use kube::api::ListParams;
use kube::core::Request;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::backoff::Backoff;
use crate::cluster::objects::OnlyMetadata;
use crate::cluster::{Cause, ClusterError, Metadata, Objects};

/// Objects that one answer to a list holds at most: it bounds the memory that a list needs.
const PAGE: u32 = 500;

/// A list that expires between two pages is started again, without a pause: it then has another version.
const LISTS: Backoff = Backoff::new(Duration::ZERO, Duration::ZERO).attempts(3);

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    metadata: ListMetadata,
    /// The API server writes `null` for the items of an empty list of metadata.
    #[serde(default)]
    items: Option<Vec<Box<RawValue>>>,
}

#[derive(Default, Deserialize)]
struct ListMetadata {
    #[serde(default, rename = "continue")]
    next: Option<String>,
}

impl Objects<'_> {
    /// What `take` makes of each object, in the order of their names. An object is dropped before the next is read,
    /// and the record of who set which field (`managedFields`) is not passed on.
    ///
    /// ```no_run
    /// # use lagoon_task::{ClusterError, Objects};
    /// # async fn example(ingresses: &Objects<'_>) -> Result<(), ClusterError> {
    /// let hosts = ingresses.list(|ingress| ingress["spec"]["rules"][0]["host"].to_string()).await?;
    /// # Ok(()) }
    /// ```
    pub async fn list<T>(&self, take: impl Fn(Value) -> T) -> Result<Vec<T>, ClusterError> {
        let read = |item: &RawValue| {
            let mut object: Value = serde_json::from_str(item.get()).map_err(|_| Cause::NotUnderstood)?;
            if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.shift_remove("managedFields");
            }
            Ok(take(object))
        };
        self.pages(Request::list, read).await
    }

    /// The metadata of each object, in the order of their names.
    ///
    /// ```no_run
    /// # use lagoon_task::{ClusterError, Objects};
    /// # async fn example(ingresses: &Objects<'_>) -> Result<(), ClusterError> {
    /// for metadata in ingresses.list_metadata().await? {
    ///     println!("{}", metadata.name);
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn list_metadata(&self) -> Result<Vec<Metadata>, ClusterError> {
        let read = |item: &RawValue| {
            let object: OnlyMetadata = serde_json::from_str(item.get()).map_err(|_| Cause::NotUnderstood)?;
            Ok(object.metadata)
        };
        self.pages(Request::list_metadata, read).await
    }

    async fn pages<T>(
        &self,
        request: impl Fn(&Request, &ListParams) -> Result<http::Request<Vec<u8>>, kube::core::request::Error>,
        read: impl Fn(&RawValue) -> Result<T, Cause>,
    ) -> Result<Vec<T>, ClusterError> {
        let mut pauses = LISTS.start();
        loop {
            match self.all_pages(&request, &read).await {
                Err(Cause::Expired) if pauses.next().is_some() => {}
                Err(cause) => {
                    let (kind, namespace) = (self.resource.kind.clone(), self.namespace.clone());
                    return Err(ClusterError::List { kind, namespace, cause });
                }
                Ok(all) => return Ok(all),
            }
        }
    }

    async fn all_pages<T>(
        &self,
        request: impl Fn(&Request, &ListParams) -> Result<http::Request<Vec<u8>>, kube::core::request::Error>,
        read: impl Fn(&RawValue) -> Result<T, Cause>,
    ) -> Result<Vec<T>, Cause> {
        let mut all = Vec::new();
        let mut next = None;
        loop {
            let page = ListParams { limit: Some(PAGE), continue_token: next, ..ListParams::default() };
            let request = request(&self.path(), &page);
            let list: List = self.send(request).await?;
            for item in list.items.iter().flatten() {
                all.push(read(item)?);
            }
            next = list.metadata.next.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(all);
            }
        }
    }
}
