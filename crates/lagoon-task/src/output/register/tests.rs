use std::path::Path;

use serde_json::json;

use super::*;

fn write(root: &Path, file: &str, content: &[u8]) {
    let path = root.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

fn output() -> Output {
    Output::new(std::io::sink(), false)
}

#[test]
fn what_lagoon_mounts_is_hidden() {
    let pod = tempfile::tempdir().unwrap();
    write(pod.path(), "var/run/secrets/kubernetes.io/serviceaccount/token", b"token-of-the-account\n");
    write(pod.path(), "var/run/secrets/kubernetes.io/serviceaccount/namespace", b"shop-main");
    write(pod.path(), "var/run/secrets/lagoon/deployer/token", b"token-of-the-deployer");
    write(pod.path(), "var/run/secrets/lagoon/ssh/ssh-privatekey", b"-----BEGIN KEY-----\nb3BlbnNz\naC1rZXk=\n");
    // The kubelet's layout: the keys are links into a folder of the volume's present content.
    let secret = "var/run/secrets/lagoon/dynamic/mail";
    write(pod.path(), &format!("{secret}/..2026_11_24/password"), b"dynamic-word\n");
    write(pod.path(), &format!("{secret}/..2026_11_24/key.bin"), &[0xff, 0xfe, 0x0a, 0x01, 0x02, 0xfd]);
    std::os::unix::fs::symlink("..2026_11_24", pod.path().join(format!("{secret}/..data"))).unwrap();
    for key in ["password", "key.bin"] {
        std::os::unix::fs::symlink(format!("..data/{key}"), pod.path().join(format!("{secret}/{key}"))).unwrap();
    }
    let output = output();
    register_mounted(&Mounts::below(pod.path()), &output);

    let text = "token-of-the-account token-of-the-deployer b3BlbnNz aC1rZXk= dynamic-word fffe0a0102fd shop-main";
    let shown = "[hidden] [hidden] [hidden] [hidden] [hidden] [hidden] shop-main";
    assert_eq!(output.hide_secrets(text), shown);
    assert_eq!(output.hide_secrets(r"-----BEGIN KEY-----\nb3BlbnNz\naC1rZXk=\n"), r"[hidden]\n[hidden]\n[hidden]\n");
}

#[test]
fn without_mounts_there_is_nothing_to_hide() {
    let pod = tempfile::tempdir().unwrap();
    let output = output();
    register_mounted(&Mounts::below(pod.path()), &output);
    assert_eq!(output.hide_secrets("anything"), "anything");
}

fn environment(project: &serde_json::Value, own: &serde_json::Value) -> Environment {
    Environment::from_lookup(|name| {
        let value = match name {
            "NAMESPACE" => "longshopname-main-branch-1",
            "PODNAME" => "lagoon-task-1a2b3c",
            "KUBERNETES_SERVICE_HOST" => "10.96.0.1",
            "KUBERNETES_SERVICE_PORT" => "443",
            "LAGOON_PROJECT" => "longshopname-1",
            "LAGOON_GIT_BRANCH" => "feature/PROJ-1234",
            "LAGOON_PROJECT_VARIABLES" => return Some(project.to_string().into()),
            "LAGOON_ENVIRONMENT_VARIABLES" => return Some(own.to_string().into()),
            _ => return None,
        };
        Some(value.into())
    })
    .unwrap()
}

#[test]
fn the_values_of_the_sites_variables_are_hidden_whatever_their_scope() {
    let scopes = ["build", "runtime", "global", "container_registry", "internal_container_registry", "internal_system"];
    let variables = |prefix: &str| {
        scopes.map(|scope| json!({ "name": "V", "value": format!("{prefix}-of-{scope}-1"), "scope": scope })).into()
    };
    let output = output();
    register_variables(&environment(&variables("project"), &variables("environment")), &output);
    for scope in scopes {
        let text = format!("project-of-{scope}-1 environment-of-{scope}-1");
        assert_eq!(output.hide_secrets(&text), "[hidden] [hidden]");
    }
}

#[test]
fn what_names_the_environment_stays_whatever_variable_holds_it_too() {
    let names =
        ["longshopname-1", "feature/PROJ-1234", "longshopname-main-branch-1", "10.96.0.1", "lagoon-task-1a2b3c"];
    let variables: serde_json::Value =
        names.iter().map(|name| json!({ "name": "SECRET", "value": name, "scope": "global" })).collect();
    let output = output();
    register_variables(&environment(&variables, &json!([])), &output);
    assert_eq!(output.hide_secrets(&names.join(" ")), names.join(" "));
}

#[test]
fn each_line_of_a_value_is_judged_by_itself() {
    let value = "true\nshort\n  s3cret-line  \nproduction\n";
    let output = output();
    register_variables(
        &environment(&json!([{ "name": "BLOB", "value": value, "scope": "build" }]), &json!([])),
        &output,
    );
    assert_eq!(output.hide_secrets(value), "true\nshort\n  [hidden]  \nproduction\n");
}

#[test]
fn what_stands_inside_json_or_an_address_is_hidden_by_itself_too() {
    let account = r#"{"type":"service","private_key":"-----BEGIN KEY-----\nZmlyc3Q=\nc2Vjb25k\n","port":3306}"#;
    let variables = json!([
        { "name": "ACCOUNT", "value": account, "scope": "build" },
        { "name": "DATABASE", "value": "mysql://shop:w0rd%21@mariadb/shop", "scope": "global" },
    ]);
    let output = output();
    register_variables(&environment(&variables, &json!([])), &output);
    let text = "Zmlyc3Q= c2Vjb25k w0rd! w0rd%21 service 3306 shop mariadb";
    assert_eq!(output.hide_secrets(text), "[hidden] [hidden] [hidden] [hidden] service 3306 shop mariadb");
}
