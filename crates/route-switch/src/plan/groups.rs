//! Which routes can move by themselves, and which must change places together. Plain functions on plain data.

use std::collections::BTreeMap;

use crate::journal::{Book, SecretWay};
use crate::side::Side;

/// Routes that move together, by their places in the book.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Component {
    /// The routes.
    pub routes: Vec<usize>,
    /// The Secrets of a name that moves both ways; each name once.
    pub exchanged_secrets: Vec<String>,
    /// The Certificates that must make way for others.
    pub exchanged_certificates: Vec<usize>,
}

impl Component {
    /// Whether names are taken on both sides, so that the routes change places step by step.
    #[must_use]
    pub fn is_exchange(&self) -> bool {
        self.routes.len() > 1
    }
}

/// A name that only one object of a namespace can have.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Name<'a> {
    Route(&'a str, &'a str),
    Secret(&'a str),
    Certificate(&'a str),
}

/// Parts the book: routes that share a name that moves both ways are in one component, every other route has its own.
#[must_use]
pub fn components(book: &Book) -> Vec<Component> {
    let mut groups = Groups::new(book.routes.len());
    let mut first_with: BTreeMap<Name<'_>, usize> = BTreeMap::new();
    for (place, route) in book.routes.iter().enumerate() {
        let mut names = vec![Name::Route(&route.kind, &route.name)];
        for secret in &route.secrets {
            if is_exchanged(book, secret) {
                names.push(Name::Secret(secret));
            }
            let certificates =
                book.certificates.iter().filter(|one| one.exchanged && one.home == route.home && one.secret == *secret);
            names.extend(certificates.map(|certificate| Name::Certificate(&certificate.name)));
        }
        for name in names {
            let first = *first_with.entry(name).or_insert(place);
            groups.join(first, place);
        }
    }
    let mut components: BTreeMap<usize, Component> = BTreeMap::new();
    for place in 0..book.routes.len() {
        components.entry(groups.leader(place)).or_default().routes.push(place);
    }
    let mut components: Vec<Component> = components.into_values().collect();
    for component in components.iter_mut().filter(|component| component.is_exchange()) {
        add_companions(component, book);
    }
    components
}

fn is_exchanged(book: &Book, secret: &str) -> bool {
    book.secrets.iter().any(|entry| entry.name == secret && entry.way == SecretWay::Exchange)
}

fn add_companions(component: &mut Component, book: &Book) {
    let names = |home: Side, secret: &str| {
        component.routes.iter().any(|place| {
            let route = &book.routes[*place];
            route.home == home && route.secrets.contains(secret)
        })
    };
    let mut secrets: Vec<String> = book
        .secrets
        .iter()
        .filter(|entry| entry.way == SecretWay::Exchange && names(entry.home, &entry.name))
        .map(|entry| entry.name.clone())
        .collect();
    secrets.sort();
    secrets.dedup();
    let certificates = book.certificates.iter().enumerate();
    component.exchanged_certificates = certificates
        .filter(|(_, certificate)| certificate.exchanged && names(certificate.home, &certificate.secret))
        .map(|(place, _)| place)
        .collect();
    component.exchanged_secrets = secrets;
}

/// Sets that are joined one by one.
struct Groups(Vec<usize>);

impl Groups {
    fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    fn leader(&mut self, mut member: usize) -> usize {
        while self.0[member] != member {
            self.0[member] = self.0[self.0[member]];
            member = self.0[member];
        }
        member
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.leader(one), self.leader(other));
        let (first, second) = (one.min(other), one.max(other));
        self.0[second] = first;
    }
}

#[cfg(test)]
mod tests;
