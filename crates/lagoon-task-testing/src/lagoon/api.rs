//! Lagoon's API, as far as tasks use it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower::BoxError;

use crate::control_plane::certificates::Certificates;
use crate::error::Error;
use crate::lagoon::form::{self, FormPart};
use crate::lagoon::ssh::LagoonSsh;
use crate::network::acceptor;
use crate::sync::lock;

/// What happens to a request instead of its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApiFault {
    /// The connection breaks, and nothing has been done.
    NeverArrives,
    /// It is carried out, and the connection breaks before the answer.
    AnswerLost,
    /// It is answered with this status, and nothing has been done; with the seconds of a `Retry-After`.
    Status(u16, Option<u32>),
    /// It is answered with these errors, as GraphQL has them, and status 200. Nothing has been done.
    Errors(Vec<String>),
    /// It is answered with status 200 and this text.
    Answer(String),
    /// It is never answered.
    Silence,
}

/// A request that came.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Asked {
    /// Whether its token was accepted.
    pub authorized: bool,
    /// The token.
    pub token: String,
    /// The GraphQL document; empty when the token was not accepted, or the request did not arrive.
    pub query: String,
    /// Its variables.
    pub variables: Value,
    /// The `User-Agent`.
    pub user_agent: String,
}

/// A file that was uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Upload {
    /// The task that it belongs to.
    pub task: i64,
    /// Its name.
    pub name: String,
    /// Its content.
    pub content: Bytes,
}

/// A local HTTPS server that plays Lagoon's GraphQL API. It accepts the tokens that a [`LagoonSsh`] has given out, as long
/// as they are good.
///
/// What it is not: it does not execute GraphQL. It looks for the name of one of the operations that tasks use in the
/// document, and answers with all the fields it has. There are no users and no rights: who has a token may do all.
pub struct LagoonApiServer {
    port: u16,
    authority: String,
    state: Arc<Mutex<State>>,
    listening: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    tokens: PathBuf,
    revoked: BTreeSet<String>,
    /// By project and name.
    environments: BTreeMap<(String, String), Value>,
    /// By project, environment and name: value and scope.
    variables: BTreeMap<(String, String, String), (String, String)>,
    uploads: Vec<Upload>,
    faults: VecDeque<ApiFault>,
    asked: Vec<Asked>,
}

