//! Traefik, a real ingress controller, for benchmarks that ask what visitors of a site notice.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use tokio::net::TcpStream;

use crate::bench::ControlPlane;
use crate::cache::{CacheFolder, say};
use crate::control_plane::Server;
use crate::error::Error;
use crate::go_build::{GoProgram, module_folder};
use crate::network::ReservedPort;

/// The version of [`Traefik`].
pub const TRAEFIK_VERSION: &str = "v3.7.13";

const GO_MOD: &str = include_str!("../traefik/go.mod");
const GO_SUM: &str = include_str!("../traefik/go.sum");

/// The module whose DNS providers are left out of the build, and its version in `traefik/go.mod`.
const LEGO: &str = "github.com/go-acme/lego/v5";
const LEGO_VERSION: &str = "v5.4.1";
const NO_DNS_PROVIDERS: &str = include_str!("../traefik/dns_providers.go");

/// A module that is in Traefik's repository alone.
const EXT: &str = include_str!("../traefik/ext.go");
const EXT_GO_MOD: &str = "module github.com/traefik/traefik/dynamic/ext\n\ngo 1.26\n";

/// Traefik with its provider for Ingresses, its defaults, and one entry point: plain HTTP on a private port of 127.0.0.1.
/// It acts on the Ingresses of all namespaces of a control plane, and is stopped when this is dropped.
///
/// The only thing that it lacks is lego's DNS providers, which it would ask for certificates.
pub struct Traefik {
    _server: Server,
    port: ReservedPort,
}

impl Traefik {
    /// Starts it and waits until it listens; its routes come some moments later. The first time on a machine this builds
    /// it from its Go modules, which takes about five minutes on two cores. [`Error::Build`]: it could not be built.
    pub async fn start(control_plane: &ControlPlane) -> Result<Self, Error> {
        let binary = tokio::task::spawn_blocking(find_or_build).await.map_err(Error::build_panicked("traefik"))??;
        let port = ReservedPort::new()?;
        let log = control_plane.servers().folder().join("traefik.log");
        // Variables would count as configuration.
        let arguments = [
            "-i".to_owned(),
            format!("KUBECONFIG={}", control_plane.kubeconfig().display()),
            binary.display().to_string(),
            "--global.checkNewVersion=false".to_owned(),
            "--global.sendAnonymousUsage=false".to_owned(),
            format!("--entryPoints.web.address=127.0.0.1:{}", port.number()),
            "--providers.kubernetesIngress=true".to_owned(),
        ];
        let mut server = Server::start("traefik", Path::new("env"), &arguments, &log, None)?;
        let listens = async || TcpStream::connect((Ipv4Addr::LOCALHOST, port.number())).await.is_ok();
        server.until_ready(listens).await?;
        Ok(Self { _server: server, port })
    }

    /// The port of the entry point on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number()
    }
}

fn find_or_build() -> Result<PathBuf, Error> {
    let folder = CacheFolder::open(&format!("traefik-{TRAEFIK_VERSION}"))?;
    let binary = folder.path().join("traefik");
    if binary.is_file() {
        return Ok(binary);
    }
    say(&format!(
        "Building Traefik {TRAEFIK_VERSION} from Go modules, once: about 5 minutes on 2 cores, kept in {}.",
        folder.path().display()
    ));
    for (name, text) in [("go.mod", GO_MOD), ("go.sum", GO_SUM), ("ext/go.mod", EXT_GO_MOD), ("ext/ext.go", EXT)] {
        folder.write(name, text)?;
    }
    copy_lego(folder.path())?;
    folder.write("lego/providers/dns/dns_providers.go", NO_DNS_PROVIDERS)?;
    let program = GoProgram {
        name: "traefik",
        package: "github.com/traefik/traefik/v3/cmd/traefik",
        packages: 2000,
        linker_flags: String::new(),
    };
    program.build(&folder)
}

/// Copies lego, whose sum is in `go.sum`, to where `go.mod` has it replaced.
fn copy_lego(folder: &Path) -> Result<(), Error> {
    let module = module_folder(folder, "traefik", &format!("{LEGO}@{LEGO_VERSION}"))?;
    let copy = folder.join("lego");
    if copy.exists() {
        // A build that was cut off left it.
        fs::remove_dir_all(&copy).map_err(Error::file(&copy))?;
    }
    copy_without_providers(&module, &copy).map_err(Error::file(&copy))
}

fn copy_without_providers(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let copy = to.join(entry.file_name());
        if !entry.file_type()?.is_dir() {
            fs::copy(entry.path(), copy)?;
        } else if entry.file_name() != "providers" {
            copy_without_providers(&entry.path(), &copy)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_are_the_ones_that_are_pinned() {
        assert!(GO_MOD.contains(&format!("github.com/traefik/traefik/v3 {TRAEFIK_VERSION}\n")));
        assert!(GO_MOD.contains(&format!("{LEGO} {LEGO_VERSION} ")));
        assert!(GO_SUM.contains(&format!("{LEGO} {LEGO_VERSION} h1:")));
    }
}
