//! Malformed payloads and environments, through the real binary: exit code 1, one clear sentence, no panic, nothing of
//! the payload in the log, and no request sent.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use lagoon_task_testing::Task;
use serde_json::{Value, json};

use switch_testing::{Site, control_plane};

/// Stands in the payloads of the table wherever a value may stand.
const VALUE: &str = "v4lue-0f-the-payload";

type Spoil = dyn for<'bench> Fn(Task<'bench>, &Value) -> Task<'bench>;

struct Case {
    name: &'static str,
    /// Makes the task of the case out of one that would succeed.
    spoil: Box<Spoil>,
    /// A part of the sentence.
    says: &'static str,
}

fn case(
    name: &'static str,
    says: &'static str,
    spoil: impl for<'bench> Fn(Task<'bench>, &Value) -> Task<'bench> + 'static,
) -> Case {
    Case { name, spoil: Box::new(spoil), says }
}

/// A case whose `JSON_PAYLOAD` is this, to the letter.
fn raw(name: &'static str, says: &'static str, payload: impl Into<String>) -> Case {
    let payload = payload.into();
    case(name, says, move |task, _| task.raw_payload(&payload))
}

/// A case whose payload is this text, encoded.
fn text(name: &'static str, says: &'static str, payload: impl AsRef<[u8]>) -> Case {
    raw(name, says, STANDARD.encode(payload))
}

/// A case whose payload has something else at this place.
fn with(name: &'static str, says: &'static str, place: &'static str, value: Value) -> Case {
    case(name, says, move |task, payload| {
        let mut payload = payload.clone();
        *payload.pointer_mut(place).unwrap() = value.clone();
        task.payload(&payload)
    })
}

/// A case whose payload lacks something.
fn without(name: &'static str, says: &'static str, parent: &'static str, field: &'static str) -> Case {
    case(name, says, move |task, payload| {
        let mut payload = payload.clone();
        payload.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(field).unwrap();
        task.payload(&payload)
    })
}

fn variable(name: &'static str, says: &'static str, variable: &'static str, value: impl Into<String>) -> Case {
    let value = value.into();
    case(name, says, move |task, payload| task.payload(payload).variable(variable, &value))
}

fn unset(name: &'static str, says: &'static str, variable: &'static str) -> Case {
    case(name, says, move |task, payload| task.payload(payload).without_variable(variable))
}

fn cases() -> Vec<Case> {
    let mut cases = payload_cases();
    cases.extend(object_cases());
    cases.extend(environment_cases());
    cases
}

fn payload_cases() -> Vec<Case> {
    let marked = json!({ "secret": VALUE }).to_string();
    let cut_off = STANDARD.encode(&marked).trim_end_matches('=').to_owned();
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    vec![
        raw("empty", "JSON_PAYLOAD is empty or not set", ""),
        raw("white space", "JSON_PAYLOAD is empty or not set", " \n\t "),
        unset("not set", "JSON_PAYLOAD is empty or not set", "JSON_PAYLOAD"),
        raw("plain JSON", "is not standard base64, at character 1.", &marked),
        raw("a foreign character", "is not standard base64, at character 5.", "eyJh*iI6MX0="),
        raw("URL alphabet", "is not standard base64, at character", URL_SAFE_NO_PAD.encode("{\"a\":\"???>>>\"}")),
        raw("cut off within a group", "is not standard base64", &cut_off[..41]),
        text("cut off after a group", "is not JSON, at line 1", &marked.as_bytes()[..30]),
        text("not UTF-8", "is not UTF-8 text, first at byte 11", b"{\"secret\":\"\xff\xfe\"}"),
        text("no JSON", "is not JSON, at line 1, column 1", VALUE),
        text("JSON and more", "is not JSON, at line 1", format!("{marked} {VALUE}")),
        text("YAML", "is not JSON", format!("secret: {VALUE}\n")),
        text("nested too deeply", "does not fit this task", &deep),
        text("an array", "does not fit this task", json!([VALUE]).to_string()),
        text("a string", "does not fit this task: the document is not", json!(VALUE).to_string()),
        text("null", "does not fit this task: the document is not", "null"),
        text("an empty object", "the field `productionEnvironment` is missing", "{}"),
        text("128 KiB of something else", "is missing", json!({ "secret": VALUE.repeat(4800) }).to_string()),
    ]
}

