//! The journals of switches. The controller's own lie in its namespace, where no tenant writes; those of tasks lie with their
//! sites.

use std::collections::HashMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ListParams;
use kube::core::PartialObjectMeta;
use kube::{Api, ResourceExt};

use lagoon_task::cluster::{Cluster, ClusterError};
use route_switch::journal::{self, Head, JournalError, NAME, PAIR, Shelf};
use route_switch::labels::{JOURNAL, PART, ROLE};

/// Journals in one answer of the list.
const PAGE: u32 = 100;

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
        let own = self.list(&Api::namespaced(self.cluster.client(), &self.namespace), &self.namespace).await?;
        let ours = own.iter().filter(|journal| pair(journal).any(|namespace| namespace == site));
        let mut heads = Vec::new();
        for shelf in ours.filter_map(|journal| self.shelf(journal)).chain([Shelf::of_a_site(site)]) {
            heads.extend(journal::find(&self.cluster, &shelf).await?.map(|journal| journal.head));
        }
        Ok(heads)
    }

    /// Where all journals lie, and their resource versions.
    pub async fn all(&self) -> Result<HashMap<Shelf, String>, ClusterError> {
        let listed = self.list(&Api::all(self.cluster.client()), "").await?;
        let found = listed.iter().filter_map(|journal| Some((self.shelf(journal)?, journal.resource_version()?)));
        Ok(found.collect())
    }

    /// Where a journal lies; `None` for what is none though it says so.
    fn shelf(&self, journal: &Listed) -> Option<Shelf> {
        let (namespace, name) = (journal.namespace()?, journal.name_any());
        let is_ours = namespace == self.namespace;
        (is_ours || name == NAME).then_some(Shelf { namespace, name, is_ours })
    }

    /// Their metadata; the further parts of each are left out.
    async fn list(&self, api: &Api<ConfigMap>, namespace: &str) -> Result<Vec<Listed>, ClusterError> {
        let mut page = ListParams::default().labels(&format!("{ROLE}={JOURNAL},!{PART}")).limit(PAGE);
        let mut all = Vec::new();
        loop {
            let error =
                |cause| ClusterError::List { kind: "ConfigMap".to_owned(), namespace: namespace.to_owned(), cause };
            let listed = self.cluster.call(error, api.list_metadata(&page)).await?;
            all.extend(listed.items);
            match listed.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(all),
            }
        }
    }
}

type Listed = PartialObjectMeta<ConfigMap>;

/// The two namespaces of a journal's switch.
fn pair(journal: &Listed) -> impl Iterator<Item = &str> {
    journal.annotations().get(PAIR).into_iter().flat_map(|pair| pair.split(' '))
}
