//! Lists of objects, page by page.

use std::time::Duration;

use kube::api::ListParams;
use kube::core::Request;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::backoff::Backoff;
use crate::cluster::objects::OnlyMetadata;
use crate::cluster::pages;
use crate::cluster::{Cause, ClusterError, Metadata, Objects};

/// A list that expires between two pages is started again, without a pause: it then has another version.
const LISTS: Backoff = Backoff::new(Duration::ZERO, Duration::ZERO).attempts(3);

/// An object of a list, as far as it was read.
///
/// ```
/// use lagoon_task::Listed;
///
/// fn name(listed: Listed) -> String {
///     match listed {
///         Listed::Whole(object) => object["metadata"]["name"].to_string(),
///         Listed::TooLarge(metadata) => metadata.name,
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Listed {
    /// The whole of it.
    Whole(Value),
    /// Its metadata alone: it is larger than was asked for.
    TooLarge(Metadata),
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
        Ok(self.list_with_version(take).await?.0)
    }

    /// The same, and the version of the list, from which on it can be watched.
    ///
    /// ```no_run
    /// # use lagoon_task::{ClusterError, Objects};
    /// # async fn example(ingresses: &Objects<'_>) -> Result<(), ClusterError> {
    /// let (names, version) = ingresses.list_with_version(|ingress| ingress["metadata"]["name"].to_string()).await?;
    /// # Ok(()) }
    /// ```
    pub async fn list_with_version<T>(&self, take: impl Fn(Value) -> T) -> Result<(Vec<T>, String), ClusterError> {
        let read = |item: &RawValue| whole(item).map(&take);
        self.pages(&ListParams::default(), Request::list, read).await
    }

    /// The same for objects that others may have made as large as the API server takes them: of one that is sent with more
    /// bytes, only the metadata is read.
    ///
    /// ```no_run
    /// # use lagoon_task::{ClusterError, Listed, Objects};
    /// # async fn example(ingresses: &Objects<'_>) -> Result<(), ClusterError> {
    /// let is_large = ingresses.list_up_to(512 * 1024, |listed| matches!(listed, Listed::TooLarge(_))).await?;
    /// # Ok(()) }
    /// ```
    pub async fn list_up_to<T>(&self, bytes: usize, take: impl Fn(Listed) -> T) -> Result<Vec<T>, ClusterError> {
        let read = |item: &RawValue| {
            let listed = if item.get().len() > bytes {
                metadata(item).map(Listed::TooLarge)
            } else {
                whole(item).map(Listed::Whole)
            };
            listed.map(&take)
        };
        Ok(self.pages(&ListParams::default(), Request::list, read).await?.0)
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
        self.list_metadata_where(&ListParams::default(), |metadata| metadata).await
    }

    /// What `take` makes of the metadata of each object that the parameters select, in the order of their names.
    ///
    /// ```no_run
    /// # use lagoon_task::kube::api::ListParams;
    /// # use lagoon_task::{ClusterError, Objects};
    /// # async fn example(pods: &Objects<'_>) -> Result<(), ClusterError> {
    /// let of_service = ListParams::default().labels("lagoon.sh/service=cli");
    /// let names = pods.list_metadata_where(&of_service, |metadata| metadata.name).await?;
    /// # Ok(()) }
    /// ```
    pub async fn list_metadata_where<T>(
        &self,
        selected: &ListParams,
        take: impl Fn(Metadata) -> T,
    ) -> Result<Vec<T>, ClusterError> {
        let read = |item: &RawValue| metadata(item).map(&take);
        Ok(self.pages(selected, Request::list_metadata, read).await?.0)
    }

    async fn pages<T>(
        &self,
        selected: &ListParams,
        request: impl Fn(&Request, &ListParams) -> Result<http::Request<Vec<u8>>, kube::core::request::Error>,
        read: impl Fn(&RawValue) -> Result<T, Cause>,
    ) -> Result<(Vec<T>, String), ClusterError> {
        let mut pauses = LISTS.start();
        let path = self.path();
        loop {
            // It would make the futures of all who list large.
            let read_all = Box::pin(pages::read_all(self.cluster, selected, |page| request(&path, page), &read));
            match read_all.await {
                Err(Cause::Expired) if pauses.next().is_some() => {}
                Err(cause) => {
                    let (kind, namespace) = (self.resource.kind.clone(), self.namespace.clone());
                    return Err(ClusterError::List { kind, namespace, cause });
                }
                Ok(all) => return Ok(all),
            }
        }
    }
}

fn whole(item: &RawValue) -> Result<Value, Cause> {
    let mut object: Value = serde_json::from_str(item.get()).map_err(|_| Cause::NotUnderstood)?;
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("managedFields");
    }
    Ok(object)
}

fn metadata(item: &RawValue) -> Result<Metadata, Cause> {
    let object: OnlyMetadata = serde_json::from_str(item.get()).map_err(|_| Cause::NotUnderstood)?;
    Ok(object.metadata)
}
