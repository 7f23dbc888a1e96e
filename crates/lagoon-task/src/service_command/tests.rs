use super::*;
use crate::payload;

fn command(service: &str, command: &str, container: Option<&str>) -> ServiceCommand {
    ServiceCommand { service: service.to_owned(), command: command.to_owned(), container: container.map(str::to_owned) }
}

#[test]
fn a_payload_that_can_be_none_is_refused_by_field_and_without_its_value() {
    let marker = "MARKER 7f3a";
    for (wrong, field) in [
        (command("", "true", None), "service"),
        (command(marker, "true", None), "service"),
        (command("../secrets", "true", None), "service"),
        (command(&"a".repeat(64), "true", None), "service"),
        (command("cli", "true", Some(marker)), "container"),
        (command("cli", "true", Some("a/b")), "container"),
        (command("cli", " \n", None), "command"),
        (command("cli", "MARKER 7f3a\0", None), "command"),
    ] {
        let told = wrong.check().unwrap_err().to_string();
        assert!(told.contains(&format!("field `{field}`")) && !told.contains("MARKER"), "{told}");
    }
    for right in
        [command("cli", "drush status", None), command("nginx-2", "true", Some("php")), command("a", "b", Some(""))]
    {
        assert!(right.check().is_ok(), "{right:?}");
    }
}

#[test]
fn the_payload_is_that_of_the_standard_task() {
    let decode = |json: &str| {
        use base64::Engine;
        payload::decode::<ServiceCommand>(Some(&base64::engine::general_purpose::STANDARD.encode(json)))
    };
    let decoded = decode(r#"{"service": "cli", "command": "drush status"}"#).unwrap();
    assert_eq!(decoded, command("cli", "drush status", None));
    let decoded = decode(r#"{"service": "web", "command": "true", "container": "php", "id": 1}"#).unwrap();
    assert_eq!(decoded, command("web", "true", Some("php")));
    assert!(decode(r#"{"service": "cli"}"#).unwrap_err().to_string().contains("`command` is missing"));
}
