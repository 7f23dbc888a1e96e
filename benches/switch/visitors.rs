//! What visitors notice: requests to every host through a real ingress controller while its route moves.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http::header::HOST;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::Api;
use lagoon_task_testing::{ControlPlane, LagoonEnvironment, Launcher, TRAEFIK_VERSION, Traefik};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::{ACTIVE, STANDBY, content, delete_and_create, prepare};

/// A visitor of a host comes each time that this has passed: 100 a second, answered or not.
const EVERY: Duration = Duration::from_millis(10);

/// Visitors come for this long before the routes move. Traefik by default takes up changes at most every 2 s; after a
/// longer rest it takes up the first one at once, also the delete of a route that is about to be created.
const BEFORE: Duration = Duration::from_secs(3);

/// And for this long after all routes have arrived.
const AFTER: Duration = Duration::from_secs(1);

/// Routes and answers that are not there by then do not come.
const PATIENCE: Duration = Duration::from_mins(1);

/// Each way.
const ROUTES: usize = 2;

/// What a visitor got: the name of the environment that answered, or what was wrong.
type Answer = Result<String, String>;

/// Two environments with their routes.
struct Site {
    standby: LagoonEnvironment,
    active: LagoonEnvironment,
    routes: Vec<Route>,
}

struct Route {
    host: String,
    /// The environment that answers first.
    from: LagoonEnvironment,
    to: LagoonEnvironment,
    manifest: Ingress,
}

/// Asks through Traefik.
#[derive(Clone)]
struct Visitors {
    client: Client<HttpConnector, Empty<Bytes>>,
    port: u16,
}

/// Prints what visitors notice of a switch, beside what they notice when nothing moves, and of the least that a move
/// without overlap can do.
pub async fn measure(
    control_plane: &ControlPlane,
    launcher: &Launcher<'_>,
    traefik: &Traefik,
) -> Result<(), Box<dyn Error>> {
    println!("Visitors, 100 a second on every host, through Traefik {TRAEFIK_VERSION}:");
    let visitors = Visitors { client: Client::builder(TokioExecutor::new()).build_http(), port: traefik.port() };

    let site = Site::create(control_plane, launcher, "visited").await?;
    visitors.until_answered_by(&site, |route| &route.from).await?;
    let resting = async { Ok(()) };
    visitors.report("nothing moves", &site, resting).await?;

    let prepared = prepare(launcher, &site.standby, &site.active).await?;
    let switch = async {
        let finished = Box::pin(prepared.start()?.finish()).await?;
        if finished.exit_code != Some(0) {
            return Err(finished.log.into());
        }
        visitors.until_answered_by(&site, |route| &route.to).await
    };
    visitors.report("a switch", &site, switch).await?;

    let site = Site::create(control_plane, launcher, "visited-in-between").await?;
    visitors.until_answered_by(&site, |route| &route.from).await?;
    let moves = async {
        let client = control_plane.client()?;
        for route in &site.routes {
            let [from, to] = [&route.from, &route.to].map(|side| Api::namespaced(client.clone(), &side.namespace));
            delete_and_create(&from, &to, &route.manifest).await?;
        }
        visitors.until_answered_by(&site, |route| &route.to).await
    };
    visitors.report("each route is deleted, then created", &site, moves).await
}

impl Site {
    async fn create(
        control_plane: &ControlPlane,
        launcher: &Launcher<'_>,
        project: &str,
    ) -> Result<Self, Box<dyn Error>> {
        let standby = launcher.environment(project, STANDBY).await?;
        let active = launcher.environment(project, ACTIVE).await?;
        let mut routes = Vec::new();
        for (from, to) in [(&standby, &active), (&active, &standby)] {
            let mut objects = content(from, ROUTES, false);
            for object in objects.iter().filter(|object| object["kind"] == "Ingress") {
                let host = object["spec"]["rules"][0]["host"].as_str().unwrap_or_default().to_owned();
                let manifest = serde_json::from_value(object.clone())?;
                routes.push(Route { host, from: from.clone(), to: to.clone(), manifest });
            }
            objects.push(web_server(&from.name).await?);
            control_plane.create_all(&from.namespace, objects).await?;
        }
        Ok(Self { standby, active, routes })
    }
}

