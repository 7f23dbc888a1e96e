use std::collections::HashMap;
use std::os::unix::ffi::OsStringExt;

use super::*;

const MARKER: &str = "MARKER-7f3a";

const REQUIRED: [(&str, &str); 4] = [
    ("NAMESPACE", "shop-main"),
    ("PODNAME", "lagoon-task-1a2b3c"),
    ("KUBERNETES_SERVICE_HOST", "10.96.0.1"),
    ("KUBERNETES_SERVICE_PORT", "443"),
];

fn lookup(variables: &[(&str, OsString)]) -> Result<Environment, EnvironmentError> {
    let variables: HashMap<&str, &OsString> = variables.iter().map(|(name, value)| (*name, value)).collect();
    Environment::from_lookup(|name| variables.get(name).map(|value| (*value).clone()))
}

/// Reads the environment with what is required and `variables`, which win.
fn read(variables: &[(&str, &str)]) -> Result<Environment, EnvironmentError> {
    let all: Vec<_> = REQUIRED.iter().chain(variables).map(|(name, value)| (*name, OsString::from(value))).collect();
    lookup(&all)
}

fn problems(variables: &[(&str, &str)]) -> Vec<String> {
    read(variables).unwrap_err().problems
}

#[test]
fn what_is_required_is_enough_and_all_else_is_absent() {
    let environment = read(&[]).unwrap();
    assert_eq!(environment.namespace, "shop-main");
    assert_eq!(environment.pod_name, "lagoon-task-1a2b3c");
    assert_eq!(environment.kubernetes_host, "10.96.0.1");
    assert_eq!(environment.kubernetes_port, 443);
    let Environment { payload, api_host, ssh_host, token_host, task_data_id, project, git_branch, .. } = &environment;
    for optional in [payload, api_host, ssh_host, token_host, task_data_id, project, git_branch] {
        assert_eq!(*optional, None);
    }
    assert_eq!((environment.ssh_port, environment.token_port, environment.timeout), (None, None, None));
    assert!(environment.project_variables.is_empty() && environment.environment_variables.is_empty());
}

