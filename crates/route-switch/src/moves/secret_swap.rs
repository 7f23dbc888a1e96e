//! Secrets whose name is needed for another: they are put aside under another name, and take the place of one another.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::cluster::ensure::{self, made_by};
use crate::journal::{SecretEntry, SecretWay};
use crate::moves::secrets::unlike;
use crate::moves::{MoveError, Moves, belongs};
use crate::plan::manifest::{at_home, copied, parked, returned, same_content, stand_in_name, unparked};
use crate::side::Side;
use lagoon_task::cluster::{Cause, Metadata, Objects};

impl Moves<'_> {
    /// Puts an old Secret that nothing uses aside, for the case that the switch is undone.
    pub(crate) async fn make_way(&self, entry: &SecretEntry) -> Result<(), MoveError> {
        let there = self.secrets(entry.home.other());
        let Some(old) = there.get(&entry.name).await? else { return Ok(()) };
        if made_by(&self.switch)(&old) {
            return Ok(());
        }
        let name = stand_in_name(&self.switch, "Secret", &entry.name);
        let (kept, _) = self.put(&there, &parked(&old, there.namespace(), &name, &self.switch)).await?;
        if !same_content(&old, &kept) {
            return Err(unlike(&entry.name, &there, "it could not be put aside"));
        }
        ensure::delete(&there, &Metadata::of(&old)).await?;
        Ok(())
    }

    /// Keeps the standby environment's Secret of this name on a side under another name.
    pub(crate) async fn park(&self, name: &str, to: Side) -> Result<(), MoveError> {
        let there = self.secrets(to);
        let parked_name = stand_in_name(&self.switch, "Secret", name);
        if there.get_metadata(&parked_name).await?.is_some() {
            return Ok(());
        }
        // At home, already under its own name on the other side, or put aside there.
        let Some(secret) = self.find(name, Side::Standby).await? else {
            return Err(unlike(name, &there, "it has gone"));
        };
        let wanted = parked(&secret, there.namespace(), &parked_name, &self.switch);
        let (kept, _) = self.put(&there, &wanted).await?;
        if !same_content(&secret, &kept) {
            return Err(unlike(name, &there, "it could not be put aside"));
        }
        Ok(())
    }

    /// The names under which these Secrets are put aside.
    pub(crate) fn names_aside(&self, secrets: &[String]) -> BTreeMap<String, String> {
        secrets.iter().map(|secret| (secret.clone(), stand_in_name(&self.switch, "Secret", secret))).collect()
    }

    pub(crate) fn is_of(&self, secret: &Value, home: Side, side: Side) -> bool {
        belongs(&Metadata::of(secret), home, side, &self.switch)
    }

    /// Has the Secret of this name on `side` be the one whose home is `home`. The one that is there has been put aside,
    /// or is on the other side by now: only then it is overwritten.
    pub(crate) async fn take_place(&self, name: &str, home: Side, side: Side) -> Result<(), MoveError> {
        let objects = self.secrets(side);
        let present = objects.get(name).await?;
        if let Some(present) = present.as_ref().filter(|present| self.is_of(present, home, side)) {
            return self.refresh(name, home, side, present).await;
        }
        let Some(source) = self.find(name, home).await? else {
            return Err(unlike(name, &objects, "the one that is to take its place has gone"));
        };
        let wanted = if side == home {
            returned(&source, objects.namespace(), &self.switch)
        } else {
            copied(&source, objects.namespace(), &self.switch)
        };
        let Some(present) = present else {
            let ours = |existing: &Value| self.is_of(existing, home, side);
            ensure::create(&objects, &wanted, &ours).await?;
            return Ok(());
        };
        let elsewhere = self.find_beside(name, home.other(), side).await?;
        // The copy of one that is still at home may be overwritten whatever it says: the one at home may have been renewed.
        let is_copy = side == home && self.find_on(name, home.other(), home.other()).await?.is_some();
        if !is_copy && !elsewhere.is_some_and(|other| same_content(&other, &present)) {
            return Err(unlike(name, &objects, "its content is nowhere else, so it is not overwritten"));
        }
        self.overwrite(&objects, &present, wanted, home, side).await
    }

    /// Has the copy that an earlier run has made say what the original says, if that is still there and has been renewed.
    async fn refresh(&self, name: &str, home: Side, side: Side, copy: &Value) -> Result<(), MoveError> {
        if side == home {
            return Ok(());
        }
        match self.find_on(name, home, home).await? {
            Some(original) if !same_content(&original, copy) => {
                let objects = self.secrets(side);
                let wanted = copied(&original, objects.namespace(), &self.switch);
                self.overwrite(&objects, copy, wanted, home, side).await
            }
            _ => Ok(()),
        }
    }

    async fn overwrite(
        &self,
        objects: &Objects<'_>,
        present: &Value,
        mut wanted: Value,
        home: Side,
        side: Side,
    ) -> Result<(), MoveError> {
        let seen = Metadata::of(present);
        // A Secret's type cannot change, nor can anything of an immutable one.
        if present["type"] != wanted["type"] || present["immutable"] == true {
            ensure::delete(objects, &seen).await?;
            let ours = |existing: &Value| self.is_of(existing, home, side);
            ensure::create(objects, &wanted, &ours).await?;
            return Ok(());
        }
        wanted["metadata"]["resourceVersion"] = seen.resource_version.as_str().into();
        match objects.replace(&wanted).await {
            Err(error) if *error.cause() == Cause::Conflict => {
                // The answer to this very request may have been lost.
                let now = objects.get(&seen.name).await?.unwrap_or_default();
                if self.is_of(&now, home, side) { Ok(()) } else { Err(error.into()) }
            }
            other => {
                other?;
                Ok(())
            }
        }
    }

    /// The Secret of this name whose home is `home`, wherever it is.
    async fn find(&self, name: &str, home: Side) -> Result<Option<Value>, MoveError> {
        for side in Side::BOTH {
            if let Some(found) = self.find_on(name, home, side).await? {
                return Ok(Some(found));
            }
        }
        self.find_parked(name, home).await
    }

    /// The same, but not under its own name on this side.
    async fn find_beside(&self, name: &str, home: Side, side: Side) -> Result<Option<Value>, MoveError> {
        match self.find_on(name, home, side.other()).await? {
            Some(found) => Ok(Some(found)),
            None => self.find_parked(name, home).await,
        }
    }

    async fn find_on(&self, name: &str, home: Side, side: Side) -> Result<Option<Value>, MoveError> {
        let found = self.secrets(side).get(name).await?;
        Ok(found.filter(|secret| self.is_of(secret, home, side)))
    }

    /// Only the standby environment's are put aside.
    async fn find_parked(&self, name: &str, home: Side) -> Result<Option<Value>, MoveError> {
        if home != Side::Standby {
            return Ok(None);
        }
        let parked_name = stand_in_name(&self.switch, "Secret", name);
        for side in [Side::Active, Side::Standby] {
            if let Some(parked) = self.secrets(side).get(&parked_name).await? {
                return Ok(unparked(&parked));
            }
        }
        Ok(None)
    }

    /// Deletes what was put aside, once its content is in its place.
    pub(crate) async fn delete_parked(&self) -> Result<(), MoveError> {
        for entry in self.companions().0 {
            let sides: &[Side] = match entry.way {
                SecretWay::Exchange if entry.home == Side::Standby => &Side::BOTH,
                SecretWay::Copy | SecretWay::Exchange => &[],
                SecretWay::Replace => &[entry.home.other()],
            };
            let name = stand_in_name(&self.switch, "Secret", &entry.name);
            for side in sides {
                let objects = self.secrets(*side);
                if let Some(parked) = objects.get_metadata(&name).await? {
                    ensure::delete(&objects, &parked).await?;
                }
            }
        }
        Ok(())
    }

    /// Puts the old Secret that had made way back under its own name.
    pub(crate) async fn put_back(&self, entry: &SecretEntry) -> Result<(), MoveError> {
        let there = self.secrets(entry.home.other());
        let aside = there.get(&stand_in_name(&self.switch, "Secret", &entry.name)).await?;
        let Some(old) = aside.as_ref().and_then(unparked) else { return Ok(()) };
        ensure::create(&there, &at_home(&old, there.namespace()), &|existing| same_content(existing, &old)).await?;
        Ok(())
    }
}
