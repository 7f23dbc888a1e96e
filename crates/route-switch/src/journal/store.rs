//! The journal in the cluster.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ApiResource;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cluster::ensure::{self, SureError};
use crate::journal::codec::{PART_LIMIT, PackError, ParseError, pack, unpack};
use crate::journal::entries::{Book, Head, VERSION};
use crate::labels;
use lagoon_task::Backoff;
use lagoon_task::cluster::{Cause, Cluster, ClusterError, Metadata, ObjectName, Objects};

/// The journal's name, in the namespace of the standby environment.
pub const NAME: &str = "activestandby-journal";

/// A write that meets a passing conflict is sent again.
const REPLACES: Backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(80)).attempts(4);

const HEAD: &str = "journal.json";
const BOOK: &str = "book.json.gz";

/// Why a journal could not be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A request failed.
    #[error("The journal of the switch: {0}")]
    Cluster(#[from] ClusterError),
    /// What stood in the way of a create or a delete.
    #[error("The journal of the switch: {0}")]
    Sure(#[from] SureError),
    /// A later version of this program wrote it.
    #[error(
        "{object} is the journal of an unfinished switch that a newer version of this program has written (form \
         {version}, and this one knows forms up to {VERSION}). Run the task with that version again; do not delete the \
         journal, it may hold the only copy of a route"
    )]
    TooNew {
        /// The journal.
        object: ObjectName,
        /// The form's version.
        version: u64,
    },
    /// It cannot be read.
    #[error(
        "{object} should be the journal of a switch and cannot be read: {cause}. Do not delete it before you have made \
         sure that all routes of both environments are there, it may hold the only copy of one"
    )]
    Damaged {
        /// The journal.
        object: ObjectName,
        /// What is wrong.
        #[source]
        cause: Damage,
    },
    /// Somebody else has taken it over or begun another.
    #[error("{object} was changed by another run of the switch at the same time")]
    Taken {
        /// The journal.
        object: ObjectName,
    },
}

/// What is wrong with a journal.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// It has no head.
    #[error("it has no {HEAD}")]
    NoHead,
    /// Its head is not what this program writes.
    #[error("{HEAD}, {0}")]
    Head(#[source] ParseError),
    /// Its book is not in base64.
    #[error("{BOOK} is not base64")]
    NotBase64(#[source] base64::DecodeError),
    /// A part of its book is missing.
    #[error("its part {0} is missing")]
    NoPart(String),
    /// Its book cannot be unpacked.
    #[error(transparent)]
    Book(#[from] PackError),
    /// Its head cannot be written.
    #[error(transparent)]
    WriteHead(serde_json::Error),
    /// Its book cannot be packed.
    #[error(transparent)]
    WriteBook(std::io::Error),
}

/// A journal that is in the cluster.
pub struct Journal<'a> {
    objects: Objects<'a>,
    /// Who, where to, how far.
    pub head: Head,
    /// The first part of the book; its other parts are objects of their own.
    first_part: Option<String>,
    seen: Metadata,
    /// Whether an earlier run has begun it.
    is_continued: bool,
}

/// The journal of the namespace, if there is one.
pub async fn find<'a>(cluster: &'a Cluster, namespace: &str) -> Result<Option<Journal<'a>>, JournalError> {
    let objects = config_maps(cluster, namespace);
    let Some(object) = objects.get(NAME).await? else { return Ok(None) };
    let head = head(&object, &objects)?;
    let first_part = object["binaryData"][BOOK].as_str().map(str::to_owned);
    let is_continued = head.state == crate::journal::State::Moving;
    Ok(Some(Journal { head, first_part, seen: Metadata::of(&object), objects, is_continued }))
}

fn config_maps<'a>(cluster: &'a Cluster, namespace: &str) -> Objects<'a> {
    cluster.objects(&ApiResource::erase::<ConfigMap>(&()), namespace)
}

