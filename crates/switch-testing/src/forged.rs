//! Journals as somebody writes them who may write in a site's namespace, by hand: nothing of the engine is used, so that it
//! can hold what the engine never writes.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use lagoon_task_testing::{ingress, tls_secret};
use serde_json::{Value, json};

use crate::host;

/// A switch that may have existed.
pub const SWITCH: &str = "0mvd0c9f1-abcde";

/// The names of [`foreign`] objects, and of a route that nobody has.
pub const FOREIGN: [&str; 4] = ["admin", "admin-tls", "database", "invented"];

/// What is no switch's business in the active environment's namespace: an unlabelled route, its Secret, and an Opaque Secret
/// that no route names.
pub fn foreign(project: &str) -> [Value; 3] {
    let mut admin = ingress("admin", &host(project, "admin"), "web", Some("admin-tls"));
    admin["metadata"]["labels"] = json!({});
    let mut database = tls_secret("database", "a password");
    database["type"] = "Opaque".into();
    [admin, tls_secret("admin-tls", "the admin's"), database]
}

/// The order to copy those Secrets, as the books of earlier versions gave it.
pub fn foreign_secrets() -> Value {
    let secret = |name: &str| json!({ "home": "active", "name": name, "way": "copy" });
    json!([secret("database"), secret("admin-tls")])
}

/// The head of an unfinished switch whose routes are all offline.
pub fn head(standby: &str, active: &str, routes: usize) -> Value {
    json!({
        "version": 3,
        "switchId": SWITCH,
        "state": "moving",
        "holder": { "kind": "Pod", "name": "long-gone", "uid": "" },
        "standbyNamespace": standby,
        "activeNamespace": active,
        "parts": [],
        "gaps": (0..routes).collect::<Vec<_>>(),
    })
}

/// A route of this home, `standby` or `active`.
pub fn entry(home: &str, object: &Value) -> Value {
    json!({
        "kind": object["kind"],
        "home": home,
        "name": object["metadata"]["name"],
        "mayOverlap": false,
        "urls": ["https://forged.example.com"],
        "secrets": [],
        "uid": "gone",
        "resourceVersion": "1",
        "manifest": object,
    })
}

/// The journal with this head and this book, which need not be one.
pub fn journal(head: &Value, book: &[u8]) -> Value {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(book).unwrap();
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "activestandby-journal",
            "labels": { "activestandby.lagoon.sh/role": "journal", "activestandby.lagoon.sh/switch": SWITCH },
        },
        "data": { "journal.json": head.to_string() },
        "binaryData": { "book.json.gz": STANDARD.encode(packed.finish().unwrap()) },
    })
}

/// A book of these routes, and, as earlier versions wrote them, of Secrets.
pub fn book(routes: &[Value], secrets: &Value) -> Vec<u8> {
    json!({ "routes": routes, "secrets": secrets, "certificates": [] }).to_string().into_bytes()
}
