//! The CRD way, from the launch of the pod to the annotation.

use crate::bench::{Site, control_plane};
use serde_json::json;

#[tokio::test]
async fn a_switch_takes_three_requests_and_reports_its_result() {
    let site = Site::new(control_plane().await, "three-requests").await;
    let running = site.task(&site.payload("host-migration-a1b2c3")).launch().await.unwrap();
    site.complete("host-migration-a1b2c3").await;
    let finished = running.finish().await.unwrap();

    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(finished.log, "");
    assert_eq!(finished.result, Some(json!({})));
    assert_eq!(finished.requests_in_short(), [""; 0]);
}