fn head(object: &Value, objects: &Objects<'_>) -> Result<Head, JournalError> {
    #[derive(Deserialize)]
    struct Version {
        version: u64,
    }
    let damaged = |cause| JournalError::Damaged { object: objects.name(NAME), cause };
    let text = object["data"][HEAD].as_str().ok_or_else(|| damaged(Damage::NoHead))?;
    let not_a_head = |error: serde_json::Error| damaged(Damage::Head(error.into()));
    let Version { version } = serde_json::from_str(text).map_err(not_a_head)?;
    if version > u64::from(VERSION) {
        return Err(JournalError::TooNew { object: objects.name(NAME), version });
    }
    serde_json::from_str(text).map_err(not_a_head)
}

impl<'a> Journal<'a> {
    /// Writes a new journal, in place of `previous` if there was one. This is the lock: of two that try, one gets
    /// [`JournalError::Taken`].
    pub async fn begin(
        cluster: &'a Cluster,
        mut head: Head,
        book: &Book,
        previous: Option<Journal<'a>>,
    ) -> Result<Self, JournalError> {
        let objects = config_maps(cluster, &head.standby_namespace);
        let parts = parts(book, &objects)?;
        head.parts = (1..parts.len()).map(|number| format!("{NAME}-{}-{number}", head.switch_id)).collect();
        for (name, part) in head.parts.iter().zip(&parts[1..]) {
            ensure::create(&objects, &part_object(name, &head, part), &ensure::made_by(&head.switch_id)).await?;
        }
        let first_part = parts.into_iter().next();
        let seen = previous.map(|journal| journal.seen).unwrap_or_default();
        let mut journal = Self { objects, head, first_part, seen, is_continued: false };
        if journal.seen.uid.is_empty() {
            journal.create().await?;
        } else {
            journal.replace().await?;
        }
        Ok(journal)
    }

    /// The book.
    pub async fn book(&self) -> Result<Book, JournalError> {
        let damaged = |cause| JournalError::Damaged { object: self.objects.name(NAME), cause };
        let decode = |text: Option<&str>| {
            STANDARD.decode(text.unwrap_or_default()).map_err(|error| damaged(Damage::NotBase64(error)))
        };
        let mut parts = vec![decode(self.first_part.as_deref())?];
        for name in &self.head.parts {
            let part = self.objects.get(name).await?;
            let part = part.ok_or_else(|| damaged(Damage::NoPart(name.clone())))?;
            parts.push(decode(part["binaryData"][BOOK].as_str())?);
        }
        unpack(&parts).map_err(|error| damaged(error.into()))
    }

    /// Writes the head as it is now; from the state `switched` on the book is no longer needed and goes.
    pub async fn write_head(&mut self) -> Result<(), JournalError> {
        if self.head.state == crate::journal::State::Moving {
            return self.replace().await;
        }
        let parts = std::mem::take(&mut self.head.parts);
        self.first_part = None;
        self.replace().await?;
        self.remove_parts(&parts).await?;
        self.remove_strays(!parts.is_empty()).await;
        Ok(())
    }

    /// Writes another book in place of the one there.
    pub async fn write_book(&mut self, book: &Book, edition: usize) -> Result<(), JournalError> {
        let parts = parts(book, &self.objects)?;
        let names: Vec<String> =
            (1..parts.len()).map(|number| format!("{NAME}-{}-{edition}-{number}", self.head.switch_id)).collect();
        for (name, part) in names.iter().zip(&parts[1..]) {
            let object = part_object(name, &self.head, part);
            ensure::create(&self.objects, &object, &ensure::made_by(&self.head.switch_id)).await?;
        }
        let old = std::mem::replace(&mut self.head.parts, names);
        self.first_part = parts.into_iter().next();
        self.replace().await?;
        self.remove_parts(&old).await
    }

    /// Removes the journal: nothing has moved, or all has moved back.
    pub async fn remove(self) -> Result<(), JournalError> {
        ensure::delete(&self.objects, &self.seen).await?;
        self.remove_parts(&self.head.parts).await?;
        self.remove_strays(!self.head.parts.is_empty()).await;
        Ok(())
    }

