//! Lagoon's SSH, played by a real OpenSSH server.

use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

use crate::error::Error;
use crate::lagoon::openssh::OpenSsh;

const NOBODY: u32 = 65_534;

/// Looked for once a process: that takes a handful of processes.
static FOUND: OnceCell<Arc<OpenSsh>> = OnceCell::const_new();

/// A kind of SSH key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyKind {
    /// `ssh-ed25519`.
    Ed25519,
    /// `ssh-rsa` with 3072 bits.
    Rsa,
    /// `ecdsa-sha2-nistp256`.
    Ecdsa,
}

impl KeyKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ed25519, Self::Rsa, Self::Ecdsa];

    fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::Rsa => "rsa",
            Self::Ecdsa => "ecdsa",
        }
    }
}

/// A real OpenSSH server on a port of 127.0.0.1 that plays Lagoon's SSH: the user `lagoon` gets a token with the command
/// `token`, and a user named like an environment's namespace gets a command run, after `service=NAME container=NAME`.
///
/// What it is not: there is one key, which opens everything; the tokens are not signed; a command runs in a shell of this
/// machine, with the variables `namespace`, `service` and `container`. Each connection has its own process, which ends
/// with it.
///
/// It needs the packages `openssh-server`, `openssh-client` and `libnss-wrapper` of Debian, Ubuntu and their like. Those
/// that are not installed are downloaded once into the cache, which takes no rights.
pub struct LagoonSsh {
    openssh: Arc<OpenSsh>,
    folder: TempDir,
    port: u16,
    connections: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
    deaf: Arc<AtomicBool>,
    listening: JoinHandle<()>,
}

