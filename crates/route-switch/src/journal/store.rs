//! The journal in the cluster.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ApiResource;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cluster::ensure::{self, SureError};
use crate::journal::codec::{BOOK_LIMIT, MOST_PARTS, PART_LIMIT, PackError, pack, unpack};
use crate::journal::entries::{Book, Head, RouteEntry, State, VERSION};
use crate::journal::error::{BOOK, Damage, HEAD, JournalError};
use crate::journal::shelf::Shelf;
use crate::json::{set_metadata, text_at};
use crate::labels;
use lagoon_task::Backoff;
use lagoon_task::cluster::{Cause, Cluster, Metadata, ObjectName, Objects};

/// A write that meets a passing conflict is sent again.
const REPLACES: Backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(80)).attempts(4);

const CHANGE: &str = "change.json";

/// On a journal: the two namespaces of its switch, with a space between them.
pub const PAIR: &str = "activestandby.lagoon.sh/namespaces";

/// A journal that is in the cluster.
pub struct Journal<'a> {
    objects: Objects<'a>,
    shelf: Shelf,
    /// Who, where to, how far.
    pub head: Head,
    /// The first part of the book; its other parts are objects of their own.
    first_part: Option<String>,
    seen: Metadata,
    /// The head as it was written last, as text.
    written: Option<String>,
    /// Whether there may be parts that the head does not name: changes, and what a run left that was killed.
    has_strays: bool,
}

/// The journal in this place, if there is one.
pub async fn find<'a>(cluster: &'a Cluster, shelf: &Shelf) -> Result<Option<Journal<'a>>, JournalError> {
    let objects = config_maps(cluster, &shelf.namespace);
    let Some(object) = objects.get(&shelf.name).await? else { return Ok(None) };
    let head = head(&object, &objects.name(&shelf.name))?;
    let first_part = text_at(&object, &["binaryData", BOOK]).map(str::to_owned);
    let written = text_at(&object, &["data", HEAD]).map(str::to_owned);
    let has_strays = head.state == State::Moving;
    let shelf = shelf.clone();
    Ok(Some(Journal { shelf, head, first_part, seen: Metadata::of(&object), objects, written, has_strays }))
}

fn config_maps<'a>(cluster: &'a Cluster, namespace: &str) -> Objects<'a> {
    cluster.objects(&ApiResource::erase::<ConfigMap>(&()), namespace)
}

fn head(object: &Value, name: &ObjectName) -> Result<Head, JournalError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct AnyForm {
        version: u64,
        #[serde(default)]
        state: Value,
        #[serde(default)]
        switch_id: Value,
    }
    let damaged = |cause| JournalError::Damaged { object: name.clone(), cause };
    let text = text_at(object, &["data", HEAD]).ok_or_else(|| damaged(Damage::NoHead))?;
    let not_a_head = |error: serde_json::Error| damaged(Damage::Head(error.into()));
    let AnyForm { version, state, switch_id } = serde_json::from_str(text).map_err(not_a_head)?;
    if version > u64::from(VERSION) {
        // A switch that has been reported is over, in whatever form it was written down.
        if state != "reported" {
            return Err(JournalError::TooNew { object: name.clone(), version });
        }
        return Ok(Head::of_the_past(switch_id.as_str().unwrap_or_default().to_owned()));
    }
    let head: Head = serde_json::from_str(text).map_err(not_a_head)?;
    // A part is named after its journal: what else is in the namespace is not read, nor deleted, because a journal says so.
    let is_part = |part: &String| part.strip_prefix(&name.name).is_some_and(|rest| rest.starts_with('-'));
    if head.is_sound() && head.parts.iter().all(is_part) { Ok(head) } else { Err(damaged(Damage::Form)) }
}

impl<'a> Journal<'a> {
    /// Writes a new journal, in place of `previous` if there was one. Of two that try, one gets [`JournalError::Taken`].
    pub async fn begin(
        cluster: &'a Cluster,
        shelf: Shelf,
        head: Head,
        book: &Book,
        previous: Option<Journal<'a>>,
    ) -> Result<Self, JournalError> {
        let objects = config_maps(cluster, &shelf.namespace);
        let previous = previous.filter(|previous| previous.shelf == shelf);
        let (seen, written) = previous.map(|journal| (journal.seen, journal.written)).unwrap_or_default();
        let mut journal = Self { objects, shelf, head, first_part: None, seen, written, has_strays: false };
        let parts = journal.packed(book)?;
        journal.head.parts = journal.write_parts(&journal.head.switch_id, &parts).await?;
        journal.first_part = parts.into_iter().next();
        if journal.seen.uid.is_empty() {
            journal.create().await?;
        } else {
            journal.replace().await?;
        }
        Ok(journal)
    }

    /// What the journal is in errors.
    #[must_use]
    pub fn name(&self) -> ObjectName {
        self.objects.name(&self.shelf.name)
    }

