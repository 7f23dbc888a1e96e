//! The certificates and keys of one control plane, which are created for each.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};

use crate::error::Error;

/// A certificate and its key, both in PEM.
#[derive(Clone)]
pub(crate) struct Identity {
    pub certificate: String,
    pub key: String,
}

pub(crate) struct Certificates {
    /// The certificate authority, in PEM.
    pub authority: String,
    /// What the API server shows.
    pub server: Identity,
    /// A client with all rights (group `system:masters`).
    pub admin: Identity,
    /// What the kubelet stand-in shows.
    pub kubelet: Identity,
    /// What the API server shows the kubelet stand-in.
    pub kubelet_client: Identity,
    /// The key that service account tokens are signed with.
    pub service_account_key: String,
    /// Its public half.
    pub service_account_public_key: String,
}

impl Certificates {
    pub(crate) fn generate() -> Result<Self, Error> {
        let parameters = for_authority("lagoon-task-testing");
        let key = new_key()?;
        let authority = parameters.self_signed(&key).map_err(Error::certificate)?.pem();
        let issuer = Issuer::new(parameters, key);

        let server = for_server(&["localhost", "kubernetes.default.svc"])?;
        let kubelet = for_server(&["localhost"])?;
        let admin = for_client(named("lagoon-task-testing-admin", Some("system:masters")));
        let kubelet_client = for_client(named("lagoon-task-testing-kubelet-client", None));

        let service_account = new_key()?;
        Ok(Self {
            authority,
            server: signed(&server, &issuer)?,
            admin: signed(&admin, &issuer)?,
            kubelet: signed(&kubelet, &issuer)?,
            kubelet_client: signed(&kubelet_client, &issuer)?,
            service_account_key: service_account.serialize_pem(),
            service_account_public_key: service_account.public_key_pem(),
        })
    }
}

/// A certificate authority that signs for somebody else than the bench, whose certificate it signs itself.
pub(crate) fn new_authority(name: &str) -> Result<Identity, Error> {
    let key = new_key()?;
    let certificate = for_authority(name).self_signed(&key).map_err(Error::certificate)?;
    Ok(Identity { certificate: certificate.pem(), key: key.serialize_pem() })
}

fn new_key() -> Result<KeyPair, Error> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(Error::certificate)
}

fn for_authority(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = named(name, None);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    parameters
}

/// A server on this machine's loopback address, with these names too.
fn for_server(names: &[&str]) -> Result<CertificateParams, Error> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut parameters = CertificateParams::new(names).map_err(Error::certificate)?;
    parameters.subject_alt_names.push(SanType::IpAddress(std::net::Ipv4Addr::LOCALHOST.into()));
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(parameters)
}

fn for_client(name: DistinguishedName) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = name;
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    parameters
}

fn signed(parameters: &CertificateParams, issuer: &Issuer<'_, KeyPair>) -> Result<Identity, Error> {
    let key = new_key()?;
    let certificate = parameters.signed_by(&key, issuer).map_err(Error::certificate)?;
    Ok(Identity { certificate: certificate.pem(), key: key.serialize_pem() })
}

fn named(name: &str, group: Option<&str>) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    if let Some(group) = group {
        distinguished.push(DnType::OrganizationName, group);
    }
    distinguished
}
