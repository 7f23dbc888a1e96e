//! Plans what goes along with routes: the Secrets that they serve their certificates from, and cert-manager's
//! Certificates. Plain functions on plain data.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use crate::journal::{CertificateEntry, RouteEntry, SecretEntry, SecretWay};
use crate::labels;
use crate::plan::findings::Findings;
use crate::plan::manifest::returned;
use crate::plan::observed::{Certificate, Namespace, Observed, SecretThere};
use crate::route::Sighting;
use crate::side::Side;

/// The Secrets that the routes to be moved serve their certificates from, by the routes' namespace. For a route that is not
/// seen there nothing is looked at: what it names, the journal alone says.
#[must_use]
pub fn named_secrets(namespace: &Namespace) -> BTreeSet<String> {
    let seen = namespace.movers().filter(|route| route.sighting == Sighting::Seen);
    seen.flat_map(|route| route.references.certificates().cloned()).collect()
}

/// The Secrets of all routes that are still to move.
pub(crate) fn all_named(observed: &Observed) -> impl Iterator<Item = SecretEntry> {
    let of = |home: Side| named_secrets(observed.sides.of(home)).into_iter().map(move |name| (home, name));
    Side::BOTH.into_iter().flat_map(of).map(|(home, name)| SecretEntry { home, name, way: SecretWay::Copy })
}

/// What an earlier run of this switch has brought along with the routes that are gone from home: their Secrets, but for those
/// that other routes there still name, and the Certificates that it has copied or that those routes owned.
pub(crate) fn brought(
    observed: &Observed,
    switch: &str,
    gone: &[&RouteEntry],
) -> (Vec<SecretEntry>, Vec<CertificateEntry>) {
    let (mut secrets, mut certificates) = (Vec::new(), Vec::new());
    for home in Side::BOTH {
        let (here, there) = (observed.sides.of(home), observed.sides.of(home.other()));
        let gone = || gone.iter().filter(|route| route.home == home);
        let named = named_secrets(here);
        let alone: BTreeSet<&String> =
            gone().flat_map(|route| &route.secrets).filter(|name| !named.contains(*name)).collect();
        let copies = there.certificates.iter().filter(|copy| {
            copy.metadata.labels.get(labels::SWITCH).is_some_and(|label| label == switch)
                && (named.contains(&copy.secret) || alone.contains(&copy.secret))
        });
        for copy in copies {
            let original = here.certificates.iter().find(|one| one.metadata.name == copy.metadata.name);
            certificates
                .extend(original.map_or_else(|| deleted(copy, home, &here.name, switch), |one| entry(one, home, true)));
        }
        let owned = here.certificates.iter().filter(|one| gone().any(|route| one.owners.contains(&route.uid)));
        certificates.extend(owned.filter_map(|certificate| entry(certificate, home, false)));
        let brought = |name: &&String| SecretEntry { home, name: (*name).clone(), way: SecretWay::Brought };
        secrets.extend(alone.iter().map(brought));
    }
    (secrets, certificates)
}

/// A Certificate that is only the copy of an earlier run any more: what it was at home, it says itself.
fn deleted(copy: &Certificate, home: Side, namespace: &str, switch: &str) -> Option<CertificateEntry> {
    let object = serde_json::from_str(&copy.manifest).ok()?;
    let manifest = RawValue::from_string(returned(&object, namespace, switch).to_string()).ok()?;
    Some(CertificateEntry { manifest, uid: String::new(), ..entry(copy, home, true)? })
}

/// The Secrets that go along, but for those in `known`, which an earlier run has planned.
pub(crate) fn secrets(observed: &Observed, known: &[SecretEntry], findings: &mut Findings) -> Vec<SecretEntry> {
    let mut entries = Vec::new();
    for home in Side::BOTH {
        let is_known = |name: &String| known.iter().any(|entry| entry.home == home && entry.name == *name);
        for name in named_secrets(observed.sides.of(home)).into_iter().filter(|name| !is_known(name)) {
            let there = observed.destinations.get(&(home, name.clone()));
            let way = match there {
                None => Some(SecretWay::Copy),
                // A copy that an earlier run of this switch has made.
                Some(there) if observed.resumed.is_some() && there.switch == observed.resumed => Some(SecretWay::Copy),
                Some(SecretThere { same: Some(true) | None, .. }) => None,
                Some(there) => occupied(observed, home, &name, there, findings),
            };
            entries.extend(way.map(|way| SecretEntry { home, name, way }));
        }
    }
    entries
}

