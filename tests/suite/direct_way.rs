//! The direct way, from the launch of the pod to the annotation.

use switch_testing::Shop;
use switch_testing::control_plane;

#[tokio::test]
async fn routes_and_secrets_change_places_and_lagoon_gets_the_result() {
    let shop = Shop::with_routes(control_plane().await, "direct").await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(finished.result, Some(shop.result()));
    shop.assert_switched("after one run").await;
}