impl LagoonApiServer {
    /// Starts one that accepts the tokens of `ssh`.
    pub async fn start(ssh: &LagoonSsh) -> Result<Self, Error> {
        let certificates = Certificates::generate()?;
        let tls = acceptor(&certificates.server)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Error::process("Listening"))?;
        let port = listener.local_addr().map_err(Error::process("Listening"))?.port();
        let state = Arc::new(Mutex::new(State { tokens: ssh.tokens_file(), ..State::default() }));
        let shared = state.clone();
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, state) = (tls.clone(), shared.clone());
                tokio::spawn(async move {
                    // A client that refuses the certificate ends here.
                    let Ok(stream) = tls.accept(stream).await else { return };
                    let service = service_fn(|request| respond(request, &state));
                    let http = hyper::server::conn::http1::Builder::new();
                    let _ = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Ok(Self { port, authority: certificates.authority, state, listening })
    }

    /// The value of `LAGOON_CONFIG_API_HOST`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// The certificate authority that its certificate is from, in PEM; a task finds it at
    /// `etc/ssl/certs/ca-certificates.crt` below its root.
    #[must_use]
    pub fn certificate_authority(&self) -> &str {
        &self.authority
    }

    /// Adds an environment, whose SSH is at this port of 127.0.0.1 if one is given.
    pub fn add_environment(&self, project: &str, name: &str, ssh_port: Option<u16>) {
        let mut state = self.lock();
        let id = state.environments.len() + 1;
        let deploy_target = ssh_port.map(|port| json!({ "sshHost": "127.0.0.1", "sshPort": port.to_string() }));
        let environment = json!({
            "id": id,
            "name": name,
            "environmentType": if name == "main" { "production" } else { "development" },
            "openshiftProjectName": format!("{project}-{name}"),
            "route": format!("https://{name}.{project}.example.com"),
            "routes": format!("https://{name}.{project}.example.com,https://www.{project}.example.com"),
            "openshift": deploy_target,
        });
        state.environments.insert((project.to_owned(), name.to_owned()), environment);
    }

    /// The next requests with a good token are treated like this, one after another.
    pub fn inject(&self, faults: impl IntoIterator<Item = ApiFault>) {
        self.lock().faults.extend(faults);
    }

    /// Takes back all tokens that have been given out so far.
    pub fn revoke_tokens(&self) {
        let mut state = self.lock();
        let tokens = std::fs::read_to_string(&state.tokens).unwrap_or_default();
        state.revoked.extend(tokens.lines().map(str::to_owned));
    }

    /// The requests that came so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.lock().asked.clone()
    }

    /// Value and scope of a variable.
    #[must_use]
    pub fn variable(&self, project: &str, environment: &str, name: &str) -> Option<(String, String)> {
        self.lock().variables.get(&(project.to_owned(), environment.to_owned(), name.to_owned())).cloned()
    }

    /// The files that were uploaded so far.
    #[must_use]
    pub fn uploads(&self) -> Vec<Upload> {
        self.lock().uploads.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Drop for LagoonApiServer {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Answers a request. An error breaks the connection.
async fn respond(request: Request<Incoming>, state: &Mutex<State>) -> Result<Response<Full<Bytes>>, BoxError> {
    let (head, body) = request.into_parts();
    let token = text(&head.headers, AUTHORIZATION).strip_prefix("Bearer ").unwrap_or_default().to_owned();
    let user_agent = text(&head.headers, USER_AGENT);
    let authorized = lock(state).is_good(&token);
    let asked = Asked { authorized, token, query: String::new(), variables: Value::Null, user_agent };
    let number = {
        let mut state = lock(state);
        state.asked.push(asked);
        state.asked.len() - 1
    };
    let body = body.collect().await?.to_bytes();
    if head.uri.path() != "/graphql" {
        return answer(404, None, "no such path");
    }
    if !authorized {
        return answer(401, None, &json!({ "errors": [{ "message": "Unauthorized" }] }).to_string());
    }
    let fault = lock(state).faults.pop_front();
    let carry_out = || lock(state).carry_out(number, &text(&head.headers, CONTENT_TYPE), &body);
    match fault {
        None => answer(200, None, &carry_out().to_string()),
        Some(ApiFault::NeverArrives) => Err("the request is lost".into()),
        Some(ApiFault::AnswerLost) => {
            carry_out();
            Err("the answer is lost".into())
        }
        Some(ApiFault::Status(status, seconds)) => answer(status, seconds, "<html>injected</html>"),
        Some(ApiFault::Errors(messages)) => {
            let errors: Vec<_> = messages.iter().map(|message| json!({ "message": message })).collect();
            answer(200, None, &json!({ "errors": errors, "data": null }).to_string())
        }
        Some(ApiFault::Answer(text)) => answer(200, None, &text),
        Some(ApiFault::Silence) => std::future::pending().await,
    }
}

fn text(headers: &HeaderMap, name: http::HeaderName) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

fn answer(status: u16, retry_after: Option<u32>, text: &str) -> Result<Response<Full<Bytes>>, BoxError> {
    let mut response = Response::builder().status(status).header(CONTENT_TYPE, "application/json");
    if let Some(seconds) = retry_after {
        response = response.header(RETRY_AFTER, seconds);
    }
    Ok(response.body(Full::new(Bytes::copy_from_slice(text.as_bytes())))?)
}

impl State {
    /// Whether a token has been given out, has not been taken back and has not expired.
    fn is_good(&self, token: &str) -> bool {
        let given = std::fs::read_to_string(&self.tokens).unwrap_or_default();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        let claims: Value = serde_json::from_slice(&claims.unwrap_or_default()).unwrap_or_default();
        let expires = claims["exp"].as_u64().unwrap_or_default();
        given.lines().any(|one| one == token) && !self.revoked.contains(token) && now <= expires
    }

    fn carry_out(&mut self, number: usize, content_type: &str, body: &[u8]) -> Value {
        let (operations, files) = match form::boundary(content_type) {
            None => (serde_json::from_slice(body).unwrap_or_default(), Vec::new()),
            Some(boundary) => match form::read(boundary, body) {
                Ok(read) => read,
                Err(problem) => return json!({ "errors": [{ "message": problem.to_string() }] }),
            },
        };
        let query = operations["query"].as_str().unwrap_or_default().to_owned();
        let variables = operations["variables"].clone();
        if let Some(asked) = self.asked.get_mut(number) {
            (asked.query, asked.variables) = (query.clone(), variables.clone());
        }
        match self.execute(&query, &variables, files) {
            Some(data) => json!({ "data": data }),
            None => json!({ "errors": [{ "message": "the stand-in does not know this operation" }] }),
        }
    }

    fn execute(&mut self, query: &str, variables: &Value, files: Vec<FormPart>) -> Option<Value> {
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let input = &variables["input"];
        if query.contains("projectByName") {
            let name = word(&variables["name"]);
            let position = self.environments.keys().position(|(project, _)| *project == name);
            Some(json!({ "projectByName": position.map(|position| json!({ "id": position + 1, "name": name })) }))
        } else if query.contains("environmentByName") {
            let project = usize::try_from(variables["project"].as_u64()?).ok()?;
            let (project, _) = self.environments.keys().nth(project.checked_sub(1)?)?;
            let found = self.environments.get(&(project.clone(), word(&variables["name"])));
            Some(json!({ "environmentByName": found }))
        } else if query.contains("getEnvVariablesByProjectEnvironmentName") {
            let (project, environment) = (word(&input["project"]), word(&input["environment"]));
            let own = self.variables.iter().filter(|((of, at, _), _)| (of, at) == (&project, &environment));
            let listed: Vec<_> = own
                .map(|((_, _, name), (value, scope))| json!({ "name": name, "value": value, "scope": scope }))
                .collect();
            Some(json!({ "getEnvVariablesByProjectEnvironmentName": listed }))
        } else if query.contains("addOrUpdateEnvVariableByName") {
            let key = (word(&input["project"]), word(&input["environment"]), word(&input["name"]));
            // As Lagoon stores it.
            self.variables.insert(key, (word(&input["value"]), word(&input["scope"]).to_lowercase()));
            Some(json!({ "addOrUpdateEnvVariableByName": { "id": self.variables.len() } }))
        } else if query.contains("uploadFilesForTask") {
            let task = variables["task"].as_i64()?;
            self.uploads.extend(files.into_iter().map(|FormPart { name, content }| Upload { task, name, content }));
            Some(json!({ "uploadFilesForTask": { "id": task } }))
        } else {
            None
        }
    }
}
