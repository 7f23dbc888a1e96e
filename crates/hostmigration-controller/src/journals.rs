//! The journals of switches. The controller's own lie in its namespace, where no tenant writes; those of tasks lie with their
//! sites.

use std::collections::HashMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ApiResource, ListParams};

use lagoon_task::cluster::{Cluster, ClusterError, Metadata, Objects};
use route_switch::journal::{self, Head, JournalError, NAME, PAIR, Shelf};
use route_switch::labels::{JOURNAL, PART, ROLE};

/// The journals of all sites.
pub struct Journals {
    cluster: Cluster,
    /// The controller's namespace.
    namespace: String,
}

impl Journals {
    /// The journals in this cluster, and in the controller's namespace.
    #[must_use]
    pub fn new(cluster: &Cluster, namespace: &str) -> Self {
        Self { cluster: cluster.clone(), namespace: namespace.to_owned() }
    }

    /// The heads of the journals of switches that a site's namespace takes part in, as far as they are the controller's, and
    /// of the one that lies in that namespace.
    pub async fn of(&self, site: &str) -> Result<Vec<Head>, JournalError> {
        let is_of_site = |journal: Metadata| {
            let is_of_site = pair(&journal).any(|namespace| namespace == site);
            self.shelf(&journal).filter(|_| is_of_site)
        };
        let own = self.list(&self.cluster.objects(&config_maps(), &self.namespace), is_of_site).await?;
        let mut heads = Vec::new();
        for shelf in own.into_iter().flatten().chain([Shelf::of_a_site(site)]) {
            heads.extend(journal::find(&self.cluster, &shelf).await?.map(|journal| journal.head));
        }
        Ok(heads)
    }

    /// Where all journals lie, and their resource versions.
    pub async fn all(&self) -> Result<HashMap<Shelf, String>, ClusterError> {
        let found = |journal: Metadata| self.shelf(&journal).map(|shelf| (shelf, journal.resource_version));
        let found = self.list(&self.cluster.objects_everywhere(&config_maps()), found).await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Where a journal lies; `None` for what is none though it says so.
    fn shelf(&self, journal: &Metadata) -> Option<Shelf> {
        let (namespace, name) = (journal.namespace.clone(), journal.name.clone());
        let is_ours = namespace == self.namespace;
        (is_ours || name == NAME).then_some(Shelf { namespace, name, is_ours })
    }

    /// What `take` makes of the metadata of each; the further parts of each are left out.
    async fn list<T>(&self, objects: &Objects<'_>, take: impl Fn(Metadata) -> T) -> Result<Vec<T>, ClusterError> {
        let journals = ListParams::default().labels(&format!("{ROLE}={JOURNAL},!{PART}"));
        objects.list_metadata_where(&journals, take).await
    }
}

fn config_maps() -> ApiResource {
    ApiResource::erase::<ConfigMap>(&())
}

/// The two namespaces of a journal's switch.
fn pair(journal: &Metadata) -> impl Iterator<Item = &str> {
    journal.annotations.get(PAIR).into_iter().flat_map(|pair| pair.split(' '))
}
