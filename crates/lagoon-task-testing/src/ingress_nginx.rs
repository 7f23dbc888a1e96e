//! ingress-nginx's admission webhook, for tests that ask what its view of the cluster, which lags behind, refuses.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, PostParams};
use rustix::process::geteuid;
use serde_json::json;

use crate::bench::ControlPlane;
use crate::cache::{CacheFolder, fingerprint, say};
use crate::content::ingress;
use crate::control_plane::{Certificates, Server};
use crate::error::Error;
use crate::go_build::{GoProgram, module_folder};
use crate::kubelet::CONTAINER_ROOT;
use crate::network::ReservedPort;
use crate::network::host_guard::{WEBHOOK, webhook};
use crate::objects::{create, object, pod_kubeconfig};

const GO_MOD: &str = include_str!("../ingress-nginx/go.mod");
const GO_SUM: &str = include_str!("../ingress-nginx/go.sum");
const MODULE: &str = "k8s.io/ingress-nginx";

/// The program's name, and its namespace's.
const NAME: &str = "ingress-nginx";
const POD: &str = "controller";
const MANIFESTS: &str = include_str!("../manifests/ingress-nginx.yaml");

/// nginx's part: every configuration is valid, and the server itself does nothing until its controller ends.
const NGINX: &str = r#"#!/bin/sh
case " $* " in *" -t "* | *" -v "* | *" -s "*) exit 0 ;; esac
exec setpriv --pdeathsig KILL sleep infinity
"#;

/// What nginx's configuration is made from.
const TEMPLATE: &str = "nginx.tmpl";

/// What must be there before the controller starts; `root` is where its root is mounted.
const FOLDERS: [&str; 8] = [
    "root",
    "nginx/template",
    "nginx/lua",
    "nginx/tmp/nginx",
    "controller/geoip",
    "controller/auth",
    "controller/ssl",
    "controller/telemetry",
];

const FLAGS: [&str; 12] = [
    "--kubeconfig=/etc/nginx/kubeconfig",
    "--validating-webhook-certificate=/etc/nginx/webhook.crt",
    "--validating-webhook-key=/etc/nginx/webhook.key",
    "--watch-ingress-without-class=true",
    "--publish-status-address=127.0.0.1",
    "--update-status=false",
    "--disable-leader-election=true",
    "--enable-metrics=false",
    "--profiling=false",
    "--healthz-host=127.0.0.1",
    "--disable-sync-events=true",
    // What it would tell nginx's Lua code, nobody hears.
    "--dynamic-configuration-retries=1",
];

/// Flags that ask for a port each, which the controller or its nginx would listen on.
const PORTS: [&str; 8] = [
    "http-port",
    "https-port",
    "ssl-passthrough-proxy-port",
    "default-server-port",
    "healthz-port",
    "status-port",
    "stream-port",
    "profiler-port",
];

/// The controller of ingress-nginx with its admission webhook, which the API server asks about every Ingress.
///
/// The controller and its webhook are the real ones, and so is the time by which their view of the cluster lags behind. It
/// acts on the Ingresses of all namespaces, of the class `nginx` and of none; so a test gives it a control plane of its
/// own. It routes nothing: there is no nginx behind it, and none that checks the configurations, so that its answers come
/// sooner than on a cluster. When it is dropped, the API server refuses every Ingress from then on.
///
/// It needs `unshare` and `setpriv` (Debian: `util-linux`), and without root that user namespaces are allowed.
pub struct IngressNginx {
    _server: Server,
    _ports: Vec<ReservedPort>,
}

impl IngressNginx {
    /// Starts it and waits until the API server asks it. The first time on a machine this builds it from its Go modules,
    /// which takes about three minutes on two cores. [`Error::Build`]: it could not be built.
    pub async fn start(control_plane: &ControlPlane) -> Result<Self, Error> {
        let binary = tokio::task::spawn_blocking(find_or_build).await.map_err(Error::build_panicked(NAME))??;
        control_plane.apply(MANIFESTS).await?;
        let certificates = Certificates::generate()?;
        let folder = control_plane.servers().folder().join(NAME);
        lay_out(&folder, &binary, &certificates, &pod_kubeconfig(control_plane, NAME, POD).await?)?;
        let ports = (0..=PORTS.len()).map(|_| ReservedPort::new()).collect::<Result<Vec<_>, _>>()?;
        let mut numbers = ports.iter().map(ReservedPort::number);
        let port = numbers.next().unwrap_or_default();
        let mut arguments = in_its_root(&folder);
        arguments.push(binary.display().to_string());
        arguments.extend(FLAGS.map(ToOwned::to_owned));
        arguments.push(format!("--validating-webhook=127.0.0.1:{port}"));
        arguments.extend(PORTS.iter().zip(numbers).map(|(flag, number)| format!("--{flag}={number}")));
        let log = folder.with_extension("log");
        let mut server = Server::start(NAME, Path::new("unshare"), &arguments, &log, None)?;

        let client = control_plane.client()?;
        let configurations = Api::<ValidatingWebhookConfiguration>::all(client.clone());
        let url = format!("https://127.0.0.1:{port}/networking/v1/ingresses");
        let webhooks = [webhook(&url, &certificates.authority)];
        create(&configurations, json!({ "metadata": { "name": NAME }, "webhooks": webhooks })).await?;
        let (ingresses, trial) = (Api::namespaced(client, NAME), trial()?);
        server.until_ready(async || refuses(&ingresses, &trial).await).await?;
        Ok(Self { _server: server, _ports: ports })
    }
}

