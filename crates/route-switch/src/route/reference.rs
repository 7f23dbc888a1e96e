//! What routes name, as each kind declares it: every place that names something, what kind of thing, and what for. Reading,
//! checking and following are the same for all of them.

use std::collections::BTreeSet;

use kube::api::{ApiResource, GroupVersionKind};

/// A kind of thing that routes name.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// Its name, as in `kind:`.
    pub kind: &'static str,
    /// Its API groups; more than one where it was renamed. The core group is "".
    pub groups: &'static [&'static str],
    /// Its version.
    pub version: &'static str,
    /// Its plural, as in URLs.
    pub plural: &'static str,
}

impl Target {
    /// How the API server calls it, in each of its groups.
    pub fn resources(&self) -> impl Iterator<Item = ApiResource> {
        self.groups.iter().map(|group| {
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, self.version, self.kind), self.plural)
        })
    }
}

/// A Service.
pub static SERVICE: Target = Target { kind: "Service", groups: &[""], version: "v1", plural: "services" };
/// A Secret.
pub static SECRET: Target = Target { kind: "Secret", groups: &[""], version: "v1", plural: "secrets" };
/// A `ConfigMap`.
pub static CONFIG_MAP: Target = Target { kind: "ConfigMap", groups: &[""], version: "v1", plural: "configmaps" };
/// Whatever a field of any kind names that no other declaration knows: it cannot be looked up.
pub static ANYTHING: Target = Target { kind: "", groups: &[], version: "", plural: "" };

/// What a reference is for, and with that what it means when the other namespace lacks the thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Requests are sent there: without it visitors get errors.
    Serves,
    /// The route is attached to it: without it the route is served by nobody.
    Attaches,
    /// The route serves the certificate in it. It goes along.
    Certifies,
    /// It decides who may pass.
    Authenticates,
    /// It changes requests, answers or connections.
    Transforms,
}

impl Purpose {
    /// In a word, for the table of documentation.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Serves => "serves",
            Self::Attaches => "attaches",
            Self::Certifies => "certifies",
            Self::Authenticates => "authenticates",
            Self::Transforms => "transforms",
        }
    }
}

/// Where a route names something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum At {
    /// In this field: names with dots between them, and `[]` behind a list.
    Field(&'static str),
    /// In an annotation with any prefix and this name: who installs the controller may choose the prefix.
    AnyPrefix(&'static str),
    /// In the annotation of this very name.
    Annotation(&'static str),
}

/// How it is written there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// The name alone.
    Name,
    /// Names, with commas between them.
    Names,
    /// An object with a `name`, and perhaps a `namespace`, `group` or `kind`.
    Object(ObjectForm),
    /// `name` or `namespace/name`.
    Slashed,
    /// Traefik's list of `namespace-name@kubernetescrd`.
    Traefik,
    /// A URL, whose host may be a Service's in the cluster: `name.namespace.svc`.
    Url,
}

/// What an object that names something may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectForm {
    /// Whether one that says no kind is of this one.
    pub is_default: bool,
    /// Whether a namespace that is written out goes with the route.
    pub follows: bool,
    /// Where in it the part of the thing stands, such as a port: the first that is there counts.
    pub part: &'static [&'static str],
}

/// One place of a kind of route.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Where.
    pub at: At,
    /// How it is written.
    pub form: Form,
    /// What it names.
    pub target: &'static Target,
    /// What for.
    pub purpose: Purpose,
}

impl Place {
    /// A field with an object that names something.
    pub(crate) const fn object(
        path: &'static str,
        form: ObjectForm,
        target: &'static Target,
        purpose: Purpose,
    ) -> Self {
        Self { at: At::Field(path), form: Form::Object(form), target, purpose }
    }
}

/// Something that a route names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// Its kind.
    pub target: &'static Target,
    /// Its name.
    pub name: String,
    /// Its namespace, if that is not the route's own.
    pub namespace: Option<String>,
    /// The part of it that is meant: a port, a section.
    pub part: Option<String>,
    /// What for.
    pub purpose: Purpose,
    /// The field or the annotation that names it.
    pub field: String,
}

impl Reference {
    /// The name of one of this kind in the route's own namespace.
    fn own(&self, target: &'static Target) -> Option<&String> {
        (*self.target == *target && self.namespace.is_none()).then_some(&self.name)
    }
}

/// Something that cannot be looked up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unchecked {
    /// What it is, in words.
    pub what: String,
    /// The field or the annotation that names it.
    pub field: String,
}

/// What a route serves, and what it names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// The URLs that it serves, without paths, in its own order.
    pub urls: Vec<String>,
    /// Hosts with paths that a guard of the cluster lets no two routes have.
    pub claims: BTreeSet<String>,
    /// What it names.
    pub named: BTreeSet<Reference>,
    /// What it names and what cannot be looked up.
    pub unchecked: BTreeSet<Unchecked>,
}

impl References {
    /// The Secrets of its own namespace with the certificates that it serves. They move with it.
    pub fn certificates(&self) -> impl Iterator<Item = &String> {
        self.named.iter().filter(|one| one.purpose == Purpose::Certifies).filter_map(|one| one.own(&SECRET))
    }

    /// The Services of its own namespace that it sends requests to.
    pub fn services(&self) -> impl Iterator<Item = &String> {
        self.named.iter().filter(|one| one.purpose == Purpose::Serves).filter_map(|one| one.own(&SERVICE))
    }

    /// Whether the route names the Secret, for its certificate or for anything else.
    #[must_use]
    pub fn name_secret(&self, name: &str) -> bool {
        self.named.iter().filter_map(|one| one.own(&SECRET)).any(|own| own == name)
    }
}
