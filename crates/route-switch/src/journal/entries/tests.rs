use super::*;
use serde_json::json;

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

fn head() -> Head {
    Head {
        version: VERSION,
        switch_id: "0mzvq8k2p-a1b2c".to_owned(),
        state: State::Moving,
        holder: Holder { kind: "Pod".to_owned(), name: "task".to_owned(), uid: String::new() },
        standby_namespace: "shop-standby".to_owned(),
        active_namespace: "shop-main".to_owned(),
        parts: Vec::new(),
        routes: None,
        gaps: BTreeSet::new(),
        ended: None,
    }
}

/// The head's form since version 1.
const HEAD: &str = concat!(
    r#"{"version":3,"switchId":"0mzvq8k2p-a1b2c","state":"moving","#,
    r#""holder":{"kind":"Pod","name":"task","uid":""},"#,
    r#""standbyNamespace":"shop-standby","activeNamespace":"shop-main","parts":[]}"#
);

#[test]
fn head_has_the_form_that_its_version_promises() {
    assert_eq!(serde_json::to_string(&head()).unwrap(), HEAD);
    assert_eq!(serde_json::from_str::<Head>(HEAD).unwrap(), head());
    // Without a uid, and with a field that only a later program knows.
    let text = HEAD.replace(r#","uid":"""#, "").replace("{\"version\"", "{\"later\":1,\"version\"");
    assert_eq!(serde_json::from_str::<Head>(&text).unwrap(), head());
}

#[test]
fn head_tells_gaps_and_what_had_ended() {
    let ended = Moved { to_standby: vec!["https://a".to_owned()], to_active: Vec::new() };
    let head = Head { gaps: BTreeSet::from([0, 7]), ended: Some(ended), ..head() };
    let end = r#""parts":[],"gaps":[0,7],"ended":{"toStandby":["https://a"],"toActive":[]}}"#;
    let text = HEAD.replace(r#""parts":[]}"#, end);
    assert_eq!(serde_json::to_string(&head).unwrap(), text);
    assert_eq!(serde_json::from_str::<Head>(&text).unwrap(), head);
}

#[test]
fn head_of_version_1_is_read() {
    let text = HEAD.replace(r#""version":3"#, r#""version":1"#);
    assert_eq!(serde_json::from_str::<Head>(&text).unwrap(), Head { version: 1, ..head() });
}

#[test]
fn book_of_version_1_is_read() {
    let manifest = r#"{"kind":"Ingress"}"#;
    let text = format!(
        r#"{{
            "routes": [{{
                "kind": "Ingress", "home": "active", "name": "www", "mayOverlap": true, "urls": ["https://www"],
                "secrets": ["tls"], "uid": "u", "resourceVersion": "7", "manifest": {manifest}
            }}],
            "secrets": [
                {{ "home": "standby", "name": "tls", "way": "exchange" }},
                {{ "home": "active", "name": "tls", "way": "exchange" }},
                {{ "home": "active", "name": "old", "way": "replace" }},
                {{ "home": "active", "name": "new", "way": "copy" }}
            ],
            "certificates": [{{
                "home": "active", "name": "tls", "uid": "c", "secret": "tls", "copied": true, "exchanged": true,
                "manifest": {manifest}
            }}]
        }}"#
    );
    let book: Book = serde_json::from_str(&text).unwrap();
    assert!(book.secrets.is_empty() && book.certificates.is_empty(), "they are found again by what is seen");
    let [route] = book.routes.as_slice() else { panic!("{:?}", book.routes) };
    assert_eq!((route.key(), route.manifest.get()), (("Ingress".to_owned(), Side::Active, "www".to_owned()), manifest));
}

#[test]
fn sound_entry_has_the_manifest_of_its_own_route() {
    let www = entry("www", Side::Active);
    assert!(www.is_sound("shop-main"));
    let unsound = [
        json!("boom"),
        json!({ "metadata": "boom" }),
        json!({ "metadata": { "name": "api" } }),
        json!({ "metadata": { "name": "www", "namespace": "other" } }),
        json!({ "kind": "Secret", "metadata": { "name": "www" } }),
        json!({ "apiVersion": "v1", "metadata": { "name": "www" } }),
    ];
    for manifest in unsound {
        let manifest = RawValue::from_string(manifest.to_string()).unwrap();
        assert!(!RouteEntry { manifest, ..www.clone() }.is_sound("shop-main"));
    }
    assert!(!RouteEntry { name: "../www".to_owned(), ..www }.is_sound("shop-main"));
}

#[test]
fn later_urls_are_added_once() {
    let moved = |to_standby: &[&str], to_active: &[&str]| Moved {
        to_standby: crate::fixtures::names(to_standby),
        to_active: crate::fixtures::names(to_active),
    };
    let both =
        moved(&["https://b", "https://a"], &[]).and(moved(&["https://a", "https://c", "https://c"], &["https://b"]));
    assert_eq!(both, moved(&["https://b", "https://a", "https://c"], &["https://b"]));
}