/// An Ingress that ingress-nginx refuses by itself.
fn trial() -> Result<Ingress, Error> {
    let mut trial = ingress("trial", "trial.invalid", "none", None);
    trial["metadata"]["annotations"] = json!({ "nginx.ingress.kubernetes.io/server-snippet": "" });
    object(trial)
}

/// Whether the webhook itself refuses the trial. Before, the API server accepts it, or says that nobody answers.
async fn refuses(ingresses: &Api<Ingress>, trial: &Ingress) -> bool {
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let created = ingresses.create(&dry_run, trial).await;
    let denied = format!("admission webhook \"{WEBHOOK}\" denied the request");
    matches!(created, Err(kube::Error::Api(status)) if status.message.contains(&denied))
}

/// Makes the folders that the controller has as `/etc/nginx` and `/etc/ingress-controller`.
fn lay_out(folder: &Path, binary: &Path, certificates: &Certificates, kubeconfig: &str) -> Result<(), Error> {
    for name in FOLDERS {
        fs::create_dir_all(folder.join(name)).map_err(Error::file(folder.join(name)))?;
    }
    let nginx = folder.join("nginx");
    let template = binary.with_file_name(TEMPLATE);
    fs::copy(&template, nginx.join("template").join(TEMPLATE)).map_err(Error::file(&template))?;
    let files = [
        ("nginx", NGINX),
        ("kubeconfig", kubeconfig),
        ("webhook.crt", &certificates.server.certificate),
        ("webhook.key", &certificates.server.key),
    ];
    for (name, text) in files {
        fs::write(nginx.join(name), text).map_err(Error::file(nginx.join(name)))?;
    }
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(nginx.join("nginx"), executable).map_err(Error::file(nginx.join("nginx")))
}

/// What `unshare` runs a program with that has these folders at their places.
fn in_its_root(folder: &Path) -> Vec<String> {
    let at = |name: &str| folder.join(name).display().to_string();
    let user = if geteuid().is_root() { [].as_slice() } else { &["--user", "--map-root-user"] };
    let mut arguments: Vec<String> = user.iter().map(ToString::to_string).collect();
    let root = at("root");
    arguments.extend(
        ["--mount", "--propagation", "private", "--", "/bin/sh", "-c", CONTAINER_ROOT, "container_root", &root, "/"]
            .map(ToOwned::to_owned),
    );
    for (source, target) in [(at("nginx"), "/etc/nginx"), (at("controller"), "/etc/ingress-controller")] {
        arguments.extend([source, target.to_owned(), "rw".to_owned()]);
    }
    arguments.extend(["--", "env"].map(ToOwned::to_owned));
    arguments.extend([
        format!("POD_NAME={POD}"),
        format!("POD_NAMESPACE={NAME}"),
        "NGINX_BINARY=/etc/nginx/nginx".to_owned(),
        "TMPDIR=/etc/nginx/tmp".to_owned(),
    ]);
    arguments
}

fn find_or_build() -> Result<PathBuf, Error> {
    let folder = CacheFolder::open(&format!("{NAME}-{}", fingerprint(&[GO_MOD, GO_SUM])))?;
    let binary = folder.path().join(NAME);
    if binary.is_file() {
        return Ok(binary);
    }
    say(&format!(
        "Building ingress-nginx from Go modules, once: about 3 minutes on 2 cores, kept in {}.",
        folder.path().display()
    ));
    folder.write("go.mod", GO_MOD)?;
    folder.write("go.sum", GO_SUM)?;
    let template = module_folder(folder.path(), NAME, MODULE)?.join("rootfs/etc/nginx/template").join(TEMPLATE);
    fs::copy(&template, folder.path().join(TEMPLATE)).map_err(Error::file(&template))?;
    let program =
        GoProgram { name: NAME, package: "k8s.io/ingress-nginx/cmd/nginx", packages: 620, linker_flags: String::new() };
    program.build(&folder)
}
