//! What an Ingress names in its annotations, by the rules of the controllers that read them.
//!
//! Such things do not move. A route whose new namespace lacks one that its old namespace has would answer errors.

use crate::route::reference::{At, CONFIG_MAP, Form, Place, Purpose, SECRET, SERVICE, Target};
use crate::route::traefik::{MIDDLEWARE, SERVERS_TRANSPORT, TLS_OPTION};

/// Kong's plugin, such as one that limits a rate.
static KONG_PLUGIN: Target =
    Target { kind: "KongPlugin", groups: &["configuration.konghq.com"], version: "v1", plural: "kongplugins" };

const fn any(name: &'static str, target: &'static Target, purpose: Purpose) -> Place {
    Place { at: At::AnyPrefix(name), form: Form::Slashed, target, purpose }
}

const fn url(name: &'static str, purpose: Purpose) -> Place {
    Place { at: At::AnyPrefix(name), form: Form::Url, target: &SERVICE, purpose }
}

const fn of_traefik(name: &'static str, target: &'static Target, purpose: Purpose) -> Place {
    Place { at: At::Annotation(name), form: Form::Traefik, target, purpose }
}

/// The annotations of ingress-nginx, NGINX's own controller, the two `HAProxy` controllers, Traefik, Kong and Fastly's.
pub(crate) static PLACES: [Place; 24] = [
    any("auth-secret", &SECRET, Purpose::Authenticates),
    any("auth-tls-secret", &SECRET, Purpose::Authenticates),
    any("basic-auth-secret", &SECRET, Purpose::Authenticates),
    any("jwt-key", &SECRET, Purpose::Authenticates),
    any("proxy-ssl-secret", &SECRET, Purpose::Transforms),
    any("secure-verify-ca-secret", &SECRET, Purpose::Transforms),
    any("secure-crt-secret", &SECRET, Purpose::Transforms),
    any("server-ca", &SECRET, Purpose::Transforms),
    any("server-crt", &SECRET, Purpose::Transforms),
    any("client-ca", &SECRET, Purpose::Transforms),
    any("auth-proxy-set-headers", &CONFIG_MAP, Purpose::Transforms),
    any("custom-headers", &CONFIG_MAP, Purpose::Transforms),
    any("fastcgi-params-configmap", &CONFIG_MAP, Purpose::Transforms),
    any("default-backend", &SERVICE, Purpose::Transforms),
    url("auth-url", Purpose::Authenticates),
    url("auth-signin", Purpose::Authenticates),
    url("mirror-target", Purpose::Transforms),
    of_traefik("traefik.ingress.kubernetes.io/router.middlewares", &MIDDLEWARE, Purpose::Transforms),
    of_traefik("traefik.ingress.kubernetes.io/router.tls.options", &TLS_OPTION, Purpose::Transforms),
    of_traefik("traefik.ingress.kubernetes.io/service.serverstransport", &SERVERS_TRANSPORT, Purpose::Transforms),
    Place {
        at: At::Annotation("konghq.com/plugins"),
        form: Form::Names,
        target: &KONG_PLUGIN,
        purpose: Purpose::Transforms,
    },
    Place {
        at: At::Annotation("konghq.com/client-cert"),
        form: Form::Name,
        target: &SECRET,
        purpose: Purpose::Transforms,
    },
    // Lagoon's own, which a controller for Fastly's services reads.
    Place {
        at: At::Annotation("fastly.amazee.io/api-secret-name"),
        form: Form::Name,
        target: &SECRET,
        purpose: Purpose::Transforms,
    },
    // cert-manager's, without which no certificate is renewed.
    Place {
        at: At::Annotation("cert-manager.io/issuer"),
        form: Form::Name,
        target: &ISSUER,
        purpose: Purpose::Transforms,
    },
];

/// cert-manager's issuer of a namespace.
static ISSUER: Target = Target { kind: "Issuer", groups: &["cert-manager.io"], version: "v1", plural: "issuers" };
