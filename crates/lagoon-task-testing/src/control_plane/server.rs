//! A server process that ends with the process that started it, however that one ends.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use tokio::time::Instant;

use crate::PATIENCE;
use crate::error::Error;

/// Runs the server, and kills it and removes the folder (if it got one) when standard input closes, which it
/// does when the parent dies, even by SIGKILL.
const SUPERVISOR: &str = r#"
folder=$1
shift
exec 3<&0
"$@" </dev/null &
server=$!
{ read -r _; kill -KILL "$server"; [ -z "$folder" ] || rm -rf "$folder"; } <&3 2>/dev/null &
exec 3<&-
wait "$server"
"#;

/// How often a server is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// Lines of a server's log that go into an error.
const LOG_LINES: usize = 15;

pub(crate) struct Server {
    name: &'static str,
    supervisor: Child,
    lifeline: Option<ChildStdin>,
    log: PathBuf,
}

impl Server {
    /// Starts `binary` with its output in `log`. `folder`, if there is one, is removed with the server: nothing runs the
    /// destructors of a control plane that is shared by all tests of a process.
    pub(crate) fn start(
        name: &'static str,
        binary: &Path,
        arguments: &[String],
        log: &Path,
        folder: Option<&Path>,
    ) -> Result<Self, Error> {
        let file = File::options().create(true).append(true).open(log).map_err(Error::file(log))?;
        let errors = file.try_clone().map_err(Error::file(log))?;
        let mut supervisor = Command::new("sh")
            .args(["-c", SUPERVISOR, "supervisor"])
            .arg(folder.unwrap_or(Path::new("")))
            .arg(binary)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(file)
            .stderr(errors)
            .spawn()
            .map_err(Error::process(format!("Starting {name}")))?;
        let lifeline = supervisor.stdin.take();
        Ok(Self { name, supervisor, lifeline, log: log.to_owned() })
    }

    /// How the server ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.supervisor.try_wait().ok().flatten()
    }

    /// Asks until it is ready. An error when it has ended, or is not ready in the time that a test has patience for.
    pub(crate) async fn until_ready(&mut self, is_ready: impl AsyncFn() -> bool) -> Result<(), Error> {
        let until = Instant::now() + PATIENCE;
        let mut ask = tokio::time::interval(ASK_EVERY);
        loop {
            ask.tick().await;
            if let Some(status) = self.ended() {
                return Err(self.not_ready(format!("it ended with {status}")));
            }
            if is_ready().await {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(self.not_ready(format!("not within {} s", PATIENCE.as_secs())));
            }
        }
    }

    /// Kills the server, as a crash would, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        if let Some(mut lifeline) = self.lifeline.take() {
            let _ = lifeline.flush();
        }
        let _ = self.supervisor.wait();
    }

    /// An error that says why this server is given up on, with the end of its log.
    pub(crate) fn not_ready(&self, reason: impl Into<String>) -> Error {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let mut lines: Vec<&str> = text.lines().collect();
        let log = lines.split_off(lines.len().saturating_sub(LOG_LINES)).join("\n");
        Error::NotReady { server: self.name, reason: reason.into(), log }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
