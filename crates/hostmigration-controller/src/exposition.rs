//! The two text formats for metrics: `OpenMetrics`, which the library writes, and the older one of Prometheus, which every
//! scraper reads.

use std::fmt::Write;

/// How metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `OpenMetrics` 1.0.0.
    OpenMetrics,
    /// Prometheus' text format 0.0.4.
    Prometheus,
}

const OPEN_METRICS: &str = "application/openmetrics-text";

impl Format {
    /// The format for a client that sends this `Accept` header: `OpenMetrics` only where it asks for it.
    #[must_use]
    pub fn accepted(accept: &str) -> Self {
        let asks = accept.split(',').any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let is_open_metrics = parts.next().is_some_and(|media| media.eq_ignore_ascii_case(OPEN_METRICS));
            // 1.0.0 is what is written; a quality of zero refuses it.
            let fits = |part: &str| match part.split_once('=') {
                Some(("version", version)) => version == "1.0.0",
                Some(("q", quality)) => quality.parse().is_ok_and(|quality: f32| quality > 0.0),
                _ => true,
            };
            is_open_metrics && parts.all(fits)
        });
        if asks { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// The format's content type.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// `OpenMetrics` text in Prometheus' own format: there the family of a counter has the name of its samples, an info metric
/// is a gauge, and neither units nor the end are marked.
pub(crate) fn as_plain_text(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help = None;
    for line in open_metrics.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            // Named after the type, which follows.
            (Some("#"), Some("HELP"), Some(_), words) => help = Some(words.unwrap_or_default()),
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                let (suffix, kind) = match kind {
                    "counter" => ("_total", kind),
                    "info" => ("_info", "gauge"),
                    "unknown" => ("", "untyped"),
                    _ => ("", kind),
                };
                let help = help.take().unwrap_or_default();
                // A string takes everything.
                let _ = writeln!(text, "# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}");
            }
            (Some("#"), ..) => {}
            _ => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests;
