//! The journals of switches. The controller's own lie in its namespace, where no tenant writes; those of tasks lie with their
//! sites.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ListParams;
use kube::core::PartialObjectMeta;
use kube::{Api, ResourceExt};

use lagoon_task::cluster::{Cluster, ClusterError};
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

    /// The journals of switches that a site's namespace takes part in, as far as they are the controller's, and the one that
    /// lies in that namespace.
    pub async fn of(&self, site: &str) -> Result<Vec<Head>, JournalError> {
        let own = Api::namespaced(self.cluster.client(), &self.namespace);
        let mut shelves = vec![Shelf::of_a_site(site)];
        for journal in self.list(&own, &self.namespace).await? {
            if pair(&journal).any(|namespace| namespace == site) {
                shelves.push(Shelf { namespace: self.namespace.clone(), name: journal.name_any(), is_ours: true });
            }
        }
        let mut heads = Vec::new();
        for shelf in shelves {
            heads.extend(journal::find(&self.cluster, &shelf).await?.map(|journal| journal.head));
        }
        Ok(heads)
    }

    /// The namespaces that some journal is about.
    pub async fn sites(&self) -> Result<BTreeSet<String>, ClusterError> {
        let journals = self.list(&Api::all(self.cluster.client()), "").await?;
        let is_ours = |journal: &Listed| journal.namespace().as_ref() == Some(&self.namespace);
        let (ours, with_sites): (Vec<_>, Vec<_>) = journals.into_iter().partition(is_ours);
        let with_sites = with_sites.into_iter().filter(|journal| journal.name_any() == NAME);
        let namespaces = with_sites.filter_map(|journal| journal.namespace());
        Ok(namespaces.chain(ours.iter().flat_map(pair).map(str::to_owned)).collect())
    }

    /// Their metadata; the further parts of each are left out.
    async fn list(&self, api: &Api<ConfigMap>, namespace: &str) -> Result<Vec<Listed>, ClusterError> {
        let error = |cause| ClusterError::List { kind: "ConfigMap".to_owned(), namespace: namespace.to_owned(), cause };
        let labelled = ListParams::default().labels(&format!("{ROLE}={JOURNAL},!{PART}"));
        Ok(self.cluster.call(error, api.list_metadata(&labelled)).await?.items)
    }
}

type Listed = PartialObjectMeta<ConfigMap>;

/// The two namespaces of a journal's switch.
fn pair(journal: &Listed) -> impl Iterator<Item = &str> {
    journal.annotations().get(PAIR).into_iter().flat_map(|pair| pair.split(' '))
}
