//! Commands over SSH, with the private key that Lagoon mounts.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{self, AuthResult, Handle};
use russh::keys::{Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate, decode_secret_key};
use russh::{Channel, ChannelMsg, Disconnect};
use tokio::time::{Instant, timeout};

use crate::backoff::Backoff;
use crate::cluster::shortened;
use crate::lagoon::command::{RemoteExit, Source};
use crate::lagoon::endpoint::Endpoint;
use crate::lagoon::error::{LagoonConnectError, SshError};
use crate::lagoon::known_hosts::{KnownHosts, Verdict, fingerprint};
use crate::mounts::Mounts;
use crate::output::Output;

/// For one attempt: the connection, the keys' exchange, and the proof of the task's own key.
const CONNECT_DEADLINE: Duration = Duration::from_secs(15);

/// How a host is tried again that cannot be reached.
const CONNECTIONS: Backoff =
    Backoff::new(Duration::from_millis(200), Duration::from_secs(5)).deadline(Duration::from_secs(30));

/// How long the goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// How long a command that has ended is listened to while nothing comes: what it has left running in the background holds
/// its output open, and a host need not close the channel.
const SILENCE: Duration = Duration::from_secs(5);

/// A command may be silent for long; the host is asked this often whether it is still there, and given up on when it
/// has not answered three times.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// The way to SSH hosts.
#[derive(Clone)]
pub(super) struct Ssh {
    key: Arc<PrivateKey>,
    known: KnownHosts,
    output: Output,
    /// The unknown keys that the log has told of.
    told: Arc<Mutex<BTreeSet<String>>>,
    connections: Backoff,
}

