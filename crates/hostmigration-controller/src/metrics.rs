//! What Prometheus can ask the controller. All names begin with `hostmigration_controller_`.
//!
//! | name | meaning |
//! |---|---|
//! | `switches_started_total` | switches begun |
//! | `switches_resumed_total` | times that an unfinished switch was continued |
//! | `switches_completed_total` | switches done |
//! | `switches_failed_total` | switches given up |
//! | `switches_under_way` | switches that the engine carries out at the moment |
//! | `switches_unended` | switches that an attempt has left without an end, until one ends them |
//! | `switch_duration_seconds` | histogram: from the call of the engine to the end of the switch |
//! | `leader` | 1 while this replica holds the Lease and begins switches, otherwise 0 |
//! | `build_info` | 1, with the label `version` |

use std::fmt;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::unfinished::Unended;

/// The content type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The controller's metrics.
pub struct Metrics {
    /// Switches begun.
    pub started: Counter,
    /// Times that an unfinished switch was continued.
    pub resumed: Counter,
    /// Switches done.
    pub completed: Counter,
    /// Switches given up.
    pub failed: Counter,
    /// Switches that the engine carries out at the moment.
    pub under_way: Gauge,
    /// Switches that an attempt has left without an end.
    pub unended: Unended,
    /// Seconds from the call of the engine to the end of the switch.
    pub duration: Histogram,
    /// 1 while this replica holds the Lease and begins switches.
    pub leader: Gauge,
    registry: Registry,
}

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut metrics = Self {
            started: Counter::default(),
            resumed: Counter::default(),
            completed: Counter::default(),
            failed: Counter::default(),
            under_way: Gauge::default(),
            unended: Unended::default(),
            // From a tenth of a second to 102 seconds.
            duration: Histogram::new(exponential_buckets(0.1, 2.0, 11)),
            leader: Gauge::default(),
            registry: Registry::with_prefix("hostmigration_controller"),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("switches_started", "Switches begun", self.started.clone());
        registry.register("switches_resumed", "Times that an unfinished switch was continued", self.resumed.clone());
        registry.register("switches_completed", "Switches done", self.completed.clone());
        registry.register("switches_failed", "Switches given up", self.failed.clone());
        registry.register("switches_under_way", "Switches being carried out at the moment", self.under_way.clone());
        let help = "Switches that an attempt has left without an end, until one ends them";
        registry.register("switches_unended", help, self.unended.count.clone());
        let help = "From the call of the engine to the end of the switch";
        registry.register_with_unit("switch_duration", help, Unit::Seconds, self.duration.clone());
        registry.register("leader", "1 while this replica holds the Lease and begins switches", self.leader.clone());
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The controller's version", build);
    }

    /// All of them in the text format of `OpenMetrics`.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
