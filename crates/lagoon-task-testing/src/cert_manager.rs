//! cert-manager with a certificate authority of the bench, for tests of certificates that somebody really issues.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind};
use serde_json::{Value, json};

use crate::bench::ControlPlane;
use crate::cache::{CacheFolder, fingerprint, say};
use crate::control_plane::{Identity, Server, new_authority};
use crate::error::Error;
use crate::go_build::{GoProgram, module_folder};
use crate::network::ReservedPort;
use crate::objects::pod_kubeconfig;

/// The version of [`CertManager`].
pub const CERT_MANAGER_VERSION: &str = "v1.11.5";

const GO_MOD: &str = include_str!("../cert-manager/go.mod");
const GO_SUM: &str = include_str!("../cert-manager/go.sum");
const MODULE: &str = "github.com/cert-manager/cert-manager";

/// The program's name, and its namespace's.
const NAME: &str = "cert-manager";
const POD: &str = "controller";
const MANIFESTS: &str = include_str!("../manifests/cert-manager-controller.yaml");

/// The definitions of all its kinds, as the cache has them.
const DEFINITIONS: &str = "definitions.yaml";

/// What the definitions have in the place of names, since they are templates of cert-manager's Helm chart.
const PLACEHOLDERS: [&str; 2] = [r#"{{ template "cert-manager.name" . }}"#, "{{ .Release.Name }}"];

const FLAGS: [&str; 4] = [
    "--leader-elect=false",
    "--cluster-resource-namespace=cert-manager",
    "--default-issuer-kind=ClusterIssuer",
    "--default-issuer-name=bench-ca",
];

/// The real controller of cert-manager, and a `ClusterIssuer` [`ISSUER`](Self::ISSUER) with a certificate authority of its
/// own. It stops when this is dropped; what it has issued stays.
///
/// An Ingress with a TLS Secret and one of the annotations `cert-manager.io/cluster-issuer: bench-ca` and
/// `kubernetes.io/tls-acme: "true"` gets a `Certificate`, which becomes ready within a second or so. The controller acts on
/// all namespaces with the rights that its Helm chart gives it, and the roles `view`, `edit` and `admin` get the rules of
/// that chart. The definitions are the real ones: [`CERT_MANAGER`](crate::CERT_MANAGER) is not needed, and would replace
/// one of them. There is no webhook, so that an object that the schema accepts is not checked further, and no cainjector.
///
/// A control plane has one at a time. After it is dropped it can be started again, then with another authority.
///
/// ```no_run
/// use lagoon_task_testing::{CertManager, ControlPlane, ingress, serde_json::json};
///
/// # async fn example() -> Result<(), lagoon_task_testing::Error> {
/// let control_plane = ControlPlane::start().await?;
/// let _cert_manager = CertManager::start(&control_plane).await?;
/// let mut shop = ingress("shop", "shop.example.com", "nginx", Some("shop-tls"));
/// shop["metadata"]["annotations"] = json!({ "cert-manager.io/cluster-issuer": CertManager::ISSUER });
/// control_plane.create_all("default", vec![shop]).await?;
/// // Some moments later there is a Secret shop-tls.
/// # Ok(()) }
/// ```
pub struct CertManager {
    _server: Server,
    _port: ReservedPort,
    authority: String,
}

impl CertManager {
    /// The name of the `ClusterIssuer`.
    pub const ISSUER: &str = "bench-ca";

    /// Starts it and waits until its issuer is ready: about three seconds, most of them for the definitions. The Secret of
    /// a `Certificate` has no owner, which is cert-manager's default. The first time on a machine this builds it from its
    /// Go modules, which takes about three minutes on two cores. [`Error::Build`]: it could not be built.
    pub async fn start(control_plane: &ControlPlane) -> Result<Self, Error> {
        Self::start_with(control_plane, false).await
    }

    /// The same with the flag `--enable-certificate-owner-ref`: a `Certificate` owns its Secret, which the garbage
    /// collector of a [`ControllerManager`](crate::ControllerManager) deletes after it. Secrets that were issued without
    /// the flag get their owner too, as on a cluster where it is switched on.
    pub async fn start_with_certificate_owner_ref(control_plane: &ControlPlane) -> Result<Self, Error> {
        Self::start_with(control_plane, true).await
    }

    /// The certificate of the authority, in PEM, which all issued certificates are signed with.
    #[must_use]
    pub fn certificate_authority(&self) -> &str {
        &self.authority
    }

    async fn start_with(control_plane: &ControlPlane, owner_ref: bool) -> Result<Self, Error> {
        let binary = tokio::task::spawn_blocking(find_or_build).await.map_err(Error::build_panicked(NAME))??;
        let definitions = binary.with_file_name(DEFINITIONS);
        let definitions = fs::read_to_string(&definitions).map_err(Error::file(&definitions))?;
        control_plane.apply(&definitions).await?;
        control_plane.apply(MANIFESTS).await?;
        let authority = new_authority(Self::ISSUER)?;
        let issuers = Api::all_with(control_plane.client()?, &issuer_kind());
        replace_issuer(control_plane, &issuers, &authority).await?;

        let folder = control_plane.servers().folder();
        let kubeconfig = folder.join("cert-manager.kubeconfig");
        let text = pod_kubeconfig(control_plane, NAME, POD).await?;
        fs::write(&kubeconfig, text).map_err(Error::file(&kubeconfig))?;
        let port = ReservedPort::new()?;
        let mut arguments = vec![
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--metrics-listen-address=127.0.0.1:{}", port.number()),
            format!("--enable-certificate-owner-ref={owner_ref}"),
        ];
        arguments.extend(FLAGS.map(ToOwned::to_owned));
        let mut server = Server::start(NAME, &binary, &arguments, &folder.join("cert-manager.log"), None)?;
        server.until_ready(async || is_ready(&issuers).await).await?;
        Ok(Self { _server: server, _port: port, authority: authority.certificate })
    }
}

fn issuer_kind() -> ApiResource {
    ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("cert-manager.io", "v1", "ClusterIssuer"),
        "clusterissuers",
    )
}

