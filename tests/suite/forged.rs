//! A journal that somebody else has written, through the real task: it moves nothing in the active environment's namespace
//! that a switch without it would not.

use lagoon_task_testing::{Finished, ingress};
use serde_json::{Value, json};
use switch_testing::forged::{FOREIGN, SWITCH, book, entry, foreign, foreign_secrets, head, journal};
use switch_testing::{CONFIG_MAPS, INGRESSES, SECRETS, Shop, control_plane, host};

/// A site of whose standby environment's namespace somebody has written this journal in, and what is not theirs beside its
/// routes: an unlabelled route with its Secret, and an Opaque Secret.
async fn with_journal(project: &str, gaps: usize, routes: impl Fn(&Value) -> Vec<Value>) -> Shop<'static> {
    let shop = Shop::with_routes(control_plane().await, project).await;
    let foreign = foreign(project);
    let admin = foreign[0].clone();
    shop.add(&shop.active, foreign.into()).await;
    let book = book(&routes(&admin), &foreign_secrets());
    shop.add(&shop.standby, vec![journal(&head(&shop.standby, &shop.active, gaps), &book)]).await;
    shop
}

/// The task has neither read nor written what is not the switch's.
async fn assert_untouched(shop: &Shop<'_>, finished: &Finished) {
    let touched = |request: &&lagoon_task_testing::Request| {
        request.namespace == shop.active && FOREIGN.contains(&request.name.as_str())
    };
    let touched: Vec<_> = finished.requests.iter().filter(touched).collect();
    assert!(touched.is_empty(), "{touched:#?}");
    for name in ["admin-tls", "database"] {
        assert!(shop.names(&shop.active, SECRETS).await.contains(&name.to_owned()));
        assert!(!shop.names(&shop.standby, SECRETS).await.contains(&name.to_owned()));
    }
    assert!(shop.names(&shop.active, INGRESSES).await.contains(&"admin".to_owned()));
}

#[tokio::test]
async fn journal_that_orders_what_is_not_seen_changes_nothing_in_the_active_environment() {
    let project = "forged-orders";
    let invented = ingress("invented", &host(project, "invented"), "web", Some("database"));
    let shop = with_journal(project, 2, |admin| vec![entry("standby", &invented), entry("active", admin)]).await;
    let before = shop.list(&shop.active, INGRESSES).await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    assert!(finished.log.contains("they are back where they were"), "{}", finished.log);
    assert_eq!(shop.list(&shop.active, INGRESSES).await, before, "{}", finished.log);
    assert_untouched(&shop, &finished).await;
}

#[tokio::test]
async fn journal_that_says_nothing_is_offline_adds_nothing_to_a_switch() {
    let shop = with_journal("forged-nothing", 0, |admin| vec![entry("active", admin)]).await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
    assert_eq!(shop.names(&shop.standby, INGRESSES).await, ["shop", "www"], "{}", finished.log);
    assert_eq!(shop.names(&shop.active, INGRESSES).await, ["admin", "preview", "standby"], "{}", finished.log);
    assert_untouched(&shop, &finished).await;
}

#[tokio::test]
async fn journal_that_unpacks_to_much_more_is_refused() {
    let shop = Shop::with_routes(control_plane().await, "forged-bomb").await;
    let before = shop.content().await;
    // 250 MB, of which 250 KB are left when packed.
    let bomb = journal(&head(&shop.standby, &shop.active, 0), &vec![b' '; 250_000_000]);
    shop.add(&shop.standby, vec![bomb]).await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    assert!(finished.log.contains("larger than any that this program writes"), "{}", finished.log);
    assert_eq!(shop.content().await, before, "{}", finished.log);
}

#[tokio::test]
async fn text_of_a_journal_reaches_no_log() {
    let odd = "x\u{1b}[31m\n<script>\u{202e}";
    let shop = Shop::with_routes(control_plane().await, "forged-text").await;
    let mut head = head(&shop.standby, &shop.active, 0);
    head["holder"] = json!({ "kind": odd, "name": odd, "uid": odd });
    shop.add(&shop.standby, vec![journal(&head, &book(&[], &json!([])))]).await;
    let finished = shop.switch().await;
    assert_eq!(finished.exit_code, Some(1), "{}", finished.log);
    assert!(!finished.log.contains(['\u{1b}', '\u{202e}']) && !finished.log.contains("<script>"), "{}", finished.log);
    assert!(finished.log.contains("has a name or an id that is none"), "{}", finished.log);
    assert_eq!(shop.names(&shop.standby, CONFIG_MAPS).await, ["activestandby-journal"], "{SWITCH} is left as it is");
}
