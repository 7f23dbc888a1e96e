//! Plans what goes along with routes: the Secrets that they serve their certificates from, and cert-manager's
//! Certificates. Plain functions on plain data.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use crate::journal::{CertificateEntry, SecretEntry, SecretWay};
use crate::plan::findings::Findings;
use crate::plan::observed::{Certificate, Namespace, Observed, SecretThere};
use crate::side::Side;

/// The Secrets that the routes to be moved serve their certificates from, by the routes' namespace.
#[must_use]
pub fn named_secrets(namespace: &Namespace) -> BTreeSet<String> {
    namespace.movers().flat_map(|route| route.references.certificates.iter().cloned()).collect()
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
        object["spec"].clone()
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
    let movers: BTreeSet<&str> = here.movers().map(|route| route.metadata.uid.as_str()).collect();
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
