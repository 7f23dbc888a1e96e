//! Calls of the API: what they give and change, and what becomes of them when something goes wrong.

use std::time::Duration;

use lagoon_task::lagoon::{ApiCause, Endpoint, LagoonApiError, LagoonConnectError, LagoonEnvironment, Scope, TaskFile};
use lagoon_task_testing::{ApiFault, LagoonApiServer, Recorder};
use serde_json::{Value, json};

use super::stand::{Stand, environment};

const QUERY: &str = "query ($name: String!) { projectByName(name: $name) { id } }";
const MUTATION: &str =
    "mutation ($input: EnvVariableByNameInput!) { addOrUpdateEnvVariableByName(input: $input) { id } }";

fn project() -> Value {
    json!({ "name": "shop" })
}

fn input() -> Value {
    json!({ "input": { "project": "shop", "environment": "main", "name": "A", "value": "1", "scope": "BUILD" } })
}

fn main_environment() -> LagoonEnvironment {
    LagoonEnvironment {
        id: 1,
        project: "shop".to_owned(),
        name: "main".to_owned(),
        namespace: "shop-main".to_owned(),
        is_production: true,
        route: None,
        routes: Vec::new(),
        ssh: None,
    }
}

#[tokio::test]
async fn an_environment_is_found_by_project_and_name() {
    let stand = Stand::new().await;
    let found = stand.api().environment("shop", "main").await.unwrap();
    let expected = LagoonEnvironment {
        id: 1,
        project: "shop".to_owned(),
        name: "main".to_owned(),
        namespace: "shop-main".to_owned(),
        is_production: true,
        route: Some("https://main.shop.example.com".to_owned()),
        routes: vec!["https://main.shop.example.com".to_owned(), "https://www.shop.example.com".to_owned()],
        ssh: Some(Endpoint { host: "127.0.0.1".to_owned(), port: stand.ssh.port() }),
    };
    assert_eq!(found, expected);
}

#[tokio::test]
async fn an_environment_or_project_that_is_not_there_is_told_by_its_name() {
    let stand = Stand::new().await;
    let api = stand.api();
    for (project, name) in [("shop", "gone"), ("gone", "main")] {
        let error = api.environment(project, name).await.unwrap_err();
        assert!(matches!(error, LagoonApiError::NoSuchEnvironment { .. }), "{error}");
        assert!(error.to_string().starts_with(&format!("There is no environment \"{name}\" in project \"{project}\"")));
    }
}

#[tokio::test]
async fn a_variable_is_set_changed_and_read_back() {
    let stand = Stand::new().await;
    let (api, main) = (stand.api(), main_environment());
    api.set_variable(&main, "COLOUR", "green", Scope::Runtime).await.unwrap();
    api.set_variable(&main, "COLOUR", "dark \"green\"\n", Scope::Global).await.unwrap();
    api.set_variable(&main, "SIZE", "", Scope::ContainerRegistry).await.unwrap();
    let mut develop = main.clone();
    develop.name = "develop".to_owned();
    assert!(api.variables(&develop).await.unwrap().is_empty());
    let variables = api.variables(&main).await.unwrap();
    let read: Vec<_> =
        variables.iter().map(|one| (one.name.as_str(), one.value.as_str(), one.scope.as_str())).collect();
    assert_eq!(read, [("COLOUR", "dark \"green\"\n", "global"), ("SIZE", "", "container_registry")]);
}

#[tokio::test]
async fn what_is_secret_among_variables_is_hidden_once_they_were_read() {
    let stand = Stand::new().await;
    let (api, main) = (stand.api(), main_environment());
    api.set_variable(&main, "DB_PASSWORD", "not-a-real-password", Scope::Runtime).await.unwrap();
    api.set_variable(&main, "DB_NAME", "shop-main", Scope::Runtime).await.unwrap();
    let text = "not-a-real-password of shop-main";
    assert_eq!(stand.output.hide_secrets(text), text);
    api.variables(&main).await.unwrap();
    assert_eq!(stand.output.hide_secrets(text), "[hidden] of shop-main");
}

