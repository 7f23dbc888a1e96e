//! Looks for Secrets by their names, and for who uses them. Their lists hold secrets that are none of a switch's business, so
//! contents are read one by one, only those that a route names.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::{try_join, try_join_all};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1;
use kube::api::ApiResource;

use crate::cluster::kinds::{CERT_MANAGER, GATEWAY_API, Groups, allowed, certificate, gateway_api, none_of_unknown};
use crate::cluster::observe::Looking;
use crate::plan::certificates::named_secrets;
use crate::plan::manifest::same_content;
use crate::plan::observed::{Namespace, SecretThere, SecretUsers};
use crate::plan::users;
use crate::side::{Side, Sides};
use crate::{CONCURRENT, labels};
use lagoon_task::cluster::{ClusterError, Metadata};

const ISSUED_BY_CERT_MANAGER: &str = "cert-manager.io/certificate-name";

/// So many Secrets are asked for one by one.
const FEW_NAMES: usize = 2;

impl Looking<'_> {
    /// What is where the routes' Secrets go.
    pub(crate) async fn destinations(
        &self,
        sides: &Sides<Namespace>,
    ) -> Result<BTreeMap<(Side, String), SecretThere>, ClusterError> {
        let mut there = Vec::new();
        for home in Side::BOTH {
            let present = self.present_secrets(home.other(), named_secrets(sides.of(home))).await?;
            there.extend(present.into_iter().map(|secret| (home, secret)));
        }
        let found = stream::iter(there)
            .map(|(home, secret)| async move { Ok((self.destination(home, &secret).await?, (home, secret.name))) })
            .buffer_unordered(CONCURRENT);
        found.try_filter_map(|(there, key)| async move { Ok(there.map(|there| (key, there))) }).try_collect().await
    }

    /// What the content of a Secret is that is where one of its name goes.
    async fn destination(&self, home: Side, metadata: &Metadata) -> Result<Option<SecretThere>, ClusterError> {
        let (there, name) = (self.secrets(home.other()), &metadata.name);
        if metadata.deletion_timestamp.is_some() {
            return Ok(None);
        }
        let here = self.secrets(home);
        let (own, other) = try_join(here.get(name), there.get(name)).await?;
        let same = own.zip(other).map(|(own, other)| same_content(&own, &other));
        Ok(Some(SecretThere {
            same,
            issued: metadata.annotations.contains_key(ISSUED_BY_CERT_MANAGER),
            uid: metadata.uid.clone(),
            switch: metadata.labels.get(labels::SWITCH).cloned(),
        }))
    }

    /// Which of the Secrets of these names are on this side. Their contents are not sent. For many names one list is asked
    /// for, where the rights allow it: those of the controller do not.
    pub(crate) async fn present_secrets(
        &self,
        side: Side,
        names: BTreeSet<String>,
    ) -> Result<Vec<Metadata>, ClusterError> {
        let secrets = &self.secrets(side);
        if names.len() > FEW_NAMES
            && let Some(mut all) = allowed(secrets.list_metadata().await)?
        {
            all.retain(|secret| names.contains(&secret.name));
            return Ok(all);
        }
        let found = stream::iter(names)
            .map(|name| async move { secrets.get_metadata(&name).await })
            .buffer_unordered(CONCURRENT);
        found.try_filter_map(|found| async move { Ok(found) }).try_collect().await
    }

    /// Who uses which Secret on this side, but for its routes, and with its Certificates or without. What the deployer may
    /// not see is none of its business.
    pub(crate) async fn secret_users(
        &self,
        side: Side,
        groups: &Groups,
        certificates_too: bool,
    ) -> Result<SecretUsers, ClusterError> {
        let accounts = self.cluster.objects(&ApiResource::erase::<v1::ServiceAccount>(&()), self.names.of(side));
        let gateways = self.cluster.objects(&gateway_api("v1", "Gateway", "gateways"), self.names.of(side));
        let certificates = self.cluster.objects(&certificate(), self.names.of(side));
        let kinds = [
            ("Pod", self.pods(side)),
            ("ServiceAccount", accounts),
            ("Gateway", gateways),
            ("Certificate", certificates),
        ];
        let is_asked = |kind: &str| match kind {
            "Gateway" => groups.contains(GATEWAY_API),
            "Certificate" => certificates_too && groups.contains(CERT_MANAGER),
            _ => true,
        };
        // At once, as each list may wait for a server's cache to catch up, up to 100 ms.
        let lists = kinds.into_iter().filter(|(kind, _)| is_asked(kind)).map(|(kind, objects)| async move {
            let listed = objects.list(|object| {
                let mut users = SecretUsers::new();
                if kind != "Pod" || users::is_running(&object) {
                    users::add(&mut users, kind, &object);
                }
                users
            });
            allowed(none_of_unknown(listed.await))
        });
        let mut found = SecretUsers::new();
        for (secret, users) in try_join_all(lists).await?.into_iter().flatten().flatten().flatten() {
            found.entry(secret).or_default().extend(users);
        }
        Ok(found)
    }
}
