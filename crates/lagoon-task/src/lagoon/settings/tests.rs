use super::*;

fn environment(variables: &[(&str, &str)]) -> Environment {
    let required = [
        ("NAMESPACE", "shop-main"),
        ("PODNAME", "lagoon-task-1"),
        ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
        ("KUBERNETES_SERVICE_PORT", "443"),
    ];
    let all: Vec<_> = required.iter().chain(variables).collect();
    let lookup = |name: &str| all.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
    Environment::from_lookup(lookup).unwrap()
}

fn endpoint(variables: &[(&str, &str)]) -> String {
    token_endpoint(&environment(variables)).unwrap().to_string()
}

#[test]
fn the_token_endpoint_is_the_newest_that_is_set() {
    let all = [
        ("TASK_SSH_HOST", "old.example"),
        ("TASK_SSH_PORT", "1"),
        ("LAGOON_CONFIG_SSH_HOST", "ssh.example"),
        ("LAGOON_CONFIG_SSH_PORT", "2"),
        ("LAGOON_CONFIG_TOKEN_HOST", "token.example"),
        ("LAGOON_CONFIG_TOKEN_PORT", "3"),
    ];
    assert_eq!(endpoint(&all[..2]), "old.example:1");
    assert_eq!(endpoint(&all[..4]), "ssh.example:2");
    assert_eq!(endpoint(&all), "token.example:3");
    assert_eq!(endpoint(&all[..5]), "token.example:2");
    assert_eq!(ssh_endpoint(&environment(&all)).unwrap().to_string(), "ssh.example:2");
}

#[test]
fn an_endpoint_that_is_not_set_is_told_by_its_variable() {
    let error = token_endpoint(&environment(&[])).unwrap_err();
    assert!(matches!(error, LagoonConnectError::NotSet("LAGOON_CONFIG_TOKEN_HOST")), "{error}");
    let error = token_endpoint(&environment(&[("TASK_SSH_HOST", "old.example")])).unwrap_err();
    assert!(matches!(error, LagoonConnectError::NotSet("LAGOON_CONFIG_TOKEN_PORT")), "{error}");
    assert_eq!(ssh_endpoint(&environment(&[("TASK_SSH_HOST", "old.example")])), None);
}

#[test]
fn an_ipv6_address_is_shown_in_brackets() {
    assert_eq!(Endpoint { host: "::1".to_owned(), port: 22 }.to_string(), "[::1]:22");
}

#[test]
fn the_graphql_url_is_the_apis_with_graphql_after_it() {
    let cases = [
        ("https://api.lagoon.example", "https://api.lagoon.example/graphql"),
        ("https://api.lagoon.example/", "https://api.lagoon.example/graphql"),
        ("https://api.lagoon.example/graphql", "https://api.lagoon.example/graphql"),
        ("https://api.lagoon.example/graphql/", "https://api.lagoon.example/graphql"),
        ("HTTPS://api.lagoon.example:8443/lagoon/?a=b", "https://api.lagoon.example:8443/lagoon/graphql"),
        ("https://[::1]:443", "https://[::1]:443/graphql"),
    ];
    for (host, url) in cases {
        assert_eq!(graphql_url(&environment(&[("TASK_API_HOST", host)])).unwrap().to_string(), url, "{host}");
    }
}

#[test]
fn a_url_that_is_not_https_or_names_a_user_is_refused() {
    for host in ["http://api.lagoon.example", "HTTP://api.lagoon.example", "api.lagoon.example:443"] {
        let error = graphql_url(&environment(&[("LAGOON_CONFIG_API_HOST", host)])).unwrap_err();
        assert!(matches!(error, LagoonConnectError::NotHttps), "{host}: {error}");
    }
    let error = graphql_url(&environment(&[("TASK_API_HOST", "https://api.lagoon.example@else.example")])).unwrap_err();
    assert!(matches!(error, LagoonConnectError::NotAUrl), "{error}");
    let error = graphql_url(&environment(&[])).unwrap_err();
    assert!(matches!(error, LagoonConnectError::NotSet("LAGOON_CONFIG_API_HOST")), "{error}");
}