    /// Whether nobody but this program can have written it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.shelf.is_ours
    }

    /// Whether it lies in this place.
    #[must_use]
    pub fn is_at(&self, place: &Shelf) -> bool {
        self.shelf == *place
    }

    /// Whether it lies where a run of its switch would have put it.
    #[must_use]
    pub fn is_at_home(&self) -> bool {
        self.shelf.is_ours || self.shelf.namespace == self.head.standby_namespace
    }

    /// The book.
    pub async fn book(&self) -> Result<Book, JournalError> {
        let damaged = |cause| JournalError::Damaged { object: self.name(), cause };
        let decode = |text: Option<&str>| {
            STANDARD.decode(text.unwrap_or_default()).map_err(|error| damaged(Damage::NotBase64(error)))
        };
        let mut parts = vec![decode(self.first_part.as_deref())?];
        // One that is named twice counts twice.
        if self.head.parts.len() > MOST_PARTS {
            return Err(damaged(Damage::TooManyParts));
        }
        for name in &self.head.parts {
            let part = self.objects.get(name).await?;
            let part = part.ok_or_else(|| damaged(Damage::NoPart(name.clone())))?;
            parts.push(decode(text_at(&part, &["binaryData", BOOK]))?);
        }
        let mut book = unpack(&parts).map_err(|error| damaged(error.into()))?;
        self.read_changes(&mut book).await?;
        let homes = self.head.namespaces();
        match book.routes.iter().position(|route| !route.is_sound(homes.of(route.home))) {
            Some(place) => Err(damaged(Damage::Route(place))),
            None => Ok(book),
        }
    }

    /// Adds what was changed since the book was written, in that order.
    async fn read_changes(&self, book: &mut Book) -> Result<(), JournalError> {
        let mut names = self.own_parts(|seen| seen.name.starts_with(&self.change_name(""))).await?;
        names.sort_by(|one, other| one.name.cmp(&other.name));
        let mut size = 0;
        for seen in names {
            let Some(part) = self.objects.get(&seen.name).await? else { continue };
            let text = text_at(&part, &["data", CHANGE]).unwrap_or_default();
            size += text.len();
            if size > BOOK_LIMIT {
                return Err(JournalError::Damaged { object: self.name(), cause: PackError::TooLarge.into() });
            }
            let change: Change = serde_json::from_str(text).map_err(|error| JournalError::Damaged {
                object: self.objects.name(&seen.name),
                cause: Damage::Head(error.into()),
            })?;
            if let Some(route) = book.routes.iter_mut().find(|route| route.key() == change.route.key()) {
                *route = change.route;
            }
        }
        Ok(())
    }

    /// Writes down that one route has changed, beside the book: to write that anew each time would take the longer the more
    /// routes there are. Later changes have greater names.
    pub async fn amend(&mut self, route: &RouteEntry) -> Result<(), JournalError> {
        let change = Change { route: route.clone() };
        let text = serde_json::to_string(&change)
            .map_err(|error| JournalError::Damaged { object: self.name(), cause: Damage::WriteHead(error) })?;
        self.has_strays = true;
        let name = self.change_name(&crate::plan::already_done::new_switch_id());
        let object = self.part_object(&name, "data", CHANGE, &text);
        ensure::create(&self.objects, &object, &|existing| existing.get("data") == object.get("data")).await?;
        Ok(())
    }

    fn change_name(&self, id: &str) -> String {
        format!("{}-{}-change-{id}", self.shelf.name, self.head.switch_id)
    }

    /// The parts of this journal.
    async fn own_parts(&self, filter: impl Fn(&Metadata) -> bool) -> Result<Vec<Metadata>, JournalError> {
        let (pair, prefix) = (pair(&self.head), format!("{}-", self.shelf.name));
        let is_own = |seen: &Metadata| {
            seen.name.starts_with(&prefix)
                && seen.labels.get(labels::ROLE).is_some_and(|role| role == labels::JOURNAL)
                && (seen.annotations.get(PAIR) == Some(&pair)
                    || seen.labels.get(labels::SWITCH) == Some(&self.head.switch_id))
        };
        let mut parts = self.objects.list_metadata().await?;
        parts.retain(|seen| is_own(seen) && filter(seen));
        Ok(parts)
    }

    /// Writes the head as it is now; from the state `switched` on the book is no longer needed and goes.
    pub async fn write_head(&mut self) -> Result<(), JournalError> {
        if self.head.state == State::Moving {
            return self.replace().await;
        }
        let parts = std::mem::take(&mut self.head.parts);
        self.first_part = None;
        self.replace().await?;
        self.remove_parts(&parts).await?;
        self.remove_strays().await;
        Ok(())
    }

    /// Writes another book in place of the one there.
    pub async fn write_book(&mut self, book: &Book) -> Result<(), JournalError> {
        let parts = self.packed(book)?;
        let edition = crate::plan::already_done::new_switch_id();
        let names = self.write_parts(&edition, &parts).await?;
        let changes = self.own_parts(|seen| seen.name.starts_with(&self.change_name(""))).await?;
        let mut old = std::mem::replace(&mut self.head.parts, names);
        old.extend(changes.into_iter().map(|seen| seen.name));
        self.first_part = parts.into_iter().next();
        self.replace().await?;
        self.remove_parts(&old).await
    }

    /// Removes the journal: nothing has moved, or all has moved back.
    pub async fn remove(self) -> Result<(), JournalError> {
        ensure::delete(&self.objects, &self.seen).await?;
        self.remove_parts(&self.head.parts).await?;
        self.remove_strays().await;
        Ok(())
    }

    /// Removes the parts that the head does not name: changes, and what a run left that was killed between a part and its
    /// head. Nothing depends on it, so what fails here is left for the next switch.
    async fn remove_strays(&self) {
        if !self.has_strays {
            return;
        }
        for stray in self.own_parts(|_| true).await.unwrap_or_default() {
            let _ = ensure::delete(&self.objects, &stray).await;
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
                self.have_written(seen, &object);
                Ok(())
            }
            Err(SureError::Cluster(error)) if *error.cause() == Cause::AlreadyExists => Err(self.taken()),
            Err(error) => Err(error.into()),
        }
    }

    fn have_written(&mut self, seen: Metadata, object: &Value) {
        self.seen = seen;
        self.written = text_at(object, &["data", HEAD]).map(str::to_owned);
    }

    /// Compares and swaps: writes only if nobody else has written since. An answer that was lost shows as a conflict
    /// with what was written itself; who has only labelled or annotated the object has not written.
    async fn replace(&mut self) -> Result<(), JournalError> {
        let mut object = self.object()?;
        let mut pauses = REPLACES.start();
        loop {
            let error = match self.objects.replace(&object).await {
                Ok(replaced) => {
                    self.have_written(Metadata::of(&replaced), &object);
                    return Ok(());
                }
                Err(error) => error,
            };
            if *error.cause() != Cause::Conflict {
                return Err(error.into());
            }
            let existing = self.objects.get(&self.shelf.name).await?.unwrap_or_default();
            let seen = Metadata::of(&existing);
            if seen.uid == self.seen.uid && says_the_same(&existing, &object) {
                self.have_written(seen, &object);
                return Ok(());
            }
            let is_unwritten = self.written.as_deref() == text_at(&existing, &["data", HEAD]);
            if seen.uid != self.seen.uid || !is_unwritten || !pauses.pause().await {
                return Err(self.taken());
            }
            set_metadata(&mut object, "resourceVersion", seen.resource_version);
        }
    }

    /// The book packed and in base64.
    fn packed(&self, book: &Book) -> Result<Vec<String>, JournalError> {
        let packed = pack(book, PART_LIMIT).map_err(|cause| JournalError::Pack { object: self.name(), cause })?;
        Ok(packed.iter().map(|part| STANDARD.encode(part)).collect())
    }

    /// Writes all parts but the first, and answers with their names.
    async fn write_parts(&self, edition: &str, parts: &[String]) -> Result<Vec<String>, JournalError> {
        let mut names = Vec::new();
        for (number, part) in parts.iter().enumerate().skip(1) {
            let name = format!("{}-{edition}-{number}", self.shelf.name);
            let object = self.part_object(&name, "binaryData", BOOK, part);
            ensure::create(&self.objects, &object, &ensure::made_by(&self.head.switch_id)).await?;
            names.push(name);
        }
        Ok(names)
    }

    fn part_object(&self, name: &str, field: &str, key: &str, content: &str) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": name,
                "namespace": self.shelf.namespace,
                "labels": { labels::ROLE: labels::JOURNAL, labels::PART: "true", labels::SWITCH: self.head.switch_id },
                "annotations": { PAIR: pair(&self.head) },
            },
            field: { key: content },
        })
    }

    fn taken(&self) -> JournalError {
        JournalError::Taken { object: self.name() }
    }

    fn object(&self) -> Result<Value, JournalError> {
        let head = serde_json::to_string(&self.head)
            .map_err(|error| JournalError::Damaged { object: self.name(), cause: Damage::WriteHead(error) })?;
        let mut object = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": self.shelf.name,
                "namespace": self.shelf.namespace,
                "labels": { labels::ROLE: labels::JOURNAL, labels::SWITCH: self.head.switch_id },
                "annotations": { PAIR: pair(&self.head) },
            },
            "data": { HEAD: head },
        });
        if let (Some(part), Some(fields)) = (&self.first_part, object.as_object_mut()) {
            fields.insert("binaryData".to_owned(), json!({ BOOK: part }));
        }
        if !self.seen.resource_version.is_empty() {
            set_metadata(&mut object, "resourceVersion", self.seen.resource_version.as_str());
            set_metadata(&mut object, "uid", self.seen.uid.as_str());
        }
        Ok(object)
    }
}

/// Whether two journals have the same head and the same first part of the book.
fn says_the_same(one: &Value, other: &Value) -> bool {
    ["data", "binaryData"].iter().all(|field| one.get(field) == other.get(field))
}

/// A route that has changed since the book was written.
#[derive(Serialize, Deserialize)]
struct Change {
    route: RouteEntry,
}

/// The two namespaces, in one order for both directions.
fn pair(head: &Head) -> String {
    let mut names = [head.standby_namespace.as_str(), head.active_namespace.as_str()];
    names.sort_unstable();
    names.join(" ")
}
