//! The Secrets and `ConfigMaps` that a pod names.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{ConfigMap, Container, PersistentVolumeClaim, Pod, Secret, Volume};
use kube::Client;
use kube::api::Api;

/// The `ConfigMap` with the cluster's certificate authority. A controller makes it in every namespace of a real cluster.
const ROOT_CA: &str = "kube-root-ca.crt";

/// What stands in a Secret or a `ConfigMap`.
pub(super) type Data = BTreeMap<String, Vec<u8>>;

/// What a pod names, by name.
#[derive(Default, Debug, PartialEq, Eq)]
pub(super) struct Names {
    secrets: BTreeSet<String>,
    config_maps: BTreeSet<String>,
    claims: BTreeSet<String>,
}

/// What a pod names, as far as it is there.
#[derive(Default)]
pub(super) struct Sources {
    pub namespace: String,
    pub secrets: BTreeMap<String, Data>,
    pub config_maps: BTreeMap<String, Data>,
    pub claims: BTreeSet<String>,
}

impl Sources {
    /// Reads all that the pod names. `authority` stands in for the `ConfigMap` with the cluster's certificate authority.
    pub(super) async fn read(client: &Client, pod: &Pod, authority: &str) -> Result<Self, kube::Error> {
        let namespace = pod.metadata.namespace.clone().unwrap_or_default();
        let names = names(pod);
        let mut sources = Self { namespace: namespace.clone(), ..Self::default() };
        let api: Api<Secret> = Api::namespaced(client.clone(), &namespace);
        for name in names.secrets {
            if let Some(secret) = api.get_opt(&name).await? {
                let data = secret.data.unwrap_or_default();
                sources.secrets.insert(name, data.into_iter().map(|(key, value)| (key, value.0)).collect());
            }
        }
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
        for name in names.config_maps {
            if name == ROOT_CA {
                sources.config_maps.insert(name, Data::from([("ca.crt".to_owned(), authority.into())]));
            } else if let Some(config_map) = api.get_opt(&name).await? {
                sources.config_maps.insert(name, config_map_data(config_map));
            }
        }
        let api: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), &namespace);
        for name in names.claims {
            if api.get_opt(&name).await?.is_some() {
                sources.claims.insert(name);
            }
        }
        Ok(sources)
    }

    /// A Secret's data; `None` for an optional one that is not there. Errors are in a kubelet's words.
    pub(super) fn secret(&self, name: &str, optional: Option<bool>) -> Result<Option<&Data>, String> {
        found(self.secrets.get(name), optional, || format!("secret {name:?} not found"))
    }

    /// A `ConfigMap`'s data; `None` for an optional one that is not there.
    pub(super) fn config_map(&self, name: &str, optional: Option<bool>) -> Result<Option<&Data>, String> {
        found(self.config_maps.get(name), optional, || format!("configmap {name:?} not found"))
    }

    /// The value of a Secret's key; `None` for an optional one that is not there.
    pub(super) fn secret_key(&self, name: &str, key: &str, optional: Option<bool>) -> Result<Option<&Vec<u8>>, String> {
        let Some(data) = self.secret(name, optional)? else { return Ok(None) };
        found(data.get(key), optional, || format!("couldn't find key {key} in Secret {}/{name}", self.namespace))
    }

    /// The value of a `ConfigMap`'s key; `None` for an optional one that is not there.
    pub(super) fn config_map_key(
        &self,
        name: &str,
        key: &str,
        optional: Option<bool>,
    ) -> Result<Option<&Vec<u8>>, String> {
        let Some(data) = self.config_map(name, optional)? else { return Ok(None) };
        found(data.get(key), optional, || format!("couldn't find key {key} in ConfigMap {}/{name}", self.namespace))
    }
}

fn found<T>(value: Option<T>, optional: Option<bool>, missing: impl Fn() -> String) -> Result<Option<T>, String> {
    if value.is_none() && optional != Some(true) { Err(missing()) } else { Ok(value) }
}

fn config_map_data(config_map: ConfigMap) -> Data {
    let text = config_map.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.into_bytes()));
    let binary = config_map.binary_data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0));
    text.chain(binary).collect()
}

/// All that the pod's containers and volumes name.
fn names(pod: &Pod) -> Names {
    let mut names = Names::default();
    let Some(spec) = &pod.spec else { return names };
    for container in spec.init_containers.iter().flatten().chain(&spec.containers) {
        names.of_container(container);
    }
    for volume in spec.volumes.iter().flatten() {
        names.of_volume(volume);
    }
    names
}

impl Names {
    fn of_container(&mut self, container: &Container) {
        for from in container.env_from.iter().flatten() {
            self.config_maps.extend(from.config_map_ref.iter().map(|reference| reference.name.clone()));
            self.secrets.extend(from.secret_ref.iter().map(|reference| reference.name.clone()));
        }
        for from in container.env.iter().flatten().filter_map(|variable| variable.value_from.as_ref()) {
            self.config_maps.extend(from.config_map_key_ref.iter().map(|reference| reference.name.clone()));
            self.secrets.extend(from.secret_key_ref.iter().map(|reference| reference.name.clone()));
        }
    }

    fn of_volume(&mut self, volume: &Volume) {
        self.secrets.extend(volume.secret.iter().filter_map(|secret| secret.secret_name.clone()));
        self.config_maps.extend(volume.config_map.iter().map(|config_map| config_map.name.clone()));
        self.claims.extend(volume.persistent_volume_claim.iter().map(|claim| claim.claim_name.clone()));
        let projected = volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
        for source in projected {
            self.secrets.extend(source.secret.iter().map(|secret| secret.name.clone()));
            self.config_maps.extend(source.config_map.iter().map(|config_map| config_map.name.clone()));
        }
    }
}
