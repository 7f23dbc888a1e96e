use super::*;
use crate::fixtures::entry;

#[test]
fn urls_that_move_are_told_by_where_they_go_each_once_in_the_order_of_the_routes() {
    let with = |home: Side, urls: &[&str]| RouteEntry {
        urls: urls.iter().map(|&url| url.to_owned()).collect(),
        ..entry("www", home)
    };
    let routes = vec![
        with(Side::Active, &["https://b", "https://a"]),
        with(Side::Standby, &["https://s"]),
        with(Side::Active, &[]),
        with(Side::Active, &["https://a", "http://a", "https://s"]),
    ];
    let moved = Book { routes, ..Book::default() }.moved();
    assert_eq!(moved.to_standby, ["https://b", "https://a", "http://a", "https://s"]);
    assert_eq!(moved.to_active, ["https://s"]);
}

#[test]
fn a_route_in_words_is_its_kind_its_name_and_its_hosts_escaped() {
    let mut route = entry("www", Side::Active);
    assert_eq!(route.in_words(), "Ingress \"www\" (www.example.com)");
    route.urls = vec!["http://a".to_owned(), "b".to_owned()];
    route.name = "w\nw\u{1b}".to_owned();
    assert_eq!(route.in_words(), "Ingress \"w\\nw\\u{1b}\" (a, b)");
    route.urls.clear();
    assert_eq!(route.in_words(), "Ingress \"w\\nw\\u{1b}\" (no host of its own)");
}

#[test]
fn the_journals_form_is_what_version_1_promises() {
    let head = Head {
        version: VERSION,
        switch_id: "0mzvq8k2p-a1b2c".to_owned(),
        state: State::Moving,
        holder: Holder { kind: "Pod".to_owned(), name: "task".to_owned(), uid: String::new() },
        standby_namespace: "shop-standby".to_owned(),
        active_namespace: "shop-main".to_owned(),
        parts: Vec::new(),
        routes: None,
    };
    let text = concat!(
        r#"{"version":1,"switchId":"0mzvq8k2p-a1b2c","state":"moving","#,
        r#""holder":{"kind":"Pod","name":"task","uid":""},"#,
        r#""standbyNamespace":"shop-standby","activeNamespace":"shop-main","parts":[]}"#
    );
    assert_eq!(serde_json::to_string(&head).unwrap(), text);
    assert_eq!(serde_json::from_str::<Head>(text).unwrap(), head);
    // Without a uid, and with a field that only a later program knows.
    let text = text.replace(r#","uid":"""#, "").replace("{\"version\"", "{\"later\":1,\"version\"");
    assert_eq!(serde_json::from_str::<Head>(&text).unwrap(), head);
}