impl LagoonSsh {
    /// Starts one that knows these users, such as `lagoon` and `shop-main`, and has a host key of each of these kinds.
    pub async fn start(users: &[&str], host_keys: &[KeyKind]) -> Result<Self, Error> {
        let folder = tempfile::tempdir().map_err(Error::process("Making a folder for sshd"))?;
        let openssh = FOUND.get_or_try_init(find).await?.clone();
        prepare(&openssh, folder.path(), users, host_keys)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Error::process("Listening"))?;
        let port = listener.local_addr().map_err(Error::process("Listening"))?.port();
        let (connections, deaf) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let ended = Arc::<AtomicUsize>::default();
        let (count, count_ended, hangs_up) = (connections.clone(), ended.clone(), deaf.clone());
        let (path, server) = (folder.path().to_owned(), openssh.clone());
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let (count_ended, path, server) = (count_ended.clone(), path.clone(), server.clone());
                let hangs_up = hangs_up.load(Ordering::SeqCst);
                tokio::spawn(async move {
                    if !hangs_up {
                        serve(stream, &server, path).await;
                    }
                    count_ended.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Ok(Self { openssh, folder, port, connections, ended, deaf, listening })
    }

    /// The port of 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections came.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// How many of them have ended, with all that was said about them in the log.
    #[must_use]
    pub fn ended(&self) -> usize {
        self.ended.load(Ordering::SeqCst)
    }

    /// What sshd has said so far, at its log level `VERBOSE`.
    pub fn log(&self) -> Result<String, Error> {
        self.read("log")
    }

    /// Whether it hangs up on everybody who comes from now on.
    pub fn set_deaf(&self, deaf: bool) {
        self.deaf.store(deaf, Ordering::SeqCst);
    }

    /// The private key of this kind that opens everything, in OpenSSH's format; made when it is asked for.
    pub fn private_key(&self, kind: KeyKind) -> Result<String, Error> {
        let name = format!("user_{}", kind.name());
        let path = self.folder.path().join(&name);
        if !path.exists() {
            new_key(&self.openssh, kind, &path)?;
            let authorized = self.read("authorized_keys")? + &self.read(&format!("{name}.pub"))?;
            write(&self.folder.path().join("authorized_keys"), &authorized)?;
        }
        self.read(&name)
    }

    /// The line of a `known_hosts` file for this server and its key of this kind.
    pub fn known_hosts_line(&self, kind: KeyKind) -> Result<String, Error> {
        Ok(format!("[127.0.0.1]:{} {}", self.port, self.read(&format!("host_{}.pub", kind.name()))?))
    }

    /// The fingerprint of its host key of this kind, as `ssh-keygen` has it.
    pub async fn fingerprint(&self, kind: KeyKind) -> Result<String, Error> {
        let key = self.folder.path().join(format!("host_{}.pub", kind.name()));
        let mut command = Command::from(self.openssh.ssh_keygen());
        let printed =
            command.arg("-l").arg("-f").arg(key).output().await.map_err(Error::process("Running ssh-keygen"))?;
        let printed = String::from_utf8_lossy(&printed.stdout).into_owned();
        Ok(printed.split(' ').nth(1).unwrap_or_default().to_owned())
    }

    /// For how many seconds the tokens are good that it gives out from now on; 3600 unless this is called.
    pub fn set_lifetime(&self, seconds: u32) -> Result<(), Error> {
        write(&self.folder.path().join("lifetime"), &seconds.to_string())
    }

    /// Whether it says "internal error." instead of giving out tokens.
    pub fn set_without_tokens(&self, without: bool) -> Result<(), Error> {
        let path = self.folder.path().join("no-token");
        if without { write(&path, "") } else { std::fs::remove_file(&path).map_err(Error::file(path)) }
    }

    /// The tokens that it has given out, the last of them last.
    pub fn tokens(&self) -> Result<Vec<String>, Error> {
        Ok(self.read("tokens")?.lines().map(str::to_owned).collect())
    }

    pub(super) fn tokens_file(&self) -> PathBuf {
        self.folder.path().join("tokens")
    }

    fn read(&self, name: &str) -> Result<String, Error> {
        let path = self.folder.path().join(name);
        std::fs::read_to_string(&path).map_err(Error::file(path))
    }
}

impl Drop for LagoonSsh {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn find() -> Result<Arc<OpenSsh>, Error> {
    let found = tokio::task::spawn_blocking(OpenSsh::get).await;
    Ok(Arc::new(found.map_err(|error| Error::process("Looking for OpenSSH")(error.into()))??))
}

/// One connection, with its own sshd, started as `inetd` would.
async fn serve(stream: TcpStream, openssh: &OpenSsh, folder: PathBuf) {
    let Ok(stream) = stream.into_std() else { return };
    if stream.set_nonblocking(false).is_err() {
        return;
    }
    let descriptor = OwnedFd::from(stream);
    let Ok(second) = descriptor.try_clone() else { return };
    let Ok(log) = std::fs::File::options().append(true).create(true).open(folder.join("log")) else { return };
    let mut command = Command::from(openssh.sshd());
    command
        .args(["-i", "-e", "-f"])
        .arg(folder.join("sshd_config"))
        .env("NSS_WRAPPER_PASSWD", folder.join("passwd"))
        .env("NSS_WRAPPER_GROUP", folder.join("group"))
        .stdin(Stdio::from(descriptor))
        .stdout(Stdio::from(second))
        .stderr(Stdio::from(log))
        .kill_on_drop(true);
    // It says why it ends by ending.
    let Ok(mut sshd) = command.spawn() else { return };
    // This side's copies of the connection.
    drop(command);
    let _ = sshd.wait().await;
}

/// Everything that sshd reads.
fn prepare(openssh: &OpenSsh, folder: &Path, users: &[&str], host_keys: &[KeyKind]) -> Result<(), Error> {
    let mut keys = String::new();
    for kind in host_keys {
        let path = folder.join(format!("host_{}", kind.name()));
        new_key(openssh, *kind, &path)?;
        keys.extend(["HostKey ", &path.display().to_string(), "\n"]);
    }
    let (place, settings) = (folder.display(), &openssh.settings);
    let config = format!(
        "{keys}{settings}AuthorizedKeysFile {place}/authorized_keys\nStrictModes no\nPermitRootLogin yes\nUsePAM no\nPidFile none\nLogLevel VERBOSE\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\n\
         ForceCommand exec sh {place}/lagoon-ssh.sh {place} \"$SSH_ORIGINAL_COMMAND\"\n"
    );
    let this = std::fs::metadata(folder).map_err(Error::file(folder))?;
    let (user, group) = (this.uid(), this.gid());
    // The second is the one that sshd takes for itself before it knows who comes.
    let names = users.iter().map(|name| format!("{name}:*:{user}:{group}::{place}:/bin/sh\n"));
    let mut passwd = format!("root:*:0:0::/:/bin/sh\nsshd:*:{NOBODY}:{NOBODY}::/run/sshd:/bin/false\n");
    passwd.extend(names);
    write(&folder.join("passwd"), &passwd)?;
    write(&folder.join("group"), &format!("root:x:0:\nnogroup:x:{NOBODY}:\n"))?;
    // Debian makes it when the service starts; as root sshd insists on it, as another user it needs none.
    let _ = std::fs::create_dir_all("/run/sshd");
    write(&folder.join("authorized_keys"), "")?;
    write(&folder.join("sshd_config"), &config)?;
    write(&folder.join("lagoon-ssh.sh"), include_str!("lagoon-ssh.sh"))?;
    write(&folder.join("lifetime"), "3600")?;
    write(&folder.join("tokens"), "")
}

fn new_key(openssh: &OpenSsh, kind: KeyKind, path: &Path) -> Result<(), Error> {
    let mut command = openssh.ssh_keygen();
    command.args(["-q", "-N", "", "-t", kind.name(), "-f"]).arg(path);
    let status = command.status().map_err(Error::process("Running ssh-keygen (package openssh-client)"))?;
    let failed = || Error::Manifest(format!("ssh-keygen made no {} key", kind.name()).into());
    status.success().then_some(()).ok_or_else(failed)
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(Error::file(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lagoon_ssh_gives_a_token_and_runs_a_command() {
        let stand_in = LagoonSsh::start(&["lagoon", "shop-main"], &[KeyKind::Ed25519]).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (key, known_hosts) = (folder.path().join("key"), folder.path().join("known_hosts"));
        write(&known_hosts, &stand_in.known_hosts_line(KeyKind::Ed25519).unwrap()).unwrap();
        write(&key, &stand_in.private_key(KeyKind::Ed25519).unwrap()).unwrap();
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let session = async |user: &str, command: &str| {
            let mut ssh = Command::from(stand_in.openssh.ssh());
            ssh.args(["-F", "none", "-o", "BatchMode=yes", "-o"]);
            ssh.arg(format!("UserKnownHostsFile={}", known_hosts.display()));
            ssh.arg("-i").arg(&key).args(["-p", &stand_in.port().to_string(), &format!("{user}@127.0.0.1"), command]);
            let output = ssh.output().await.unwrap();
            assert!(output.status.success(), "{output:?}\n{}", stand_in.log().unwrap());
            String::from_utf8(output.stdout).unwrap()
        };
        let token = session("lagoon", "token").await;
        assert_eq!([token.trim_end()], stand_in.tokens().unwrap().as_slice());
        let printed = session("shop-main", "service=nginx container=php echo $namespace $service $container").await;
        assert_eq!(printed, "shop-main nginx php\n");
    }
}