#[tokio::test]
async fn files_from_the_memory_and_the_disk_arrive_as_they_are() {
    let stand = Stand::new().await;
    let large: Vec<u8> = (0_u32..1_000_000).flat_map(u32::to_le_bytes).collect();
    let path = stand.root.path().join("dump.sql.gz");
    std::fs::write(&path, &large).unwrap();
    let files = [
        TaskFile::from_bytes("a \"b\"\r\n.txt", "line\r\n--lagoon-task\r\n"),
        TaskFile::from_path(&path),
        TaskFile::from_bytes("empty", []),
    ];
    stand.api().upload_files(&files).await.unwrap();
    let uploads = stand.server.uploads();
    let names: Vec<_> = uploads.iter().map(|upload| (upload.task, upload.name.as_str())).collect();
    assert_eq!(names, [(42, "a %22b%22%0D%0A.txt"), (42, "dump.sql.gz"), (42, "empty")]);
    assert_eq!(uploads[0].content, "line\r\n--lagoon-task\r\n");
    assert!(uploads[1].content == large, "{} bytes", uploads[1].content.len());
    assert_eq!(uploads[2].content, "");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_or_a_task_without_an_id_uploads_nothing() {
    let stand = Stand::new().await;
    let missing = TaskFile::from_path(stand.root.path().join("missing"));
    for file in [missing, TaskFile::from_path(stand.root.path())] {
        let error = stand.api().upload_files(&[file]).await.unwrap_err();
        assert!(matches!(error, LagoonApiError::File { .. }), "{error}");
    }
    let mut variables = stand.environment();
    for id in [None, Some("one".to_owned())] {
        variables.task_data_id = id;
        let api = stand.connect_with(&variables).unwrap();
        let error = api.upload_files(&[TaskFile::from_bytes("a", "b")]).await.unwrap_err();
        assert!(matches!(error, LagoonApiError::NoTaskId), "{error}");
    }
    assert_eq!(stand.server.asked(), []);
}

/// What becomes of a request that meets a fault.
fn passing() -> [ApiFault; 5] {
    [
        ApiFault::NeverArrives,
        ApiFault::AnswerLost,
        ApiFault::Status(500, None),
        ApiFault::Status(503, Some(1)),
        ApiFault::Status(429, None),
    ]
}

#[tokio::test]
async fn a_query_is_sent_again_until_it_is_answered() {
    for fault in passing() {
        let stand = Stand::new().await;
        stand.server.inject([fault.clone()]);
        let answer: Value = stand.api().query(QUERY, project()).await.unwrap();
        assert_eq!(answer["projectByName"]["name"], "shop", "{fault:?}");
        assert_eq!(stand.server.asked().len(), 2, "{fault:?}");
        assert!(stand.shown.text().contains("trying again for up to"), "{fault:?}: {}", stand.shown.text());
    }
}

#[tokio::test]
async fn a_mutation_is_sent_again_only_when_it_was_surely_not_carried_out() {
    for fault in passing() {
        let stand = Stand::new().await;
        stand.server.inject([fault.clone()]);
        let sent: Result<Value, _> = stand.api().mutate(MUTATION, input()).await;
        let (times, done) = (stand.server.asked().len(), stand.server.variable("shop", "main", "A").is_some());
        match (&fault, sent) {
            (ApiFault::Status(429, _), Ok(_)) => assert_eq!((times, done), (2, true)),
            (ApiFault::NeverArrives, Err(LagoonApiError::Mutation { cause: cause @ ApiCause::AnswerLost(_) })) => {
                assert_eq!((times, done, cause.nothing_was_done()), (1, false, false));
            }
            (ApiFault::AnswerLost, Err(LagoonApiError::Mutation { cause: cause @ ApiCause::AnswerLost(_) })) => {
                assert_eq!((times, done, cause.nothing_was_done()), (1, true, false));
            }
            (ApiFault::Status(500 | 503, _), Err(LagoonApiError::Mutation { cause: ApiCause::Status { .. } })) => {
                assert_eq!((times, done), (1, false));
            }
            (_, sent) => panic!("{fault:?}: {sent:?}"),
        }
    }
}

#[tokio::test]
async fn setting_a_variable_is_sent_again_since_twice_is_as_good_as_once() {
    for fault in passing() {
        let stand = Stand::new().await;
        stand.server.inject([fault.clone(), fault.clone()]);
        stand.api().set_variable(&main_environment(), "A", "1", Scope::Build).await.unwrap();
        assert_eq!(stand.server.asked().len(), 3, "{fault:?}");
        assert_eq!(stand.server.variable("shop", "main", "A"), Some(("1".to_owned(), "build".to_owned())));
    }
}

#[tokio::test]
async fn an_upload_whose_answer_was_lost_is_not_sent_again() {
    let stand = Stand::new().await;
    stand.server.inject([ApiFault::AnswerLost]);
    let error = stand.api().upload_files(&[TaskFile::from_bytes("a", "b")]).await.unwrap_err();
    assert!(matches!(error, LagoonApiError::Upload { task: 42, cause: ApiCause::AnswerLost(_) }), "{error}");
    assert_eq!(stand.server.uploads().len(), 1);
}

#[tokio::test]
async fn an_upload_is_sent_whole_again_with_a_new_token() {
    let stand = Stand::new().await;
    let api = stand.api();
    api.environment("shop", "main").await.unwrap();
    stand.server.revoke_tokens();
    let path = stand.root.path().join("dump");
    std::fs::write(&path, vec![7; 300_000]).unwrap();
    api.upload_files(&[TaskFile::from_path(path)]).await.unwrap();
    assert_eq!(stand.server.uploads()[0].content, vec![7; 300_000]);
    assert_eq!(stand.ssh.tokens().unwrap().len(), 2);
}

#[tokio::test]
async fn what_lagoon_refuses_is_told_in_its_words_on_one_line_and_not_sent_again() {
    let stand = Stand::new().await;
    let messages = vec!["Unauthorized:\nno \u{1b}[31mright".to_owned(), "and more".to_owned()];
    stand.server.inject([ApiFault::Errors(messages)]);
    let sent: Result<Value, _> = stand.api().query(QUERY, project()).await;
    let error = sent.unwrap_err();
    let expected = r"Lagoon could not be asked: Lagoon refused it: Unauthorized:\nno \u{1b}[31mright; and more.";
    assert_eq!(error.to_string(), expected);
    assert_eq!(stand.server.asked().len(), 1);
}

#[tokio::test]
async fn a_value_that_lagoon_quotes_when_it_refuses_it_is_hidden() {
    let stand = Stand::new().await;
    // Cut off in the middle of the value, a message would still show most of it.
    let value = format!("pass\"word-{}", "x".repeat(600));
    let json = Value::from(value.clone()).to_string();
    stand.server.inject([ApiFault::Errors(vec![format!("got {value}"), format!("invalid value {json}")])]);
    let error = stand.api().set_variable(&main_environment(), "PASSWORD", &value, Scope::Runtime).await.unwrap_err();
    let LagoonApiError::SetVariable { cause: ApiCause::Refused(messages), .. } = &error else { panic!("{error}") };
    assert_eq!(*messages, ["got [hidden]", "invalid value \"[hidden]\""]);
}

#[tokio::test]
async fn an_answer_that_never_comes_ends_the_call() {
    let stand = Stand::new().await;
    let api = stand.api();
    api.environment("shop", "main").await.unwrap();
    // Only now: the token is there.
    let api = api.patience(Duration::from_secs(2));
    stand.server.inject([ApiFault::Silence]);
    let sent: Result<Value, _> = api.query(QUERY, project()).await;
    assert!(matches!(sent, Err(LagoonApiError::Query { cause: ApiCause::Deadline(_) })), "{sent:?}");
}

#[tokio::test]
async fn a_server_that_stays_broken_or_down_is_given_up_on_with_what_it_said() {
    let stand = Stand::new().await;
    let api = stand.api();
    api.environment("shop", "main").await.unwrap();
    let before = stand.server.asked().len();
    // Only now: the token is there.
    let api = api.patience(Duration::from_secs(5));
    stand.server.inject(std::iter::repeat_n(ApiFault::Status(502, None), 100));
    let sent: Result<Value, _> = api.query(QUERY, project()).await;
    let expected = ApiCause::Status { code: 502, message: "Bad Gateway".to_owned() };
    assert!(matches!(&sent, Err(LagoonApiError::Query { cause }) if *cause == expected), "{sent:?}");
    assert!(stand.server.asked().len() > before + 1);

    // Nothing listens there. The token is asked for within this time too.
    let api = stand.connect_with(&environment("https://localhost:1", stand.ssh.port())).unwrap();
    let sent: Result<Value, _> = api.patience(Duration::from_secs(10)).mutate(MUTATION, input()).await;
    assert!(matches!(&sent, Err(LagoonApiError::Mutation { cause: ApiCause::Unreachable(_) })), "{sent:?}");
}

#[tokio::test]
async fn an_answer_that_is_not_the_apis_is_told_without_its_text() {
    #[derive(Debug, serde::Deserialize)]
    struct Answer {
        #[serde(rename = "projectByName")]
        _project: u8,
    }
    let stand = Stand::new().await;
    let api = stand.api();
    let texts = ["<html>", "{}", "[]", r#"{"data":null}"#, r#"{"data":7}"#, r#"{"data":{"projectByName":"hunter22"}}"#];
    for text in texts {
        stand.server.inject([ApiFault::Answer(text.to_owned())]);
        let error = api.query::<Answer>(QUERY, project()).await.unwrap_err();
        assert!(matches!(error, LagoonApiError::Query { cause: ApiCause::NotUnderstood(_) }), "{text}: {error}");
        assert!(!error.to_string().contains("hunter22"), "{error}");
    }
    assert_eq!(stand.server.asked().len(), texts.len(), "a request that was answered is not sent again");
}

#[tokio::test]
async fn a_server_with_another_certificate_never_sees_the_token() {
    let stand = Stand::new().await;
    let other = LagoonApiServer::start(&stand.ssh).await.unwrap();
    stand.put("etc/ssl/certs/ca-certificates.crt", other.certificate_authority());
    let recorder = Recorder::impostor().await.unwrap();
    let to_recorder = format!("https://127.0.0.1:{}", recorder.port());
    for url in [stand.server.url(), to_recorder] {
        let api = stand.connect_with(&environment(&url, stand.ssh.port())).unwrap();
        let error = api.environment("shop", "main").await.unwrap_err();
        assert!(matches!(error, LagoonApiError::Environment { cause: ApiCause::NotOurServer(_), .. }), "{error}");
    }
    assert_eq!(recorder.connections(), 1, "it is not tried again");
    assert_eq!(recorder.recorded(), "");
    assert_eq!(stand.server.asked(), []);
}

#[tokio::test]
async fn a_url_that_is_not_https_is_refused_before_a_token_is_asked_for() {
    let stand = Stand::new().await;
    for url in ["http://localhost:3000", "ftp://localhost", "localhost:3000"] {
        let error = stand.connect_with(&environment(url, stand.ssh.port())).err().unwrap();
        assert!(matches!(error, LagoonConnectError::NotHttps), "{url}: {error}");
    }
    assert_eq!(stand.ssh.connections(), 0);
}

#[tokio::test]
async fn an_image_without_certificate_authorities_sends_nothing() {
    let stand = Stand::new().await;
    let path = "etc/ssl/certs/ca-certificates.crt";
    stand.put(path, "no certificate\n");
    let error = stand.connect().err().unwrap();
    assert!(matches!(error, LagoonConnectError::NoCertificateAuthorities { source: None, .. }), "{error}");
    std::fs::remove_file(stand.root.path().join(path)).unwrap();
    let error = stand.connect().err().unwrap();
    assert!(matches!(error, LagoonConnectError::NoCertificateAuthorities { source: Some(_), .. }), "{error}");
    assert_eq!(stand.ssh.connections(), 0);
}