fn object_cases() -> Vec<Case> {
    let long = "a".repeat(254);
    vec![
        without(
            "no production environment",
            "the field `productionEnvironment` is missing",
            "",
            "productionEnvironment",
        ),
        without("no standby environment", "the field `standbyEnvironment` is missing", "", "standbyEnvironment"),
        without("no crd", "the field `crd`, the HostMigration to create, is missing", "", "crd"),
        with(
            "environment is a number",
            "the field `productionEnvironment` is not a string",
            "/productionEnvironment",
            json!(4_711),
        ),
        with(
            "environment is an object",
            "the field `standbyEnvironment` is not a string",
            "/standbyEnvironment",
            json!({ "a": VALUE }),
        ),
        with("crd is null", "the field `crd`, the HostMigration to create, is missing", "/crd", json!(null)),
        with("crd is a string", "the field `crd` is not", "/crd", json!(VALUE)),
        with("another kind", "`crd.kind` is not HostMigration", "/crd/kind", json!("Secret")),
        with("another group", "`crd.apiVersion` is not dioscuri.amazee.io/v1", "/crd/apiVersion", json!("v1")),
        with(
            "another version",
            "`crd.apiVersion` is not dioscuri.amazee.io/v1",
            "/crd/apiVersion",
            json!("dioscuri.amazee.io/v2"),
        ),
        with(
            "a group that ends alike",
            "`crd.apiVersion` is not",
            "/crd/apiVersion",
            json!("evil.dioscuri.amazee.io/v1"),
        ),
        with("kind is a number", "`crd.kind` is not HostMigration", "/crd/kind", json!(1)),
        without("no metadata", "`crd.metadata.name` is not the name", "/crd", "metadata"),
        without("no name", "`crd.metadata.name` is not the name", "/crd/metadata", "name"),
        with(
            "a name with a slash",
            "`crd.metadata.name` is not the name",
            "/crd/metadata/name",
            json!("../../pods/v4lue-0f-the-payload"),
        ),
        with("a name in capitals", "`crd.metadata.name` is not the name", "/crd/metadata/name", json!("V4LUE")),
        with("a name too long", "`crd.metadata.name` is not the name", "/crd/metadata/name", json!(long)),
        without("no spec", "`crd.spec.destinationNamespace` is not the name", "/crd", "spec"),
        without(
            "no destination",
            "`crd.spec.destinationNamespace` is not the name",
            "/crd/spec",
            "destinationNamespace",
        ),
        with(
            "an empty destination",
            "`crd.spec.destinationNamespace` is not the name",
            "/crd/spec/destinationNamespace",
            json!(""),
        ),
        with(
            "a destination with a dot",
            "`crd.spec.destinationNamespace` is not the name",
            "/crd/spec/destinationNamespace",
            json!("v4lue-0f-the-payload.b"),
        ),
        with(
            "its own destination",
            "is the namespace of the task itself",
            "/crd/spec/destinationNamespace",
            json!("malformed-develop"),
        ),
        with(
            "annotations of a wrong type",
            "`crd.metadata.annotations.dioscuri.amazee.io/migrate` has the wrong type",
            "/crd/metadata/annotations/dioscuri.amazee.io~1migrate",
            json!([VALUE]),
        ),
        with("spec is a list", "`crd.spec.destinationNamespace` is not the name", "/crd/spec", json!([VALUE])),
    ]
}