impl Ssh {
    /// Reads the key, and the known hosts if the image has a file of them. The key is registered as a secret.
    pub(super) fn new(mounts: &Mounts, output: &Output) -> Result<Self, LagoonConnectError> {
        let path = mounts.ssh_key();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(source) => return Err(LagoonConnectError::NoKey { path, source }),
        };
        output.register_secret(&text);
        let key = decode_secret_key(&text, None).map_err(|_| LagoonConnectError::BadKey { path })?;
        let path = mounts.known_hosts();
        let known = match std::fs::read_to_string(&path) {
            Ok(text) => KnownHosts::parse(&text)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => KnownHosts::default(),
            Err(source) => return Err(LagoonConnectError::KnownHostsUnreadable { path, source }),
        };
        Ok(Self { key: Arc::new(key), known, output: output.clone(), told: Arc::default(), connections: CONNECTIONS })
    }

    pub(super) fn know(&mut self, known: KnownHosts) {
        self.known.add(known);
    }

    pub(super) fn set_patience(&mut self, patience: Duration) {
        self.connections.deadline = patience;
    }

    /// Runs `command` as `user` and hands on what it writes, as it comes. It gets no input and no terminal.
    pub(super) async fn run(
        &self,
        endpoint: &Endpoint,
        user: &str,
        command: &str,
        deadline: Duration,
        on_data: &mut (dyn FnMut(Source, &[u8]) + Send),
    ) -> Result<RemoteExit, SshError> {
        let session = self.connect(endpoint, user).await?;
        let mut exit = None;
        let ended = timeout(deadline, execute(&session, endpoint, user, command, on_data, &mut exit)).await;
        // A host that does not take the goodbye loses nothing by it.
        let _ = timeout(GOODBYE, session.disconnect(Disconnect::ByApplication, "", "en")).await;
        if let Ok(Err(error)) = ended {
            return Err(error);
        }
        exit.ok_or_else(|| match ended {
            Ok(_) => lost(endpoint, &russh::Error::Disconnect),
            Err(_) => SshError::Deadline { endpoint: endpoint.clone(), deadline },
        })
    }

    /// An authenticated connection. A host that cannot be reached is tried again: nothing has been done by then.
    async fn connect(&self, endpoint: &Endpoint, user: &str) -> Result<Handle<HostCheck>, SshError> {
        let (started, mut pauses) = (Instant::now(), self.connections.start());
        let mut said = false;
        loop {
            let attempt = timeout(CONNECT_DEADLINE, self.attempt(endpoint, user)).await;
            let unreachable = || SshError::Unreachable {
                endpoint: endpoint.clone(),
                detail: format!("no answer within {} s", CONNECT_DEADLINE.as_secs()),
            };
            let error = match attempt.unwrap_or_else(|_| Err(unreachable())) {
                Err(error @ SshError::Unreachable { .. }) => error,
                result => return result,
            };
            // An attempt at the very end would be cut off by the whole call's deadline, which says less.
            let fits = |pause: &Duration| started.elapsed() + *pause < self.connections.deadline;
            let Some(pause) = pauses.next().filter(fits) else { return Err(error) };
            if !said {
                let seconds = self.connections.deadline.as_secs();
                self.output
                    .say(format!("Lagoon's SSH at {endpoint} cannot be reached; trying again for up to {seconds} s."));
                said = true;
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt(&self, endpoint: &Endpoint, user: &str) -> Result<Handle<HostCheck>, SshError> {
        let Endpoint { host, port } = endpoint;
        let algorithms = self.known.algorithms(host, *port);
        let check = HostCheck { endpoint: endpoint.clone(), ssh: self.clone() };
        let connected = client::connect(Arc::new(config(&algorithms)), (host.as_str(), *port), check).await;
        let mut session = connected.map_err(|fault| match fault {
            Fault::Refused(error) => error,
            Fault::Russh(russh::Error::NoCommonAlgo { .. }) if !algorithms.is_empty() => {
                SshError::OtherKindOfHostKey { endpoint: endpoint.clone() }
            }
            Fault::Russh(error) => SshError::Unreachable { endpoint: endpoint.clone(), detail: detail(&error) },
        })?;
        match self.authenticate(&mut session, user).await {
            Ok(AuthResult::Success) => Ok(session),
            Ok(AuthResult::Failure { .. }) => {
                Err(SshError::KeyRefused { endpoint: endpoint.clone(), user: user.to_owned() })
            }
            Err(error) => Err(SshError::Unreachable { endpoint: endpoint.clone(), detail: detail(&error) }),
        }
    }

    async fn authenticate(&self, session: &mut Handle<HostCheck>, user: &str) -> Result<AuthResult, russh::Error> {
        // SHA-1 signatures are not made: a host that knows nothing better refuses the key.
        let hash = if matches!(self.key.algorithm(), Algorithm::Rsa { .. }) {
            Some(session.best_supported_rsa_hash().await?.flatten().unwrap_or(HashAlg::Sha512))
        } else {
            None
        };
        session.authenticate_publickey(user, PrivateKeyWithHashAlg::new(self.key.clone(), hash)).await
    }

    /// Whether to go on with a host that shows `key`.
    fn check(&self, endpoint: &Endpoint, key: &PublicKeyOrCertificate) -> Result<(), SshError> {
        let key = key.public_key();
        let shown = fingerprint(&key);
        let endpoint = endpoint.clone();
        match self.known.judge(&endpoint.host, endpoint.port, &key) {
            Verdict::Known => Ok(()),
            Verdict::Unknown => {
                let line = format!("The SSH host {endpoint} is not known beforehand; its key is {shown}.");
                if self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(line.clone()) {
                    self.output.say(line);
                }
                Ok(())
            }
            Verdict::Changed(known) => Err(SshError::HostKeyChanged { endpoint, shown, known }),
            Verdict::Revoked => Err(SshError::HostKeyRevoked { endpoint, shown }),
        }
    }
}

/// Sends the command and follows it to its end. How it ended is in `exit` as soon as that is known.
async fn execute(
    session: &Handle<HostCheck>,
    endpoint: &Endpoint,
    user: &str,
    command: &str,
    on_data: &mut (dyn FnMut(Source, &[u8]) + Send),
    exit: &mut Option<RemoteExit>,
) -> Result<(), SshError> {
    let lost = |error: russh::Error| lost(endpoint, &error);
    let refused = || SshError::CommandRefused { endpoint: endpoint.clone(), user: user.to_owned() };
    let mut channel = session.channel_open_session().await.map_err(|error| match error {
        russh::Error::ChannelOpenFailure(_) => refused(),
        other => lost(other),
    })?;
    channel.exec(true, command).await.map_err(lost)?;
    // Commands that read their input to its end must not wait for it.
    channel.eof().await.map_err(lost)?;
    while let Some(message) = next(&mut channel, exit.is_some()).await {
        match message {
            ChannelMsg::Data { data } => on_data(Source::Stdout, &data),
            ChannelMsg::ExtendedData { data, .. } => on_data(Source::Stderr, &data),
            ChannelMsg::ExitStatus { exit_status } => *exit = Some(RemoteExit::Code(exit_status)),
            ChannelMsg::ExitSignal { signal_name, .. } => *exit = Some(RemoteExit::Signal(name(&signal_name))),
            ChannelMsg::Failure => return Err(refused()),
            ChannelMsg::Close => break,
            _ => {}
        }
    }
    Ok(())
}

/// What comes next; `None` when nothing will come, or nothing has come for a while and the command has ended.
async fn next(channel: &mut Channel<client::Msg>, has_ended: bool) -> Option<ChannelMsg> {
    if has_ended { timeout(SILENCE, channel.wait()).await.ok().flatten() } else { channel.wait().await }
}

fn lost(endpoint: &Endpoint, error: &russh::Error) -> SshError {
    SshError::Lost { endpoint: endpoint.clone(), detail: detail(error) }
}

fn name(signal: &russh::Sig) -> String {
    match signal {
        russh::Sig::Custom(name) => name.clone(),
        // The names of the variants are the signals'.
        known => format!("{known:?}"),
    }
}

fn detail(error: &russh::Error) -> String {
    shortened(&error.to_string())
}

fn config(known: &[Algorithm]) -> client::Config {
    let mut config = client::Config {
        keepalive_interval: Some(KEEPALIVE),
        keepalive_max: 3,
        nodelay: true,
        ..client::Config::default()
    };
    let sha1 = Algorithm::Rsa { hash: None };
    // A host with several keys is to show one that can be compared.
    let wanted = |algorithm: &Algorithm| {
        let kind = if matches!(algorithm, Algorithm::Rsa { .. }) { &sha1 } else { algorithm };
        *algorithm != sha1 && (known.is_empty() || known.contains(kind))
    };
    let keys: Vec<_> = config.preferred.key.iter().filter(|algorithm| wanted(algorithm)).cloned().collect();
    config.preferred.key = keys.into();
    config
}

/// Looks at the host's key before anything is sent to it.
struct HostCheck {
    endpoint: Endpoint,
    ssh: Ssh,
}

#[derive(Debug)]
enum Fault {
    Russh(russh::Error),
    Refused(SshError),
}

impl From<russh::Error> for Fault {
    fn from(error: russh::Error) -> Self {
        Self::Russh(error)
    }
}

impl client::Handler for HostCheck {
    type Error = Fault;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, Fault> {
        self.ssh.check(&self.endpoint, key).map_err(Fault::Refused)?;
        Ok(true)
    }
}
