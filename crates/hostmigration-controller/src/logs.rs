//! The log: one JSON object a line on standard output.
//!
//! How much is logged is fixed. This is the one place besides `task/output` that writes to standard output: the log's
//! lines have fields of their own, which a task's log has not.

use std::fmt::Display;
use std::io::{self, Write};

use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::attempt;
use crate::identity::Identity;
use lagoon_task::output::Output;

/// Begins to log: what this crate has to say from INFO on, libraries from WARN on. A panic becomes a line of the log
/// and ends the process with exit code 1; one in an attempt ends that attempt.
pub fn start() {
    let levels = Targets::new().with_default(Level::WARN).with_target(env!("CARGO_CRATE_NAME"), Level::INFO);
    // Fails only when the log has begun already; then that goes on.
    let _ = tracing_subscriber::registry().with(layer(io::stdout)).with(levels).try_init();
    std::panic::set_hook(Box::new(|panic| {
        // The panic's own message may quote anything.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        if let Some(Identity { namespace, name: hostmigration, .. }) = attempt::current() {
            tracing::error!(place, namespace, hostmigration, "The attempt crashed because of a bug in the controller.");
            return;
        }
        tracing::error!(place, "The controller stopped because of a fault in its own program.");
        std::process::exit(1);
    }));
}

/// Makes JSON of events and writes it to `writer`.
fn layer<S, W>(writer: W) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        // A line that cannot be written must not become a panic about standard error.
        .log_internal_errors(false)
        .with_writer(writer)
}

/// The log's last line when the controller could not go on.
pub fn failure(error: impl Display) {
    tracing::error!("{error}");
}

/// An output whose lines become lines of the log.
#[must_use]
pub fn output() -> Output {
    Output::new(Lines { about: None, secrets: None }, false)
}

/// An output whose lines become lines of the log about a `HostMigration`. What `secrets` hides is hidden here too.
#[must_use]
pub fn switch_output(namespace: &str, name: &str, secrets: Output) -> Output {
    Output::new(Lines { about: Some((namespace.to_owned(), name.to_owned())), secrets: Some(secrets) }, false)
}

/// Takes whole lines, as [`Output`] writes them.
struct Lines {
    /// Namespace and name of a `HostMigration`.
    about: Option<(String, String)>,
    secrets: Option<Output>,
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let text = self.secrets.as_ref().map_or_else(|| text.to_string(), |secrets| secrets.hide_secrets(&text));
        for line in text.lines() {
            let namespace = self.about.as_ref().map(|(namespace, _)| namespace);
            let hostmigration = self.about.as_ref().map(|(_, name)| name);
            tracing::info!(namespace, hostmigration, "{line}");
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