#[test]
fn each_variable_comes_from_its_own_name() {
    let environment = read(&[
        ("JSON_PAYLOAD", "e30="),
        ("LAGOON_CONFIG_API_HOST", "https://api.example.com"),
        ("LAGOON_CONFIG_SSH_HOST", "ssh.example.com"),
        ("LAGOON_CONFIG_SSH_PORT", "2020"),
        ("LAGOON_CONFIG_TOKEN_HOST", "token.example.com"),
        ("LAGOON_CONFIG_TOKEN_PORT", "2222"),
        ("TASK_DATA_ID", "42"),
        ("LAGOON_PROJECT", "shop"),
        ("LAGOON_GIT_BRANCH", "feature/Größe"),
        ("LAGOON_PROJECT_VARIABLES", r#"[{"name":"A","value":"1","scope":"global"},{"name":"B","value":""}]"#),
        ("LAGOON_ENVIRONMENT_VARIABLES", r#"[{"name":"C","value":"3","scope":"build","id":7}]"#),
        ("TASK_TIMEOUT_SECONDS", "90"),
    ])
    .unwrap();
    assert_eq!(environment.payload.as_deref(), Some("e30="));
    assert_eq!(environment.api_host.as_deref(), Some("https://api.example.com"));
    assert_eq!((environment.ssh_host.as_deref(), environment.ssh_port), (Some("ssh.example.com"), Some(2020)));
    assert_eq!((environment.token_host.as_deref(), environment.token_port), (Some("token.example.com"), Some(2222)));
    assert_eq!(environment.task_data_id.as_deref(), Some("42"));
    assert_eq!(environment.project.as_deref(), Some("shop"));
    assert_eq!(environment.git_branch.as_deref(), Some("feature/Größe"));
    let plain = |variables: &[Variable]| -> Vec<String> {
        variables.iter().map(|Variable { name, value, scope }| format!("{name}={value} {scope}")).collect()
    };
    assert_eq!(plain(&environment.project_variables), ["A=1 global", "B= "]);
    assert_eq!(plain(&environment.environment_variables), ["C=3 build"]);
    assert_eq!(environment.timeout, Some(Duration::from_secs(90)));
}

type Read = fn(&Environment) -> Option<String>;

const RENAMED: [(&str, &str, &str, &str, Read); 3] = [
    ("TASK_API_HOST", "LAGOON_CONFIG_API_HOST", "https://old.example", "https://new.example", |it| it.api_host.clone()),
    ("TASK_SSH_HOST", "LAGOON_CONFIG_SSH_HOST", "old.example", "new.example", |it| it.ssh_host.clone()),
    ("TASK_SSH_PORT", "LAGOON_CONFIG_SSH_PORT", "22", "2222", |it| it.ssh_port.map(|port| port.to_string())),
];

#[test]
fn the_old_and_the_new_name_of_a_variable_give_one_value_and_the_newer_wins() {
    for (old, new, old_value, new_value, value) in RENAMED {
        let of = |variables: &[(&str, &str)]| value(&read(variables).unwrap());
        assert_eq!(of(&[(old, old_value)]).as_deref(), Some(old_value), "{old} alone");
        assert_eq!(of(&[(new, new_value)]).as_deref(), Some(new_value), "{new} alone");
        assert_eq!(of(&[(old, old_value), (new, new_value)]).as_deref(), Some(new_value), "{new} wins");
        assert_eq!(of(&[(old, old_value), (new, "")]).as_deref(), Some(old_value), "{new} is empty");
    }
}

#[test]
fn a_problem_names_the_variable_that_the_value_came_from() {
    for (old, new, _, new_value, _) in RENAMED {
        for (variables, name) in [(vec![(old, "\0")], old), (vec![(new, "\0"), (old, new_value)], new)] {
            let problems = problems(&variables);
            assert!(matches!(&problems[..], [one] if one.starts_with(&format!("{name} is not a"))), "{problems:?}");
        }
        assert!(read(&[(new, new_value), (old, "\0")]).is_ok(), "{old} does not matter beside {new}");
    }
}

#[test]
fn all_that_is_missing_or_wrong_is_said_in_one_sentence_by_name() {
    let error = lookup(&[
        ("NAMESPACE", "Shop_Main".into()),
        ("KUBERNETES_SERVICE_PORT", "https".into()),
        ("LAGOON_CONFIG_TOKEN_PORT", "0".into()),
        ("TASK_TIMEOUT_SECONDS", "soon".into()),
    ])
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "The task cannot start, its environment is incomplete: NAMESPACE is not the name of a Kubernetes namespace; \
         PODNAME is not set; KUBERNETES_SERVICE_HOST is not set; KUBERNETES_SERVICE_PORT is not a port number from 1 \
         to 65535; LAGOON_CONFIG_TOKEN_PORT is not a port number from 1 to 65535; TASK_TIMEOUT_SECONDS is not a whole \
         number of seconds from 1 to 86400. Lagoon sets these variables on the task's pod; if the site has variables \
         of these names, remove them, otherwise tell your Lagoon administrator."
    );
}

#[test]
fn an_empty_value_counts_as_absent() {
    for empty in ["", " ", "\n\t"] {
        let required = REQUIRED.map(|(name, _)| (name, empty));
        assert_eq!(problems(&required), REQUIRED.map(|(name, _)| format!("{name} is not set")), "{empty:?}");
        let environment = read(&[
            ("JSON_PAYLOAD", empty),
            ("TASK_API_HOST", empty),
            ("LAGOON_CONFIG_TOKEN_PORT", empty),
            ("LAGOON_PROJECT_VARIABLES", empty),
            ("TASK_TIMEOUT_SECONDS", empty),
        ])
        .unwrap();
        assert_eq!((environment.payload, environment.api_host, environment.timeout), (None, None, None), "{empty:?}");
        assert!(environment.token_port.is_none() && environment.project_variables.is_empty(), "{empty:?}");
    }
}

#[test]
fn a_value_that_is_not_utf8_is_a_problem_wherever_it_stands() {
    let names = ["NAMESPACE", "KUBERNETES_SERVICE_PORT", "JSON_PAYLOAD", "TASK_SSH_PORT", "LAGOON_PROJECT"];
    let names = names.into_iter().chain(["LAGOON_PROJECT_VARIABLES", "TASK_TIMEOUT_SECONDS"]);
    for name in names {
        let mut variables = REQUIRED.map(|(name, value)| (name, OsString::from(value))).to_vec();
        variables.push((name, OsString::from_vec(b"80\xff".to_vec())));
        let problems = lookup(&variables).unwrap_err().problems;
        assert_eq!(problems, [format!("{name} is not UTF-8 text")]);
    }
}

#[test]
fn only_numbers_from_1_to_65535_are_ports() {
    for name in ["KUBERNETES_SERVICE_PORT", "TASK_SSH_PORT", "LAGOON_CONFIG_SSH_PORT", "LAGOON_CONFIG_TOKEN_PORT"] {
        for port in ["0", "65536", "-1", "http", "80 ", "8o", "0x50", "tcp://10.96.0.1:443", "99999999999999999999"] {
            assert_eq!(problems(&[(name, port)]), [format!("{name} is not a port number from 1 to 65535")], "{port}");
        }
        for port in ["1", "443", "65535"] {
            assert!(read(&[(name, port)]).is_ok(), "{name}={port}");
        }
    }
    assert_eq!(read(&[("KUBERNETES_SERVICE_PORT", "65535")]).unwrap().kubernetes_port, 65535);
}

#[test]
fn names_and_addresses_that_could_lead_a_request_elsewhere_are_refused() {
    let cases = [
        ("NAMESPACE", vec!["a/b", "a.b", "..", "-a", "a-", "A", "a b", "a\n", "a?x=1", "ä"]),
        ("PODNAME", vec!["a/b", "..", ".a", "a.", "a..b", "-a", "a.-b", "A", "a b", "a%2fb"]),
        ("KUBERNETES_SERVICE_HOST", vec!["a/b", "user@host", "a:443", "[::1]", "a b", "a#b", "fe80::1%eth0", "h?x"]),
        ("LAGOON_CONFIG_SSH_HOST", vec!["-oProxyCommand=x", "a b", "a/b", "user@host"]),
        ("LAGOON_CONFIG_API_HOST", vec!["/graphql", "not a url", "https://", "http://a b"]),
        ("LAGOON_PROJECT", vec!["a\u{1b}[2J", "a\nb"]),
    ];
    for (name, values) in cases {
        for value in values {
            let problems = problems(&[(name, value)]);
            assert!(
                matches!(&problems[..], [one] if one.starts_with(&format!("{name} is not "))),
                "{value}: {problems:?}"
            );
            assert!(value.len() < 4 || !problems[0].contains(value), "{problems:?}");
        }
    }
    for host in ["kubernetes.default.svc", "10.0.0.1", "::1", "fd00:10:96::1"] {
        assert_eq!(read(&[("KUBERNETES_SERVICE_HOST", host)]).unwrap().kubernetes_host, host);
    }
}

#[test]
fn names_of_objects_have_the_length_that_kubernetes_allows() {
    assert!(is_dns_label(&"a".repeat(63)) && !is_dns_label(&"a".repeat(64)) && !is_dns_label(""));
    assert!(is_dns_subdomain(&"a".repeat(253)) && !is_dns_subdomain(&"a".repeat(254)) && !is_dns_subdomain(""));
    assert!(is_dns_subdomain("a-1.b") && !is_dns_label("a-1.b"));
}

#[test]
fn variables_that_are_not_such_an_array_are_a_problem_that_shows_nothing_of_them() {
    let documents = [
        MARKER.to_owned(),
        format!(r#"["{MARKER}"]"#),
        format!(r#"[{{"name":"A","value":{{"{MARKER}":1}}}}]"#),
        format!(r#"[{{"name":"{MARKER}"}}]"#),
        format!(r#"{{"name":"A","value":"{MARKER}"}}"#),
        format!(r#"[{{"name":"A","value":"{MARKER}"}}"#),
    ];
    for name in ["LAGOON_PROJECT_VARIABLES", "LAGOON_ENVIRONMENT_VARIABLES"] {
        for document in &documents {
            let error = read(&[(name, document)]).unwrap_err();
            let expected = format!("{name} is not a JSON array of variables with name, value and scope");
            assert_eq!(error.problems, [expected], "{document}");
            assert!(!format!("{error} {error:?}").contains(MARKER));
        }
    }
}

#[test]
fn the_debug_text_of_a_variable_leaves_its_value_out() {
    let variables = format!(r#"[{{"name":"DB_PASSWORD","value":"{MARKER}","scope":"runtime"}}]"#);
    let environment =
        read(&[("LAGOON_PROJECT_VARIABLES", &variables), ("LAGOON_ENVIRONMENT_VARIABLES", &variables)]).unwrap();
    let variable = &environment.project_variables[0];
    assert_eq!(variable.value, MARKER);
    assert_eq!(format!("{variable:?}"), r#"Variable { name: "DB_PASSWORD", scope: "runtime", .. }"#);
    assert!(!format!("{environment:#?}").contains(MARKER));
}

#[test]
fn a_timeout_is_a_whole_number_of_seconds_up_to_a_day() {
    for (text, seconds) in [("1", 1), ("1800", 1800), ("86400", 86_400)] {
        let timeout = read(&[("TASK_TIMEOUT_SECONDS", text)]).unwrap().timeout;
        assert_eq!(timeout, Some(Duration::from_secs(seconds)), "{text}");
    }
    for text in ["0", "86401", "-1", "1.5", "30m", "1e3", " 5", "18446744073709551616"] {
        assert_eq!(
            problems(&[("TASK_TIMEOUT_SECONDS", text)]),
            ["TASK_TIMEOUT_SECONDS is not a whole number of seconds from 1 to 86400"],
            "{text}"
        );
    }
}
