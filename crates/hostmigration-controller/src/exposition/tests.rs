use super::*;

#[test]
fn open_metrics_is_for_those_who_ask_for_it() {
    let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
                      text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    for accept in [prometheus, OPEN_METRICS, "text/html, Application/OpenMetrics-Text"] {
        assert_eq!(Format::accepted(accept), Format::OpenMetrics, "{accept}");
    }
    let refused = ["application/openmetrics-text;q=0", "application/openmetrics-text; version=0.0.1"];
    for accept in ["", "*/*", "text/plain", "application/json", refused[0], refused[1]] {
        assert_eq!(Format::accepted(accept), Format::Prometheus, "{accept}");
    }
}

#[test]
fn plain_text_names_families_after_their_samples() {
    let open_metrics = "# HELP a_switches Done.\n# TYPE a_switches counter\na_switches_total 1\n\
                        # HELP a_wait_seconds Waited.\n# TYPE a_wait_seconds histogram\n# UNIT a_wait_seconds seconds\n\
                        a_wait_seconds_sum 0.5\n\
                        # HELP a_build Version.\n# TYPE a_build info\na_build_info{version=\"# TYPE x\"} 1\n# EOF\n";
    let expected = "# HELP a_switches_total Done.\n# TYPE a_switches_total counter\na_switches_total 1\n\
                    # HELP a_wait_seconds Waited.\n# TYPE a_wait_seconds histogram\na_wait_seconds_sum 0.5\n\
                    # HELP a_build_info Version.\n# TYPE a_build_info gauge\na_build_info{version=\"# TYPE x\"} 1\n";
    assert_eq!(as_plain_text(open_metrics), expected);
}