/// What can be done where the other namespace has a Secret of that name with other content.
fn occupied(
    observed: &Observed,
    home: Side,
    name: &str,
    secret: &SecretThere,
    findings: &mut Findings,
) -> Option<SecretWay> {
    let (here, there) = (observed.sides.of(home), observed.sides.of(home.other()));
    let by_route = there
        .routes
        .iter()
        .find(|route| route.references.name_secret(name))
        .map(|route| format!("{} \"{}\" in namespace \"{}\"", route.kind_name(), route.metadata.name, there.name));
    let other = there.users.get(name).and_then(|users| users.first());
    let used = by_route.or_else(|| other.map(|user| format!("{user} in namespace \"{}\"", there.name)));
    let in_the_way = match used {
        Some(what) => format!("which {what} uses"),
        None if !secret.issued => "which cert-manager did not issue, so it may be needed".to_owned(),
        None if kept_supplied(observed, home, name).is_some() => "which a Certificate there keeps supplied".to_owned(),
        None => return Some(SecretWay::Replace),
    };
    findings.problem(
        format!("Secret \"{name}\" in namespace \"{}\"", here.name),
        format!(
            "it should go along with its routes, but namespace \"{}\" has a Secret of that name with other content, \
             {in_the_way}",
            there.name
        ),
        "Rename one of the two Secrets, or delete the one that is not needed",
    );
    None
}

/// A Certificate on the other side that keeps the Secret of this name supplied, and is not of the same specification
/// as one on this side.
fn kept_supplied<'a>(observed: &'a Observed, home: Side, name: &str) -> Option<&'a Certificate> {
    let (here, there) = (observed.sides.of(home), observed.sides.of(home.other()));
    there
        .certificates
        .iter()
        .filter(|other| other.secret == name)
        .find(|other| !here.certificates.iter().any(|own| own.metadata.name == other.metadata.name && same(own, other)))
}

fn same(one: &Certificate, other: &Certificate) -> bool {
    let specification = |certificate: &Certificate| {
        let object: serde_json::Value = serde_json::from_str(&certificate.manifest).unwrap_or_default();
        object.get("spec").cloned()
    };
    specification(one) == specification(other)
}

/// The Certificates that go along, or go, but for those in `known`, which an earlier run has planned.
pub(crate) fn certificates(
    observed: &Observed,
    known: &[CertificateEntry],
    findings: &mut Findings,
) -> Vec<CertificateEntry> {
    let mut entries = Vec::new();
    for home in Side::BOTH {
        let (here, there) = (observed.sides.of(home), observed.sides.of(home.other()));
        for (certificate, owned) in going(here) {
            let name = &certificate.metadata.name;
            if known.iter().any(|entry| entry.home == home && entry.name == *name) {
                continue;
            }
            let other = there.certificates.iter().find(|other| other.metadata.name == *name);
            // Whether that one leaves too, and if so, whether a route that leaves owns it.
            let comes_back = going(there).find(|(other, _)| other.metadata.name == *name).map(|(_, owned)| owned);
            let stays = comes_back != Some(true) && other.is_some_and(|other| same(certificate, other));
            if stays && !owned {
                continue;
            }
            // Of two that routes own, cert-manager makes either anew.
            let in_the_way = match comes_back {
                None => other.is_some() && !owned,
                Some(other_owned) => !(owned && other_owned),
            };
            if in_the_way {
                findings.problem(
                    format!("Certificate \"{name}\" in namespace \"{}\"", here.name),
                    format!(
                        "it should go along with its routes, but namespace \"{}\" has another Certificate of that name",
                        there.name
                    ),
                    "Rename one of the two Certificates, or delete the one that is not needed",
                );
                continue;
            }
            entries.extend(entry(certificate, home, !owned));
        }
    }
    entries
}

/// The Certificates of a namespace that belong to routes that leave it, and whether such a route owns them.
fn going(here: &Namespace) -> impl Iterator<Item = (&Certificate, bool)> {
    let secrets = named_secrets(here);
    let seen = here.movers().filter(|route| route.sighting == Sighting::Seen);
    let movers: BTreeSet<&str> = seen.map(|route| route.metadata.uid.as_str()).collect();
    here.certificates.iter().filter_map(move |certificate| {
        let owned = certificate.owners.iter().any(|owner| movers.contains(owner.as_str()));
        let independent = certificate.owners.is_empty() && secrets.contains(&certificate.secret);
        // One that a route owns which stays, or a Gateway, stays with it.
        (owned || independent).then_some((certificate, owned))
    })
}

fn entry(certificate: &Certificate, home: Side, copied: bool) -> Option<CertificateEntry> {
    Some(CertificateEntry {
        home,
        name: certificate.metadata.name.clone(),
        uid: certificate.metadata.uid.clone(),
        secret: certificate.secret.clone(),
        copied,
        manifest: RawValue::from_string(certificate.manifest.clone()).ok()?,
    })
}

#[cfg(test)]
mod tests;