/// Creates the issuer with its authority. An issuer of an earlier controller goes first: it would be ready before this
/// controller runs.
async fn replace_issuer(
    control_plane: &ControlPlane,
    issuers: &Api<DynamicObject>,
    authority: &Identity,
) -> Result<(), Error> {
    match issuers.delete(CertManager::ISSUER, &DeleteParams::default()).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => {}
        deleted => drop(deleted.map_err(Error::request("Deleting the issuer of an earlier cert-manager"))?),
    }
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": CertManager::ISSUER, "namespace": NAME },
        "type": "kubernetes.io/tls",
        "data": { "tls.crt": STANDARD.encode(&authority.certificate), "tls.key": STANDARD.encode(&authority.key) },
    });
    let issuer = json!({
        "apiVersion": "cert-manager.io/v1",
        "kind": "ClusterIssuer",
        "metadata": { "name": CertManager::ISSUER },
        "spec": { "ca": { "secretName": CertManager::ISSUER } },
    });
    // JSON is YAML.
    control_plane.apply(&format!("{secret}\n---\n{issuer}")).await
}

async fn is_ready(issuers: &Api<DynamicObject>) -> bool {
    let Ok(issuer) = issuers.get(CertManager::ISSUER).await else { return false };
    let conditions = issuer.data.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

fn find_or_build() -> Result<PathBuf, Error> {
    let linker_flags = format!("-X {MODULE}/pkg/util.AppVersion={CERT_MANAGER_VERSION}");
    let fingerprint = fingerprint(&[GO_MOD, GO_SUM, &linker_flags]);
    let folder = CacheFolder::open(&format!("{NAME}-{CERT_MANAGER_VERSION}-{fingerprint}"))?;
    let binary = folder.path().join(NAME);
    if binary.is_file() {
        return Ok(binary);
    }
    say(&format!("Building {NAME} {CERT_MANAGER_VERSION} from Go modules, once, kept in {}.", folder.path().display()));
    folder.write("go.mod", GO_MOD)?;
    folder.write("go.sum", GO_SUM)?;
    let definitions = definitions(&module_folder(folder.path(), NAME, MODULE)?.join("deploy/crds"))?;
    folder.write(DEFINITIONS, &definitions)?;
    let program = GoProgram {
        name: NAME,
        package: "github.com/cert-manager/cert-manager/cmd/controller",
        packages: 1050,
        linker_flags,
    };
    program.build(&folder)
}

/// The definitions that lie in a folder of the module, with the names that the chart would give them.
fn definitions(folder: &Path) -> Result<String, Error> {
    let entries = fs::read_dir(folder).map_err(Error::file(folder))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
    let mut paths = paths.map_err(Error::file(folder))?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    let texts = paths.iter().map(|path| fs::read_to_string(path).map_err(Error::file(path)));
    let all = texts.collect::<Result<Vec<_>, _>>()?.join("\n---\n");
    Ok(PLACEHOLDERS.iter().fold(all, |text, placeholder| text.replace(placeholder, NAME)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_version_is_the_pinned_one() {
        assert!(GO_MOD.contains(&format!("{MODULE} {CERT_MANAGER_VERSION} ")));
        assert!(GO_SUM.contains(&format!("{MODULE} {CERT_MANAGER_VERSION} h1:")));
    }

    #[test]
    fn flags_name_the_issuer_and_the_namespace_of_its_secret() {
        assert!(FLAGS.contains(&format!("--default-issuer-name={}", CertManager::ISSUER).as_str()));
        assert!(FLAGS.contains(&format!("--cluster-resource-namespace={NAME}").as_str()));
    }
}
