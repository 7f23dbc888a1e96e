//! What these tests share: Lagoon's servers, and the folder that stands for a task's root.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use lagoon_task::lagoon::{ApiCause, LagoonApi, LagoonApiError, LagoonConnectError, SshError, TokenError};
use lagoon_task::mounts::Mounts;
use lagoon_task::shutdown::Shutdown;
use lagoon_task::{Context, Environment, Output};
use lagoon_task_testing::{KeyKind, LagoonApiServer, LagoonSsh};
use tempfile::TempDir;

/// A writer whose content can be looked at.
#[derive(Clone, Default)]
pub struct Shown(Arc<Mutex<Vec<u8>>>);

impl Shown {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Shown {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Lagoon's servers, with the environments `main` and `develop` of project `shop`, and a task's root.
pub struct Stand {
    pub ssh: LagoonSsh,
    pub server: LagoonApiServer,
    pub root: TempDir,
    pub output: Output,
    pub shown: Shown,
}

impl Stand {
    pub async fn new() -> Self {
        Self::with_host_keys(&[KeyKind::Ed25519]).await
    }

    pub async fn with_host_keys(host_keys: &[KeyKind]) -> Self {
        let ssh = LagoonSsh::start(&["lagoon", "shop-main", "shop-develop"], host_keys).await.unwrap();
        let server = LagoonApiServer::start(&ssh).await.unwrap();
        server.add_environment("shop", "main", Some(ssh.port()));
        server.add_environment("shop", "develop", None);
        let shown = Shown::default();
        let stand =
            Self { ssh, server, root: tempfile::tempdir().unwrap(), output: Output::new(shown.clone(), false), shown };
        stand.mount_key(KeyKind::Ed25519);
        stand.put("etc/ssl/certs/ca-certificates.crt", stand.server.certificate_authority());
        stand
    }

    pub fn mount_key(&self, kind: KeyKind) {
        self.put("var/run/secrets/lagoon/ssh/ssh-privatekey", &self.ssh.private_key(kind).unwrap());
    }

    /// Puts a file below the task's root.
    pub fn put(&self, path: &str, text: &str) {
        put(self.root.path(), path, text);
    }

    pub fn environment(&self) -> Environment {
        environment(&self.server.url(), self.ssh.port())
    }

    pub fn connect(&self) -> Result<LagoonApi, LagoonConnectError> {
        self.connect_with(&self.environment())
    }

    pub fn connect_with(&self, environment: &Environment) -> Result<LagoonApi, LagoonConnectError> {
        let (mounts, output) = (Mounts::below(self.root.path()), self.output.clone());
        let (_, shutdown) = Shutdown::manual();
        LagoonApi::connect(&Context::new("lagoon-tests/1.0", environment.clone(), mounts, output, shutdown))
    }

    pub fn api(&self) -> LagoonApi {
        self.connect().unwrap()
    }

    /// Asserts that nothing of what was shown is a secret.
    pub fn assert_no_secret_was_shown(&self) {
        let shown = self.shown.text();
        for token in self.ssh.tokens().unwrap() {
            assert!(!shown.contains(&token), "{shown}");
        }
        let key = self.ssh.private_key(KeyKind::Ed25519).unwrap();
        for line in key.lines().filter(|line| !line.starts_with("-----")) {
            assert!(!shown.contains(line), "{shown}");
        }
    }
}

/// The error of a call for which no token could be had over SSH.
pub fn over_ssh(error: LagoonApiError) -> SshError {
    let LagoonApiError::Environment { cause: ApiCause::Token(error), .. } = error else { panic!("{error}") };
    let TokenError::Ssh(error) = *error else { panic!("{error}") };
    error
}

/// Puts a file below a task's root.
pub fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

pub fn environment(api: &str, ssh_port: u16) -> Environment {
    let port = ssh_port.to_string();
    Environment::from_lookup(|name| {
        let value = match name {
            "NAMESPACE" => "shop-main",
            "PODNAME" => "lagoon-task-1",
            "KUBERNETES_SERVICE_HOST" | "LAGOON_CONFIG_TOKEN_HOST" | "LAGOON_CONFIG_SSH_HOST" => "127.0.0.1",
            "KUBERNETES_SERVICE_PORT" => "443",
            "LAGOON_CONFIG_TOKEN_PORT" | "LAGOON_CONFIG_SSH_PORT" => &port,
            "LAGOON_CONFIG_API_HOST" => api,
            "TASK_DATA_ID" => "42",
            "LAGOON_PROJECT" => "shop",
            _ => return None,
        };
        Some(value.into())
    })
    .unwrap()
}
