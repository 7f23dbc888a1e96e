use std::collections::{BTreeMap, BTreeSet};

use super::*;

fn used() -> Metrics {
    let metrics = Metrics::new();
    metrics.started.inc();
    metrics.resumed.inc_by(2);
    metrics.completed.inc();
    metrics.failed.inc();
    metrics.under_way.inc();
    metrics.blocked.left("blog-develop", "host-migration-abcde");
    metrics.unended.left("shop-develop", "host-migration-abcde");
    metrics.unended.left_offline("shop-develop", "host-migration-abcde", 8);
    metrics.unreadable.met(&lagoon_task::ObjectName::new("ConfigMap", "shop-develop", "activestandby-journal"));
    metrics.leader.set(1);
    metrics.duration.observe(1.5);
    metrics.wait.observe(0.02);
    metrics.queue(&Counts { waiting: 1, first: 2, slow: 3, again: 4, later: 5 });
    metrics.panicked.inc();
    metrics.finished.set(6);
    metrics.pruned.inc();
    metrics.watch_synced.set(1);
    metrics.watch_succeeded.set(1_764_246_000);
    metrics.rights_missing.set(7);
    metrics.definition_missing.set(1);
    metrics
}

#[test]
fn every_metric_has_its_name_and_value() {
    let version = format!("build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
    for format in [Format::OpenMetrics, Format::Prometheus] {
        let text = used().text(format).unwrap();
        for line in [
            "switches_started_total 1",
            "switches_resumed_total 2",
            "switches_completed_total 1",
            "switches_failed_total 1",
            "switches_under_way 1",
            "switches_blocked 1",
            "switches_unended 1",
            "hosts_offline 8",
            "journals_unreadable 1",
            "leader 1",
            "switch_duration_seconds_sum 1.5",
            "switch_duration_seconds_count 1",
            "switch_duration_seconds_bucket{le=\"1.6\"} 1",
            "queue_waiting 1",
            "queue_at_work{group=\"first\"} 2",
            "queue_at_work{group=\"slow\"} 3",
            "queue_at_work{group=\"again\"} 4",
            "queue_trying_again 5",
            "queue_wait_seconds_bucket{le=\"0.04\"} 1",
            "attempts_panicked_total 1",
            "finished_objects 6",
            "pruned_objects_total 1",
            "watch_synced 1",
            "watch_last_success_timestamp_seconds 1764246000",
            "rights_missing 7",
            "definition_missing 1",
            &version,
        ] {
            let line = format!("hostmigration_controller_{line}");
            assert!(text.lines().any(|written| written == line), "{line} is not in:\n{text}");
        }
        assert_eq!(text.ends_with("# EOF\n"), format == Format::OpenMetrics, "{text}");
    }
}

#[test]
fn all_are_there_before_anything_has_happened() {
    let text = Metrics::default().text(Format::Prometheus).unwrap();
    assert!(text.contains("hostmigration_controller_switches_failed_total 0\n"), "{text}");
    assert!(text.contains("hostmigration_controller_queue_at_work{group=\"slow\"} 0\n"), "{text}");
    assert!(text.contains("hostmigration_controller_leader 0\n"), "{text}");
}

/// Reads Prometheus' text format 0.0.4 as strictly as `promtool check metrics` does: the samples, by family.
fn read(text: &str) -> BTreeMap<String, Vec<(String, f64)>> {
    let mut families: BTreeMap<String, Vec<(String, f64)>> = BTreeMap::new();
    let (mut help, mut family, mut seen) = (String::new(), (String::new(), String::new()), BTreeSet::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, words) = rest.split_once(' ').expect(line);
            assert!(!words.trim().is_empty(), "{line}");
            help = name.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect(line);
            assert_eq!(name, help, "the help of another family stands before {line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
            assert!(families.insert(name.to_owned(), Vec::new()).is_none(), "twice: {line}");
            family = (name.to_owned(), kind.to_owned());
        } else {
            let (series, value) = line.rsplit_once(' ').expect(line);
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let labels = labels.strip_suffix('}').expect(line);
            for label in labels.split(',').filter(|label| !label.is_empty()) {
                let (label, text) = label.split_once('=').expect(line);
                assert!(is_name(label) && text.len() > 1 && text.starts_with('"') && text.ends_with('"'), "{line}");
            }
            let suffix = name.strip_prefix(&family.0).expect(line);
            let suffixes = if family.1 == "histogram" { &["_bucket", "_sum", "_count"][..] } else { &[""] };
            assert!(suffixes.contains(&suffix) && is_name(name), "{line}");
            assert!(seen.insert(series.to_owned()), "twice: {line}");
            families.get_mut(&family.0).unwrap().push((series.to_owned(), value.parse().expect(line)));
        }
    }
    families
}

fn is_name(name: &str) -> bool {
    name.chars().all(|character| character.is_ascii_lowercase() || character == '_')
}

#[test]
fn plain_text_is_what_a_strict_reader_takes() {
    for metrics in [Metrics::new(), used()] {
        let families = read(&metrics.text(Format::Prometheus).unwrap());
        assert_eq!(families.len(), 23);
        for (name, samples) in &families {
            assert!(!samples.is_empty(), "{name}");
        }
        for name in ["switch_duration_seconds", "queue_wait_seconds"] {
            let name = format!("hostmigration_controller_{name}");
            let samples = &families[&name];
            let value = |series: &str| samples.iter().find(|(name, _)| name == series).unwrap().1;
            let buckets: Vec<f64> =
                samples.iter().filter(|(series, _)| series.contains("_bucket")).map(|(_, value)| *value).collect();
            assert!(buckets.is_sorted(), "{samples:?}");
            let all = value(&format!("{name}_bucket{{le=\"+Inf\"}}"));
            assert!((all - value(&format!("{name}_count"))).abs() < 0.1, "{samples:?}");
        }
    }
}