/// A web server that answers everything with this name, as the endpoints of the Service `web`.
async fn web_server(name: &str) -> Result<Value, Box<dyn Error>> {
    let address = own_address()?;
    let listener = TcpListener::bind((address, 0)).await?;
    let port = listener.local_addr()?.port();
    let name = Bytes::copy_from_slice(name.as_bytes());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let name = name.clone();
            let answer = service_fn(move |_| {
                let response = Response::new(Full::new(name.clone()));
                async { Ok::<_, Infallible>(response) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    Ok(json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": { "name": "web", "labels": { "kubernetes.io/service-name": "web" } },
        "addressType": "IPv4",
        "endpoints": [{ "addresses": [address], "conditions": { "ready": true, "serving": true } }],
        "ports": [{ "port": port }],
    }))
}

/// This machine's address, for Kubernetes takes none of loopback for an endpoint. Nothing is sent to the address for
/// documentation that this asks the way to.
fn own_address() -> std::io::Result<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 80))?;
    Ok(socket.local_addr()?.ip())
}

impl Visitors {
    /// Prints for each host what its visitors got from before `change` until after it.
    async fn report(
        &self,
        what: &str,
        site: &Site,
        change: impl Future<Output = Result<(), Box<dyn Error>>>,
    ) -> Result<(), Box<dyn Error>> {
        let ended = Arc::new(AtomicBool::new(false));
        let visits =
            site.routes.iter().map(|route| tokio::spawn(self.clone().visit(route.host.clone(), ended.clone())));
        let visits: Vec<_> = visits.collect();
        tokio::time::sleep(BEFORE).await;
        change.await?;
        tokio::time::sleep(AFTER).await;
        ended.store(true, Ordering::SeqCst);
        println!("  {what}:");
        for (route, visits) in site.routes.iter().zip(visits) {
            print_host(&route.host, visits.await?);
        }
        Ok(())
    }

    /// Asks for a host again and again, each time without waiting for the answers before.
    async fn visit(self, host: String, ended: Arc<AtomicBool>) -> Vec<(Instant, Answer)> {
        let mut visits = JoinSet::new();
        let mut next = tokio::time::interval(EVERY);
        while !ended.load(Ordering::SeqCst) {
            next.tick().await;
            let (visitors, host) = (self.clone(), host.clone());
            visits.spawn(async move {
                let answer = visitors.ask(&host).await;
                (Instant::now(), answer)
            });
        }
        visits.join_all().await
    }

    async fn ask(&self, host: &str) -> Answer {
        let request = Request::get(format!("http://127.0.0.1:{}/", self.port)).header(HOST, host).body(Empty::new());
        let request = request.map_err(|error| error.to_string())?;
        let asked = tokio::time::timeout(PATIENCE, self.client.request(request)).await;
        let response = asked.map_err(|_| "no answer".to_owned())?.map_err(|_| "no connection".to_owned())?;
        if response.status() != StatusCode::OK {
            return Err(response.status().as_u16().to_string());
        }
        let body = response.into_body().collect().await.map_err(|_| "cut off".to_owned())?.to_bytes();
        match std::str::from_utf8(&body) {
            Ok(name @ (STANDBY | ACTIVE)) => Ok(name.to_owned()),
            _ => Err("another server".to_owned()),
        }
    }

    /// Waits until every host is answered by the one of its environments that `wanted` names.
    async fn until_answered_by(
        &self,
        site: &Site,
        wanted: fn(&Route) -> &LagoonEnvironment,
    ) -> Result<(), Box<dyn Error>> {
        let until_all_are = async {
            let mut ask = tokio::time::interval(EVERY);
            for route in &site.routes {
                while self.ask(&route.host).await.as_ref() != Ok(&wanted(route).name) {
                    ask.tick().await;
                }
            }
        };
        Ok(tokio::time::timeout(PATIENCE, until_all_are).await.map_err(|_| "Traefik does not have all routes.")?)
    }
}

fn print_host(host: &str, mut answers: Vec<(Instant, Answer)>) {
    answers.sort_by_key(|(at, _)| *at);
    let good: Vec<Instant> = answers.iter().filter(|(_, answer)| answer.is_ok()).map(|(at, _)| *at).collect();
    let longest = good.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default();
    let mut failures = BTreeMap::new();
    for failure in answers.iter().filter_map(|(_, answer)| answer.as_ref().err()) {
        *failures.entry(failure).or_insert(0) += 1;
    }
    let of_which: Vec<String> = failures.iter().map(|(failure, count)| format!("{count} x {failure}")).collect();
    println!(
        "    {host}: {} of {} requests failed{}, at most {:.0} ms without a good answer",
        answers.len() - good.len(),
        answers.len(),
        if of_which.is_empty() { String::new() } else { format!(" ({})", of_which.join(", ")) },
        longest.as_secs_f64() * 1000.0
    );
}
