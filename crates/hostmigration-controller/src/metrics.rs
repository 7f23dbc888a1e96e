//! What Prometheus can ask the controller. All names begin with `hostmigration_controller_`.
//!
//! | name | meaning |
//! |---|---|
//! | `switches_started_total` | switches begun |
//! | `switches_resumed_total` | times that an unfinished switch was continued |
//! | `switches_completed_total` | switches done |
//! | `switches_failed_total` | switches given up |
//! | `switches_under_way` | switches that the engine carries out at the moment |
//! | `switches_blocked` | switches that could not start; they are tried again, and nothing has changed |
//! | `switches_unended` | switches that have or may have moved routes and have not ended: hosts may be offline |
//! | `hosts_offline` | hosts that these switches have left offline, as far as the last attempt of each has seen |
//! | `journals_unreadable` | journals that cannot be read; the switches of their environments stop |
//! | `switch_duration_seconds` | histogram: from the call of the engine to the end of the switch |
//! | `queue_waiting` | objects that wait for their first attempt |
//! | `queue_at_work` | attempts at work, by the label `group`: `first`, `slow` or `again` |
//! | `queue_trying_again` | objects that wait until they are tried again |
//! | `queue_wait_seconds` | histogram: how long objects waited for their first attempt |
//! | `attempts_panicked_total` | attempts that a bug in the controller ended |
//! | `finished_objects` | finished `HostMigration` objects in the cluster |
//! | `pruned_objects_total` | finished `HostMigration` objects deleted because of `--keep-finished` |
//! | `watch_synced` | 1 while the leader's watch of the objects works, otherwise 0 |
//! | `watch_last_success_timestamp_seconds` | when the watch was last seen to work |
//! | `rights_missing` | rights that the controller needs and lacks |
//! | `definition_missing` | 1 while the cluster does not know `HostMigration` objects, otherwise 0 |
//! | `leader` | 1 while this replica holds the Lease and begins switches, otherwise 0 |
//! | `build_info` | 1, with the label `version` |

use std::fmt;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::count::set;
use crate::exposition::{Format, as_plain_text};
use crate::queue::Counts;
use crate::unfinished::Unended;
use crate::unreadable::Unreadable;

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
    /// Switches that could not start and have changed nothing.
    pub blocked: Unended,
    /// Switches that an attempt has left without an end, after routes have or may have moved.
    pub unended: Unended,
    /// Journals that cannot be read.
    pub unreadable: Unreadable,
    /// Seconds from the call of the engine to the end of the switch.
    pub duration: Histogram,
    waiting: Gauge,
    at_work: Family<[(&'static str, &'static str); 1], Gauge>,
    trying_again: Gauge,
    /// Seconds that an object waited for its first attempt.
    pub wait: Histogram,
    /// Attempts that a bug ended.
    pub panicked: Counter,
    /// Finished objects in the cluster.
    pub finished: Gauge,
    /// Finished objects deleted.
    pub pruned: Counter,
    /// 1 while the watch works.
    pub watch_synced: Gauge,
    /// Unix time of its last success.
    pub watch_succeeded: Gauge,
    /// Rights that are missing.
    pub rights_missing: Gauge,
    /// 1 while the custom resource is not installed.
    pub definition_missing: Gauge,
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
            blocked: Unended::default(),
            unended: Unended::default(),
            unreadable: Unreadable::default(),
            // From a tenth of a second to 102 seconds.
            duration: Histogram::new(exponential_buckets(0.1, 2.0, 11)),
            waiting: Gauge::default(),
            at_work: Family::default(),
            trying_again: Gauge::default(),
            // From ten milliseconds to 164 seconds.
            wait: Histogram::new(exponential_buckets(0.01, 4.0, 8)),
            panicked: Counter::default(),
            finished: Gauge::default(),
            pruned: Counter::default(),
            watch_synced: Gauge::default(),
            watch_succeeded: Gauge::default(),
            rights_missing: Gauge::default(),
            definition_missing: Gauge::default(),
            leader: Gauge::default(),
            registry: Registry::with_prefix("hostmigration_controller"),
        };
        metrics.register_switches();
        metrics.register_queue();
        metrics.register_health();
        metrics.queue(&Counts::default());
        metrics
    }

    fn register_switches(&mut self) {
        let registry = &mut self.registry;
        registry.register("switches_started", "Switches begun", self.started.clone());
        registry.register("switches_resumed", "Times that an unfinished switch was continued", self.resumed.clone());
        registry.register("switches_completed", "Switches done", self.completed.clone());
        registry.register("switches_failed", "Switches given up", self.failed.clone());
        registry.register("switches_under_way", "Switches being carried out at the moment", self.under_way.clone());
        let help = "Switches that could not start and are tried again; nothing has changed";
        registry.register("switches_blocked", help, self.blocked.count.clone());
        let help = "Switches that have or may have moved routes and have not ended; hosts may be offline";
        registry.register("switches_unended", help, self.unended.count.clone());
        let help = "Hosts that unended switches have left offline";
        registry.register("hosts_offline", help, self.unended.hosts_offline.clone());
        let help = "Journals that cannot be read; the switches of their environments stop";
        registry.register("journals_unreadable", help, self.unreadable.count.clone());
        let help = "From the call of the engine to the end of the switch";
        registry.register_with_unit("switch_duration", help, Unit::Seconds, self.duration.clone());
    }

    fn register_queue(&mut self) {
        let registry = &mut self.registry;
        registry.register("queue_waiting", "Objects that wait for their first attempt", self.waiting.clone());
        registry.register("queue_at_work", "Attempts at work at the moment", self.at_work.clone());
        let help = "Objects that wait until they are tried again";
        registry.register("queue_trying_again", help, self.trying_again.clone());
        let help = "How long objects waited for their first attempt";
        registry.register_with_unit("queue_wait", help, Unit::Seconds, self.wait.clone());
        registry.register("attempts_panicked", "Attempts that a bug in the controller ended", self.panicked.clone());
        registry.register("finished_objects", "Finished HostMigrations in the cluster", self.finished.clone());
        registry.register("pruned_objects", "Finished HostMigrations deleted", self.pruned.clone());
    }

    fn register_health(&mut self) {
        let registry = &mut self.registry;
        let help = "1 while the leader's watch of the HostMigrations works, otherwise 0";
        registry.register("watch_synced", help, self.watch_synced.clone());
        let help = "When the watch was last seen to work, in Unix time";
        registry.register_with_unit("watch_last_success_timestamp", help, Unit::Seconds, self.watch_succeeded.clone());
        let help = "Rights that the controller needs and lacks";
        registry.register("rights_missing", help, self.rights_missing.clone());
        let help = "1 while the cluster does not know HostMigrations, otherwise 0";
        registry.register("definition_missing", help, self.definition_missing.clone());
        registry.register("leader", "1 while this replica holds the Lease and begins switches", self.leader.clone());
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The controller's version", build);
    }

    /// Notes how many objects are in which state.
    pub fn queue(&self, counts: &Counts) {
        set(&self.waiting, counts.waiting);
        set(&self.trying_again, counts.later);
        for (group, count) in [("first", counts.first), ("slow", counts.slow), ("again", counts.again)] {
            set(&self.at_work.get_or_create(&[("group", group)]), count);
        }
    }

    /// All of them as text.
    pub fn text(&self, format: Format) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(match format {
            Format::OpenMetrics => text,
            Format::Prometheus => as_plain_text(&text),
        })
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
