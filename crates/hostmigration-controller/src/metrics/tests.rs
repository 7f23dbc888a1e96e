use super::*;

#[test]
fn every_metric_has_its_name_and_value() {
    let metrics = Metrics::new();
    metrics.started.inc();
    metrics.resumed.inc_by(2);
    metrics.completed.inc();
    metrics.failed.inc();
    metrics.under_way.inc();
    metrics.unended.left("shop-develop", "host-migration-abcde");
    metrics.leader.set(1);
    metrics.duration.observe(1.5);
    let text = metrics.text().unwrap();
    let version = format!("hostmigration_controller_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
    for line in [
        "hostmigration_controller_switches_started_total 1",
        "hostmigration_controller_switches_resumed_total 2",
        "hostmigration_controller_switches_completed_total 1",
        "hostmigration_controller_switches_failed_total 1",
        "hostmigration_controller_switches_under_way 1",
        "hostmigration_controller_switches_unended 1",
        "hostmigration_controller_leader 1",
        "hostmigration_controller_switch_duration_seconds_sum 1.5",
        "hostmigration_controller_switch_duration_seconds_count 1",
        "hostmigration_controller_switch_duration_seconds_bucket{le=\"1.6\"} 1",
        &version,
    ] {
        assert!(text.lines().any(|written| written == line), "{line} is not in:\n{text}");
    }
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[test]
fn all_are_there_before_anything_has_happened() {
    let text = Metrics::default().text().unwrap();
    assert!(text.contains("hostmigration_controller_switches_failed_total 0\n"), "{text}");
    assert!(text.contains("hostmigration_controller_leader 0\n"), "{text}");
}
