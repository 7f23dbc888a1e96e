//! A site with two environments, and what its namespaces hold.

use std::error::Error;

use lagoon_task_testing::{ControlPlane, LagoonEnvironment, Launcher, ingress, service, tls_secret};
use serde_json::Value;

use super::show;

/// The project `shop`, as it is before the first switch.
pub struct Site<'bench> {
    control_plane: &'bench ControlPlane,
    /// Environment `main`.
    pub active: LagoonEnvironment,
    /// Environment `develop`.
    pub standby: LagoonEnvironment,
}

impl<'bench> Site<'bench> {
    /// Makes both environments: the same Services, and routes of their own.
    pub async fn create(
        control_plane: &'bench ControlPlane,
        launcher: &Launcher<'bench>,
    ) -> Result<Self, Box<dyn Error>> {
        let active = launcher.environment("shop", "main").await?;
        let standby = launcher.environment("shop", "develop").await?;
        let site = Self { control_plane, active, standby };
        site.fill(&site.active, &["www", "shop"]).await?;
        site.fill(&site.standby, &["standby"]).await?;
        // Lagoon's own route of an environment: it has no label and stays.
        let mut own = ingress("nginx", "develop.shop.lagoon.example.com", "web", None);
        own["metadata"]["labels"].take();
        control_plane.create_all(&site.standby.namespace, vec![own]).await?;
        Ok(site)
    }

    async fn fill(&self, environment: &LagoonEnvironment, routes: &[&str]) -> Result<(), Box<dyn Error>> {
        let mut objects = vec![service("web")];
        for route in routes {
            let (host, secret) = (format!("{route}.example.com"), format!("{route}-tls"));
            objects.push(tls_secret(&secret, &host));
            objects.push(ingress(route, &host, "web", Some(&secret)));
        }
        self.control_plane.create_all(&environment.namespace, objects).await?;
        Ok(())
    }

    /// Shows where the hosts point, and what is where.
    pub async fn show(&self) -> Result<(), Box<dyn Error>> {
        let mut hosts = Vec::new();
        let mut objects = vec![row(["NAMESPACE", "ROUTE", "HOST", "SERVICE", "TLS SECRET"])];
        let mut secrets = vec![row(["NAMESPACE", "TLS SECRET", "TYPE"])];
        for environment in [&self.active, &self.standby] {
            let namespace = &environment.namespace;
            let services = self.control_plane.list_all(namespace, "v1/services").await?;
            for route in self.control_plane.list_all(namespace, "networking.k8s.io/v1/ingresses").await? {
                let host = text(&route, "/spec/rules/0/host");
                let service = text(&route, "/spec/rules/0/http/paths/0/backend/service/name");
                let there = services.iter().any(|there| text(there, "/metadata/name") == service);
                let service = if there { service } else { format!("{service} (missing)") };
                let (name, secret) = (text(&route, "/metadata/name"), text(&route, "/spec/tls/0/secretName"));
                hosts.push(row([&host, "->", &environment.name]));
                objects.push(row([namespace, &name, &host, &service, &secret]));
            }
            for secret in self.control_plane.list_all(namespace, "v1/secrets").await? {
                secrets.push(row([namespace, &text(&secret, "/metadata/name"), &text(&secret, "/type")]));
            }
        }
        hosts.sort();
        hosts.insert(0, row(["HOST", "->", "ENVIRONMENT"]));
        for rows in [hosts, objects, secrets] {
            println!();
            show::table(&rows);
        }
        Ok(())
    }
}

fn row<const COLUMNS: usize>(cells: [&str; COLUMNS]) -> Vec<String> {
    cells.map(str::to_owned).into()
}

fn text(object: &Value, path: &str) -> String {
    object.pointer(path).and_then(Value::as_str).unwrap_or("-").to_owned()
}
