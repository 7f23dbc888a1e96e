//! The Secrets and Certificates that go along. No content is deleted before it has been seen, the same, elsewhere.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, PoisonError};

use futures::future::try_join;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use crate::CONCURRENT;
use crate::cluster::ensure::{self, SureError, made_by};
use crate::cluster::kinds::certificate;
use crate::cluster::owners;
use crate::journal::{CertificateEntry, RouteEntry, SecretEntry, SecretWay};
use crate::moves::{MoveError, Moves, belongs};
use crate::mutants::{Mutant, is_planted};
use crate::plan::manifest::{
    at_home, copied, is_key_pair, kept_aside, kept_name, returned, same_content, under_its_own_name,
};
use crate::plan::observed::SecretUsers;
use crate::route::Route;
use crate::side::{Side, Sides};
use lagoon_task::cluster::{Cause, ClusterError, Metadata, Objects};

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

    /// Copies what goes along before any route moves.
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
        for certificate in certificates.iter().filter(|certificate| certificate.copied) {
            self.create_certificate(certificate, certificate.home.other()).await?;
        }
        Ok(())
    }

    async fn copy(&self, entry: &SecretEntry) -> Result<(), MoveError> {
        match entry.way {
            SecretWay::Brought => return Ok(()),
            SecretWay::Replace => self.make_way(entry).await?,
            SecretWay::Copy => {}
        }
        self.copy_to_the_other_side(entry).await
    }

    /// Keeps an old Secret that nothing uses under another name, where another of its name is to come.
    async fn make_way(&self, entry: &SecretEntry) -> Result<(), MoveError> {
        let there = self.secrets(entry.home.other());
        let Some(old) = there.get(&entry.name).await? else { return Ok(()) };
        let seen = Metadata::of(&old);
        if made_by(&self.switch)(&old) || seen.deletion_timestamp.is_some() {
            return Ok(());
        }
        let name = kept_name(&self.switch, &entry.name);
        let (kept, _) = self.put(&there, &kept_aside(&old, there.namespace(), &name, &self.switch)).await?;
        if !same_content(&old, &kept) {
            return Err(unlike(&entry.name, &there, "it could not be put aside"));
        }
        ensure::delete(&there, &seen).await?;
        self.caller.say(&format!(
            "Secret \"{}\" in namespace \"{}\" makes way for another of its name; its content is kept as Secret \"{name}\" there.",
            lagoon_task::output::escape(&entry.name),
            there.namespace()
        ));
        Ok(())
    }

    /// Puts the old Secret that had made way back under its own name.
    async fn put_back(&self, entry: &SecretEntry) -> Result<(), MoveError> {
        let there = self.secrets(entry.home.other());
        let kept = there.get(&kept_name(&self.switch, &entry.name)).await?;
        let Some((kept, old)) = kept.and_then(|kept| under_its_own_name(&kept).map(|old| (kept, old))) else {
            return Ok(());
        };
        let present = there.get(&entry.name).await?;
        let back = match present.filter(|present| Metadata::of(present).deletion_timestamp.is_none()) {
            // It never made way.
            Some(present) => present,
            None => self.put(&there, &at_home(&old, there.namespace())).await?.0,
        };
        if same_content(&back, &kept) {
            ensure::delete(&there, &Metadata::of(&kept)).await?;
        }
        Ok(())
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
        match same_content(&original, &kept) || is_planted(Mutant::CopyNotCompared) {
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

    /// Creates a Secret and answers with what the server keeps of it, and whether this very request has made it. Every Secret
    /// that a switch writes is written here.
    pub(crate) async fn put(&self, objects: &Objects<'_>, secret: &Value) -> Result<(Value, bool), MoveError> {
        if !is_key_pair(secret, self.authority.takes_opaque()) {
            let kind = lagoon_task::output::escape(secret["type"].as_str().unwrap_or_default());
            let reason =
                format!("it is of type \"{kind}\", and only TLS Secrets (kubernetes.io/tls) move with their routes");
            return Err(unlike(&Metadata::of(secret).name, objects, &reason));
        }
        if let Ok(kept) = objects.create(secret).await {
            return Ok((kept, true));
        }
        let seen = ensure::create(objects, secret, &made_by(&self.switch)).await?;
        Ok((objects.get(&seen.name).await?.unwrap_or_default(), false))
    }

    pub(crate) async fn create_certificate(&self, entry: &CertificateEntry, side: Side) -> Result<(), MoveError> {
        let objects = self.looking.cluster.objects(&certificate(), self.names().of(side));
        let object = if side == entry.home {
            let object = at_home(&entry.object(), objects.namespace());
            let kinds = self.authority.owner_kinds();
            owners::restore(self.looking.cluster, kinds, objects.namespace(), &entry.object(), object).await
        } else {
            copied(&entry.object(), objects.namespace(), &self.switch)
        };
        let ours = |existing: &Value| belongs(&Metadata::of(existing), entry.home, side, &self.switch);
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

    /// After all routes have moved: deletes the originals of what was copied, unless something that is there still uses
    /// them. A Certificate goes before its Secret, or cert-manager would issue the Secret anew.
    pub(crate) async fn clean_up(&self, routes: &Sides<Vec<Route>>) -> Result<(), MoveError> {
        let (originals, certificates) = self.companions();
        // A route that is being deleted needs nothing any more.
        let route_using = |side: Side, secret: &str| {
            let mut stay = routes.of(side).iter().filter(|route| route.metadata.deletion_timestamp.is_none());
            let user = stay.find(|route| route.references.name_secret(secret))?;
            Some(format!("{} \"{}\"", user.kind_name(), user.metadata.name))
        };
        for entry in &certificates {
            let is_needed = if entry.copied {
                route_using(entry.home, &entry.secret).is_some()
            } else {
                // Its route may have stayed after all.
                let uids = owners::uids(&entry.object());
                routes.of(entry.home).iter().any(|route| uids.contains(&route.metadata.uid))
            };
            if !is_needed {
                self.delete_certificate(entry, entry.home).await?;
            }
        }
        let (standby, active) =
            try_join(self.users(Side::Standby, &originals), self.users(Side::Active, &originals)).await?;
        let users = Sides { standby, active };
        let unused = originals.into_iter().filter(|entry| {
            let users = users.of(entry.home).get(&entry.name).filter(|_| !is_planted(Mutant::SecretUsersNotAsked));
            let other = users.and_then(|users| users.first().cloned());
            let user = route_using(entry.home, &entry.name).or(other);
            if let Some(user) = &user {
                self.say_both_stay(&entry.name, &self.secrets(entry.home), &format!("{user} uses it there"));
            }
            user.is_none()
        });
        let deletes = stream::iter(unused).map(|entry| async move { self.delete_original(&entry).await });
        deletes.buffer_unordered(CONCURRENT).try_collect::<Vec<()>>().await.map(drop)
    }

    /// Who still uses the Secrets of a home, if any of these is from there.
    async fn users(&self, home: Side, originals: &[SecretEntry]) -> Result<SecretUsers, ClusterError> {
        if originals.iter().any(|entry| entry.home == home) {
            self.looking.secret_users(home, &self.groups, true).await
        } else {
            Ok(SecretUsers::new())
        }
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
        let is_safe = copy.is_some_and(|copy| {
            let is_going = Metadata::of(&copy).deletion_timestamp.is_some();
            (!is_going || is_planted(Mutant::TerminatingCopyCounted)) && fingerprint(&copy) == known.fingerprint
        });
        if !is_safe && !is_planted(Mutant::OriginalNotCompared) {
            self.say_both_stay(&entry.name, &here, CHANGED);
            return Ok(());
        }
        let mut original = known.original;
        if is_planted(Mutant::RenewedOriginalDeleted) {
            original.resource_version.clear();
        }
        match ensure::delete(&here, &original).await {
            Ok(_) => Ok(()),
            Err(SureError::Changed { .. }) => {
                self.say_both_stay(&entry.name, &here, CHANGED);
                Ok(())
            }
            // A policy of the cluster that lets no Secret be deleted is no reason to leave a switch unfinished.
            Err(SureError::Cluster(error)) if matches!(error.cause(), Cause::Denied(_)) => {
                self.say_both_stay(&entry.name, &here, &error.cause().to_string());
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn say_both_stay(&self, name: &str, objects: &Objects<'_>, reason: &str) {
        self.caller.say(&format!(
            "Secret \"{}\" stays in namespace \"{}\" too: {reason}.",
            lagoon_task::output::escape(name),
            objects.namespace()
        ));
    }

    /// After all routes are back: deletes the copies, and puts back what made way.
    pub(crate) async fn undo_companions(&self) -> Result<(), MoveError> {
        let (secrets, certificates) = self.companions();
        for entry in certificates.iter().filter(|entry| entry.copied) {
            if self.may_return(entry).await? {
                self.create_certificate(entry, entry.home).await?;
                self.delete_certificate(entry, entry.home.other()).await?;
            }
        }
        let undone = stream::iter(secrets).map(|entry| async move { self.undo_copy(&entry).await });
        undone.buffer_unordered(CONCURRENT).try_collect::<Vec<()>>().await.map(drop)
    }

    /// Before routes go back: puts the Secrets back that are no longer at home or go with an owner that the switch has deleted.
    /// Otherwise the routes would serve no certificate of their own: the garbage collector would take the Secrets, and
    /// cert-manager issue them anew.
    pub(crate) async fn restore_originals(&self, routes: &Sides<Vec<Route>>) -> Result<(), MoveError> {
        let gone = self.delete_orphans(routes).await;
        for entry in self.companions().0 {
            let (here, there) = (self.secrets(entry.home), self.secrets(entry.home.other()));
            let Some(copy) = there.get(&entry.name).await?.filter(made_by(&self.switch)) else { continue };
            if Metadata::of(&copy).deletion_timestamp.is_some() {
                continue;
            }
            let is_free = match here.get(&entry.name).await? {
                None => true,
                // Its content is there too. Nobody issues it anew meanwhile: its Certificate and its route are gone.
                Some(original) if is_orphan(&original, &gone) && same_content(&original, &copy) => {
                    ensure::delete(&here, &Metadata::of(&original)).await.is_ok()
                }
                Some(_) => false,
            };
            if is_free {
                self.put(&here, &returned(&copy, here.namespace(), &self.switch)).await?;
            }
        }
        Ok(())
    }

    /// Deletes the Certificates whose routes have left, as the garbage collector would sooner or later. Answers with the uids
    /// of all that is gone from its home.
    async fn delete_orphans(&self, routes: &Sides<Vec<Route>>) -> BTreeSet<String> {
        let is_there = |side: Side, uid: &str| routes.of(side).iter().any(|route| route.metadata.uid == uid);
        let left: Vec<RouteEntry> = self.book().routes.clone();
        let left = left.into_iter().filter(|entry| !is_there(entry.home, &entry.uid));
        let mut gone: BTreeSet<String> = left.map(|entry| entry.uid).collect();
        for entry in self.companions().1.into_iter().filter(|entry| !entry.copied) {
            let is_orphan = is_orphan(&entry.object(), &gone);
            if is_orphan && self.delete_certificate(&entry, entry.home).await.is_ok() {
                gone.insert(entry.uid);
            }
        }
        gone
    }

    async fn undo_copy(&self, entry: &SecretEntry) -> Result<(), MoveError> {
        let (here, there) = (self.secrets(entry.home), self.secrets(entry.home.other()));
        for _ in 0..UNDO_ATTEMPTS {
            let Some(copy) = there.get(&entry.name).await?.filter(made_by(&self.switch)) else { break };
            if !self.is_back(entry, &here, &copy).await? {
                self.say_both_stay(&entry.name, &there, "the one that it was copied from has changed, or may yet go");
                return Ok(());
            }
            match ensure::delete(&there, &Metadata::of(&copy)).await {
                // cert-manager writes on Secrets whose Certificates come and go: it is compared again.
                Err(SureError::Changed { .. }) => {}
                Err(SureError::Cluster(error)) if matches!(error.cause(), Cause::Denied(_)) => {
                    self.say_both_stay(&entry.name, &there, &error.cause().to_string());
                    return Ok(());
                }
                other => {
                    other?;
                    break;
                }
            }
        }
        // Whether an earlier run had one make way, only what it has kept tells.
        if entry.way == SecretWay::Replace || self.is_resumed {
            self.put_back(entry).await?;
        }
        Ok(())
    }

    /// Whether a Certificate may be created at home again, unless it is there: cert-manager would write over the Secret that
    /// it names, so that one must be the one that went along, or none.
    async fn may_return(&self, entry: &CertificateEntry) -> Result<bool, MoveError> {
        if !entry.uid.is_empty() {
            return Ok(true);
        }
        let (here, there) = (self.secrets(entry.home), self.secrets(entry.home.other()));
        let Some(original) = here.get(&entry.secret).await? else { return Ok(true) };
        Ok(there.get(&entry.secret).await?.is_some_and(|copy| same_content(&original, &copy)))
    }

    /// Makes sure that the Secret is at home, to stay, with the content of its copy. The original is there, unless the
    /// clean-up had begun, or it goes with an owner that the switch has deleted.
    async fn is_back(&self, entry: &SecretEntry, here: &Objects<'_>, copy: &Value) -> Result<bool, MoveError> {
        let original = match here.get(&entry.name).await? {
            Some(original) if Metadata::of(&original).deletion_timestamp.is_some() => return Ok(false),
            Some(original) => original,
            None => match self.put(here, &returned(copy, here.namespace(), &self.switch)).await {
                Ok((created, _)) => created,
                // cert-manager has issued one anew for the route that is back: then both stay.
                Err(MoveError::Sure(SureError::Cluster(error))) if *error.cause() == Cause::AlreadyExists => {
                    return Ok(false);
                }
                // It is none that this program writes.
                Err(MoveError::Secret { .. }) => return Ok(false),
                Err(error) => return Err(error),
            },
        };
        let kinds = self.authority.owner_kinds();
        let stays = owners::all_live(self.looking.cluster, kinds, here.namespace(), &original).await;
        Ok(stays && (same_content(&original, copy) || is_planted(Mutant::UndoneCopyNotCompared)))
    }
}

/// A copy that others keep changing is tried to be taken back this often, and then stays.
const UNDO_ATTEMPTS: u32 = 5;

/// Why a Secret is not deleted although it has gone along.
const CHANGED: &str = "one of the two has changed during the switch";

/// Whether all owners of an object are among these, which are gone.
fn is_orphan(object: &Value, gone: &BTreeSet<String>) -> bool {
    let owners = owners::uids(object);
    !owners.is_empty() && owners.is_subset(gone)
}

pub(crate) fn unlike(name: &str, objects: &Objects<'_>, reason: &str) -> MoveError {
    let (name, namespace) = (name.to_owned(), objects.namespace().to_owned());
    MoveError::Secret { name, namespace, reason: reason.to_owned() }
}