    /// Removes parts that no head names: a run that was killed between a part and its head leaves such behind. Nothing
    /// depends on it, so what fails here is left for the next switch.
    async fn remove_strays(&self, had_parts: bool) {
        if !had_parts && !self.is_continued {
            return;
        }
        let is_part = |seen: &&Metadata| {
            seen.name != NAME && seen.labels.get(labels::ROLE).is_some_and(|role| role == labels::JOURNAL)
        };
        for stray in self.objects.list_metadata().await.unwrap_or_default().iter().filter(is_part) {
            let _ = ensure::delete(&self.objects, stray).await;
        }
    }

    async fn remove_parts(&self, names: &[String]) -> Result<(), JournalError> {
        for name in names {
            if let Some(part) = self.objects.get_metadata(name).await? {
                ensure::delete(&self.objects, &part).await?;
            }
        }
        Ok(())
    }

    async fn create(&mut self) -> Result<(), JournalError> {
        let object = self.object()?;
        let ours = |existing: &Value| says_the_same(existing, &object);
        match ensure::create(&self.objects, &object, &ours).await {
            Ok(seen) => {
                self.seen = seen;
                Ok(())
            }
            Err(SureError::Cluster(error)) if *error.cause() == Cause::AlreadyExists => Err(self.taken()),
            Err(error) => Err(error.into()),
        }
    }

    /// Compares and swaps: writes only if nobody else has written since. An answer that was lost shows as a conflict
    /// with what was written itself.
    async fn replace(&mut self) -> Result<(), JournalError> {
        let object = self.object()?;
        let mut pauses = REPLACES.start();
        loop {
            let error = match self.objects.replace(&object).await {
                Ok(replaced) => {
                    self.seen = Metadata::of(&replaced);
                    return Ok(());
                }
                Err(error) => error,
            };
            if *error.cause() != Cause::Conflict {
                return Err(error.into());
            }
            let existing = self.objects.get(NAME).await?.unwrap_or_default();
            let seen = Metadata::of(&existing);
            if seen.uid == self.seen.uid && says_the_same(&existing, &object) {
                self.seen = seen;
                return Ok(());
            }
            // With the version unchanged nobody has written, and the conflict was a passing one.
            if seen.resource_version != self.seen.resource_version || !pauses.pause().await {
                return Err(self.taken());
            }
        }
    }

    fn taken(&self) -> JournalError {
        JournalError::Taken { object: self.objects.name(NAME) }
    }

    fn object(&self) -> Result<Value, JournalError> {
        let head = serde_json::to_string(&self.head).map_err(|error| JournalError::Damaged {
            object: self.objects.name(NAME),
            cause: Damage::WriteHead(error),
        })?;
        let mut object = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": NAME,
                "namespace": self.objects.namespace(),
                "labels": { labels::ROLE: labels::JOURNAL, labels::SWITCH: self.head.switch_id },
            },
            "data": { HEAD: head },
        });
        if let Some(part) = &self.first_part {
            object["binaryData"] = json!({ BOOK: part });
        }
        if !self.seen.resource_version.is_empty() {
            object["metadata"]["resourceVersion"] = self.seen.resource_version.as_str().into();
            object["metadata"]["uid"] = self.seen.uid.as_str().into();
        }
        Ok(object)
    }
}

/// Whether two journals have the same head and the same first part of the book.
fn says_the_same(one: &Value, other: &Value) -> bool {
    one["data"] == other["data"] && one["binaryData"] == other["binaryData"]
}

/// The book packed and in base64.
fn parts(book: &Book, objects: &Objects<'_>) -> Result<Vec<String>, JournalError> {
    let packed = pack(book, PART_LIMIT)
        .map_err(|error| JournalError::Damaged { object: objects.name(NAME), cause: Damage::WriteBook(error) })?;
    Ok(packed.iter().map(|part| STANDARD.encode(part)).collect())
}

fn part_object(name: &str, head: &Head, part: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": head.standby_namespace,
            "labels": { labels::ROLE: labels::JOURNAL, labels::SWITCH: head.switch_id },
        },
        "binaryData": { BOOK: part },
    })
}