fn environment_cases() -> Vec<Case> {
    vec![
        unset("no namespace", "incomplete: NAMESPACE is not set.", "NAMESPACE"),
        unset("no pod", "incomplete: PODNAME is not set.", "PODNAME"),
        unset("no API server", "incomplete: KUBERNETES_SERVICE_HOST is not set.", "KUBERNETES_SERVICE_HOST"),
        unset("no port", "incomplete: KUBERNETES_SERVICE_PORT is not set.", "KUBERNETES_SERVICE_PORT"),
        variable("an empty namespace", "incomplete: NAMESPACE is not set.", "NAMESPACE", ""),
        variable(
            "a namespace with a path",
            "NAMESPACE is not the name of a Kubernetes namespace",
            "NAMESPACE",
            "../kube-system",
        ),
        variable("a pod with a query", "PODNAME is not the name of a Kubernetes pod", "PODNAME", "a?b=c"),
        variable("port 0", "KUBERNETES_SERVICE_PORT is not a port number", "KUBERNETES_SERVICE_PORT", "0"),
        variable("port 65536", "KUBERNETES_SERVICE_PORT is not a port number", "KUBERNETES_SERVICE_PORT", "65536"),
        variable("a host with a path", "KUBERNETES_SERVICE_HOST is not a host name", "KUBERNETES_SERVICE_HOST", "a/b"),
        variable(
            "an SSH port in words",
            "LAGOON_CONFIG_SSH_PORT is not a port number",
            "LAGOON_CONFIG_SSH_PORT",
            "ssh",
        ),
        variable("an API without a host", "LAGOON_CONFIG_API_HOST is not a URL", "LAGOON_CONFIG_API_HOST", "/graphql"),
        variable(
            "variables that are no array",
            "LAGOON_PROJECT_VARIABLES is not a JSON array",
            "LAGOON_PROJECT_VARIABLES",
            json!({ "a": VALUE }).to_string(),
        ),
        variable("a timeout in words", "TASK_TIMEOUT_SECONDS is not a whole number", "TASK_TIMEOUT_SECONDS", "an hour"),
        variable("a timeout of nothing", "TASK_TIMEOUT_SECONDS is not a whole number", "TASK_TIMEOUT_SECONDS", "0"),
        case(
            "several at once",
            "incomplete: NAMESPACE is not set; PODNAME is not set; TASK_TIMEOUT_SECONDS is not",
            |task, payload| {
                let task = task.payload(payload).without_variable("NAMESPACE").without_variable("PODNAME");
                task.variable("TASK_TIMEOUT_SECONDS", "-1")
            },
        ),
    ]
}

#[tokio::test]
async fn each_malformed_input_is_one_clear_sentence() {
    let site = Site::new(control_plane().await, "malformed").await;
    let cases = cases();
    assert!(cases.len() >= 40, "{}", cases.len());
    let payload = site.payload("host-migration-m1a2l3");
    for Case { name, spoil, says } in cases {
        let task = spoil(site.task(&payload), &payload);
        let finished = task.launch().await.unwrap().finish().await.unwrap();
        assert_eq!(finished.exit_code, Some(1), "{name}: {}", finished.log);
        assert_eq!(finished.log.lines().count(), 1, "{name}: {}", finished.log);
        assert!(finished.log.contains(says), "{name}: {}", finished.log);
        assert!(!finished.log.to_lowercase().contains(VALUE), "{name}: {}", finished.log);
        assert_eq!(finished.termination_message, finished.log.trim_end(), "{name}");
        assert_eq!(finished.requests, [], "{name}");
    }
}

#[tokio::test]
async fn line_breaks_and_missing_padding_are_no_fault() {
    let site = Site::new(control_plane().await, "wrapped").await;
    let name = "host-migration-w1r2a3";
    let encoded = STANDARD.encode(site.payload(name).to_string() + " ");
    let lines: Vec<&str> =
        encoded.trim_end_matches('=').as_bytes().chunks(60).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let running = site.task(&json!({})).raw_payload(lines.join("\r\n") + "\n").launch().await.unwrap();
    let finished = site.complete_and_finish(name, running).await;
    assert_eq!(finished.exit_code, Some(0), "{}", finished.log);
}

/// Credentials that are there but of no use.
#[tokio::test]
async fn each_useless_credential_is_one_clear_sentence() {
    let site = Site::new(control_plane().await, "credentials").await;
    let payload = site.payload("host-migration-c1r2e3");
    for (name, file, content, says) in [
        ("no token", "token", None, "The task has no deployer token"),
        ("an empty token", "token", Some("\n"), "The task has no deployer token"),
        ("a token with a line break", "token", Some("to\nken"), "has characters that no token has"),
        ("no authority", "ca.crt", None, "ca.crt beside the deployer token could not be read"),
        ("an empty authority", "ca.crt", Some(""), "ca.crt beside the deployer token holds no usable certificate"),
        ("an authority that is none", "ca.crt", Some("hello"), "holds no usable certificate"),
    ] {
        let prepared = site.task(&payload).prepare().await.unwrap();
        let file = prepared.service_account_folder().join(file);
        match content {
            Some(content) => std::fs::write(&file, content).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        let finished = prepared.start().unwrap().finish().await.unwrap();
        assert_eq!(finished.exit_code, Some(1), "{name}: {}", finished.log);
        assert_eq!(finished.log.lines().count(), 1, "{name}: {}", finished.log);
        assert!(finished.log.contains(says), "{name}: {}", finished.log);
        assert_eq!(finished.requests, [], "{name}");
    }
}
