//! The Secrets and Certificates that go along. No content is deleted before it has been seen, the same, elsewhere.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, PoisonError};

use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use crate::CONCURRENT;
use crate::cluster::ensure::{self, made_by};
use crate::cluster::observe::{allowed, certificate, none_of_unknown};
use crate::journal::{CertificateEntry, SecretEntry, SecretWay};
use crate::moves::{MoveError, Moves, belongs};
use crate::plan::manifest::{at_home, copied, returned, same_content};
use crate::route::Route;
use crate::side::{Side, Sides};
use lagoon_task::cluster::{Metadata, Objects};

/// What this run knows of a Secret that it has copied.
#[derive(Debug, Clone)]
pub(crate) struct Copied {
    /// The original.
    original: Metadata,
    /// Tells whether content is still the same, without keeping it.
    fingerprint: u64,
}

/// Keyed by chance, so that nobody can choose contents that look the same.
static FINGERPRINTS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

fn fingerprint(secret: &Value) -> u64 {
    FINGERPRINTS.hash_one(format!("{}{}", secret["type"], secret["data"]))
}

impl<'a> Moves<'a> {
    pub(crate) fn secrets(&self, side: Side) -> Objects<'a> {
        self.looking.secrets(side)
    }

    /// Copies what goes along before any route moves. What a name on the other side is needed for comes later.
    pub(crate) async fn copy_companions(&self) -> Result<(), MoveError> {
        let (secrets, certificates) = self.companions();
        let has_failed = &AtomicBool::new(false);
        let copies = stream::iter(secrets).map(|entry| async move {
            if has_failed.load(Ordering::Relaxed) {
                return Ok(());
            }
            let copied = self.copy(&entry).await;
            has_failed.fetch_or(copied.is_err(), Ordering::Relaxed);
            copied
        });
        // All that have begun end: one that was given up on its way could still be created, after the undoing.
        let copies: Vec<Result<(), MoveError>> = copies.buffer_unordered(CONCURRENT).collect().await;
        copies.into_iter().collect::<Result<(), _>>()?;
        for certificate in certificates.iter().filter(|certificate| certificate.copied && !certificate.exchanged) {
            self.create_certificate(certificate, certificate.home.other()).await?;
        }
        Ok(())
    }

    async fn copy(&self, entry: &SecretEntry) -> Result<(), MoveError> {
        match entry.way {
            SecretWay::Exchange if entry.home == Side::Standby => self.park(&entry.name, Side::Active).await,
            SecretWay::Exchange => Ok(()),
            SecretWay::Copy => self.copy_to_the_other_side(entry).await,
            SecretWay::Replace => {
                self.make_way(entry).await?;
                self.copy_to_the_other_side(entry).await
            }
        }
    }

    pub(crate) async fn copy_to_the_other_side(&self, entry: &SecretEntry) -> Result<(), MoveError> {
        let (here, there) = (self.secrets(entry.home), self.secrets(entry.home.other()));
        let Some(original) = here.get(&entry.name).await? else {
            // A route may name a Secret that is yet to come; an earlier run may have brought and deleted this one.
            if there.get_metadata(&entry.name).await?.is_none() {
                self.caller.say(&format!(
                    "Secret \"{}\" in namespace \"{}\" does not exist (yet), so nothing goes along with the routes that \
                     name it.",
                    lagoon_task::output::escape(&entry.name),
                    here.namespace()
                ));
            }
            return Ok(());
        };
        let copy = copied(&original, there.namespace(), &self.switch);
        let (kept, is_new) = self.put(&there, &copy).await?;
        match same_content(&original, &kept) {
            true => {}
            false if is_new => return Err(unlike(&entry.name, &there, "its copy is not like the original")),
            // One of the two has been renewed since an earlier run made the copy: both stay.
            false => return Ok(()),
        }
        let known = Copied { original: Metadata::of(&original), fingerprint: fingerprint(&original) };
        let mut all = self.copied.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert((entry.home, entry.name.clone()), known);
        Ok(())
    }

    /// Creates a Secret and answers with what the server keeps of it, and whether this very request has made it.
    pub(crate) async fn put(&self, objects: &Objects<'_>, secret: &Value) -> Result<(Value, bool), MoveError> {
        if let Ok(kept) = objects.create(secret).await {
            return Ok((kept, true));
        }
        let seen = ensure::create(objects, secret, &made_by(&self.switch)).await?;
        Ok((objects.get(&seen.name).await?.unwrap_or_default(), false))
    }

    pub(crate) async fn create_certificate(&self, entry: &CertificateEntry, side: Side) -> Result<(), MoveError> {
        let objects = self.looking.cluster.objects(&certificate(), self.names().of(side));
        let object = if side == entry.home {
            at_home(&entry.object(), objects.namespace())
        } else {
            copied(&entry.object(), objects.namespace(), &self.switch)
        };
        let ours = |existing: &Value| self.is_of(existing, entry.home, side);
        ensure::create(&objects, &object, &ours).await?;
        Ok(())
    }

    /// Deletes the Certificate of this home from a side, if it is there.
    pub(crate) async fn delete_certificate(&self, entry: &CertificateEntry, side: Side) -> Result<(), MoveError> {
        let objects = self.looking.cluster.objects(&certificate(), self.names().of(side));
        let Some(mut seen) = objects.get_metadata(&entry.name).await? else { return Ok(()) };
        // At home one of that name may be a later one, which cert-manager made for a route that has come.
        let later = side == entry.home && seen.uid != entry.uid && !entry.copied;
        if belongs(&seen, entry.home, side, &self.switch) && !later {
            // cert-manager writes its status all the time.
            seen.resource_version.clear();
            ensure::delete(&objects, &seen).await?;
        }
        Ok(())
    }

    /// After all routes have moved: deletes the originals of what was copied, unless a route that is there still names
    /// them, and what stood in. A Certificate goes before its Secret, or cert-manager would issue the Secret anew.
    pub(crate) async fn clean_up(&self, routes: &Sides<Vec<Route>>) -> Result<(), MoveError> {
        let (mut originals, certificates) = self.companions();
        // A route that is being deleted needs nothing any more.
        let is_named = |side: Side, secret: &str| {
            let mut stay = routes.of(side).iter().filter(|route| route.metadata.deletion_timestamp.is_none());
            stay.any(|route| route.references.name_secret(secret))
        };
        for entry in certificates.iter().filter(|entry| !entry.exchanged) {
            let named = is_named(entry.home, &entry.secret);
            if !named || !entry.copied {
                self.delete_certificate(entry, entry.home).await?;
            }
        }
        let kept = self.secrets_kept_supplied().await?;
        originals.retain(|entry| {
            entry.way != SecretWay::Exchange
                && !kept.contains(&(entry.home, entry.name.clone()))
                && !is_named(entry.home, &entry.name)
        });
        let deletes = stream::iter(originals).map(|entry| async move { self.delete_original(&entry).await });
        deletes.buffer_unordered(CONCURRENT).try_collect::<Vec<()>>().await?;
        self.delete_parked().await
    }

    /// The Secrets for which a Certificate is still there: also one that does not go along, as the other side has the
    /// same.
    async fn secrets_kept_supplied(&self) -> Result<BTreeSet<(Side, String)>, MoveError> {
        let mut kept = BTreeSet::new();
        if !self.has_certificates || self.book().secrets.is_empty() {
            return Ok(kept);
        }
        for side in Side::BOTH {
            let objects = self.looking.cluster.objects(&certificate(), self.names().of(side));
            let named =
                objects.list(|object| object.pointer("/spec/secretName").and_then(Value::as_str).map(str::to_owned));
            let named = allowed(none_of_unknown(named.await))?.unwrap_or_default();
            kept.extend(named.into_iter().flatten().map(|name| (side, name)));
        }
        Ok(kept)
    }

    /// Deletes a Secret from its home after its copy has been read and compared.
    async fn delete_original(&self, entry: &SecretEntry) -> Result<(), MoveError> {
        let (here, there) = (self.secrets(entry.home), self.secrets(entry.home.other()));
        let known = {
            let all = self.copied.lock().unwrap_or_else(PoisonError::into_inner);
            all.get(&(entry.home, entry.name.clone())).cloned()
        };
        let known = match known {
            Some(known) => known,
            // An earlier run has copied it.
            None => match here.get(&entry.name).await? {
                Some(original) if belongs(&Metadata::of(&original), entry.home, entry.home, &self.switch) => {
                    Copied { original: Metadata::of(&original), fingerprint: fingerprint(&original) }
                }
                _ => return Ok(()),
            },
        };
        let copy = there.get(&entry.name).await?;
        let is_safe = copy.is_some_and(|copy| fingerprint(&copy) == known.fingerprint);
        let deleted = if is_safe { ensure::delete(&here, &known.original).await.map(drop) } else { Ok(()) };
        match deleted {
            Ok(()) if is_safe => Ok(()),
            Ok(()) | Err(ensure::SureError::Changed { .. }) => {
                self.say_both_stay(&entry.name, &here);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn say_both_stay(&self, name: &str, objects: &Objects<'_>) {
        self.caller.say(&format!(
            "Secret \"{}\" stays in namespace \"{}\" too: one of the two has changed during the switch.",
            lagoon_task::output::escape(name),
            objects.namespace()
        ));
    }

    /// After all routes are back: deletes the copies, and puts back what made way.
    pub(crate) async fn undo_companions(&self) -> Result<(), MoveError> {
        let (secrets, certificates) = self.companions();
        for entry in certificates.iter().filter(|entry| entry.copied && !entry.exchanged) {
            self.create_certificate(entry, entry.home).await?;
            self.delete_certificate(entry, entry.home.other()).await?;
        }
        let undone = stream::iter(secrets).map(|entry| async move { self.undo_copy(&entry).await });
        undone.buffer_unordered(CONCURRENT).try_collect::<Vec<()>>().await?;
        self.delete_parked().await
    }

    async fn undo_copy(&self, entry: &SecretEntry) -> Result<(), MoveError> {
        if entry.way == SecretWay::Exchange {
            return Ok(());
        }
        let (here, there) = (self.secrets(entry.home), self.secrets(entry.home.other()));
        if let Some(copy) = there.get(&entry.name).await?.filter(made_by(&self.switch)) {
            // The original is still there, unless the clean-up had begun.
            match here.get(&entry.name).await? {
                Some(original) if same_content(&original, &copy) => {}
                Some(_) => {
                    self.say_both_stay(&entry.name, &there);
                    return Ok(());
                }
                None => {
                    let original = returned(&copy, here.namespace(), &self.switch);
                    ensure::create(&here, &original, &|_| true).await?;
                }
            }
            ensure::delete(&there, &Metadata::of(&copy)).await?;
        }
        if entry.way == SecretWay::Replace {
            self.put_back(entry).await?;
        }
        Ok(())
    }
}

pub(crate) fn unlike(name: &str, objects: &Objects<'_>, reason: &str) -> MoveError {
    let (name, namespace) = (name.to_owned(), objects.namespace().to_owned());
    MoveError::Secret { name, namespace, reason: reason.to_owned() }
}
