//! Where Lagoon mounts what a task needs, below a root that is `/` in a pod.

use std::path::{Path, PathBuf};

const SERVICE_ACCOUNT: &str = "var/run/secrets/kubernetes.io/serviceaccount";
const LEGACY_DEPLOYER: &str = "var/run/secrets/lagoon/deployer";
const SSH_KEY: &str = "var/run/secrets/lagoon/ssh/ssh-privatekey";
const DYNAMIC_SECRETS: &str = "var/run/secrets/lagoon/dynamic";
const TERMINATION_LOG: &str = "dev/termination-log";
const CERTIFICATE_AUTHORITIES: &str = "etc/ssl/certs/ca-certificates.crt";
const KNOWN_HOSTS: &str = "etc/ssh/ssh_known_hosts";

/// The mounts of a task's pod.
///
/// ```
/// use lagoon_task::mounts::Mounts;
///
/// let mounts = Mounts::below("/");
/// if let Some(file) = mounts.termination_log() {
///     println!("Kubernetes shows what is in {}", file.display());
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Mounts {
    root: PathBuf,
}

/// The deployer's token and the certificate authority of the API server it is for.
///
/// ```
/// use lagoon_task::mounts::Mounts;
///
/// if let Ok(credentials) = Mounts::below("/").credentials() {
///     println!("the token is in {}", credentials.token.display());
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Credentials {
    /// The file with the token. The kubelet replaces it before the token expires.
    pub token: PathBuf,
    /// The certificate authorities in PEM.
    pub certificate_authority: PathBuf,
}

/// Why there are no credentials.
///
/// ```
/// use lagoon_task::mounts::{CredentialsError, Mounts};
///
/// let Err(CredentialsError::NoToken { places }) = Mounts::below("/nowhere").credentials() else { panic!() };
/// assert!(places[0].starts_with("/nowhere/var/run/secrets"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// Neither place holds a token.
    #[error(
        "The task has no deployer token: neither {} nor {} holds one. Its pod must run as the service account \
         lagoon-deployer; in an advanced task's definition this is \"deployTokenInjection: true\".",
        .places[0].display(), .places[1].display()
    )]
    NoToken {
        /// The files that were looked for.
        places: [PathBuf; 2],
    },
}

impl Mounts {
    /// The mounts below `root`: `/` in a pod, a folder laid out like it in a test.
    ///
    /// ```
    /// use lagoon_task::mounts::Mounts;
    ///
    /// let in_a_pod = Mounts::below("/");
    /// ```
    pub fn below(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The deployer's credentials: the service account's, else the legacy mount's. A token without characters is none.
    ///
    /// ```
    /// use lagoon_task::mounts::Mounts;
    ///
    /// let missing = Mounts::below("/nowhere").credentials().unwrap_err();
    /// assert!(missing.to_string().starts_with("The task has no deployer token"));
    /// ```
    pub fn credentials(&self) -> Result<Credentials, CredentialsError> {
        let folders = [self.root.join(SERVICE_ACCOUNT), self.root.join(LEGACY_DEPLOYER)];
        let found = folders.iter().find(|folder| holds_text(&folder.join("token")));
        let Some(folder) = found else {
            return Err(CredentialsError::NoToken { places: folders.map(|folder| folder.join("token")) });
        };
        Ok(Credentials { token: folder.join("token"), certificate_authority: folder.join("ca.crt") })
    }

    /// The private key for Lagoon's SSH, mounted when the task's definition has `projectKeyInjection: true`.
    ///
    /// ```
    /// use lagoon_task::mounts::Mounts;
    ///
    /// let key = Mounts::below("/").ssh_key();
    /// assert!(key.ends_with("lagoon/ssh/ssh-privatekey"));
    /// ```
    #[must_use]
    pub fn ssh_key(&self) -> PathBuf {
        self.root.join(SSH_KEY)
    }

    /// The certificate authorities of the web, in PEM; part of the image.
    ///
    /// ```
    /// use lagoon_task::mounts::Mounts;
    ///
    /// let authorities = Mounts::below("/").certificate_authorities();
    /// assert!(authorities.starts_with("/etc/ssl/certs"));
    /// ```
    #[must_use]
    pub fn certificate_authorities(&self) -> PathBuf {
        self.root.join(CERTIFICATE_AUTHORITIES)
    }

    /// The keys of SSH hosts that are known beforehand, if the image has such a file.
    ///
    /// ```
    /// use lagoon_task::mounts::Mounts;
    ///
    /// assert!(Mounts::below("/").known_hosts().starts_with("/etc/ssh"));
    /// ```
    #[must_use]
    pub fn known_hosts(&self) -> PathBuf {
        self.root.join(KNOWN_HOSTS)
    }

    /// The files that hold secrets: the deployer's tokens, the SSH key, and each key of each dynamic secret.
    pub(crate) fn secret_files(&self) -> Vec<PathBuf> {
        let tokens = [SERVICE_ACCOUNT, LEGACY_DEPLOYER].map(|folder| self.root.join(folder).join("token"));
        let secrets = entries(&self.root.join(DYNAMIC_SECRETS));
        let dynamic = secrets.iter().flat_map(|secret| entries(secret));
        tokens.into_iter().chain([self.root.join(SSH_KEY)]).chain(dynamic).filter(|path| path.is_file()).collect()
    }

    /// The file whose content Kubernetes shows as the container's termination message, if there is one.
    ///
    /// ```
    /// use lagoon_task::mounts::Mounts;
    ///
    /// assert_eq!(Mounts::below("/nowhere").termination_log(), None);
    /// ```
    #[must_use]
    pub fn termination_log(&self) -> Option<PathBuf> {
        let path = self.root.join(TERMINATION_LOG);
        path.exists().then_some(path)
    }
}

/// What is in a folder, without the folders whose names begin with two dots: the kubelet keeps the files of a volume in
/// them, and links to those by the keys' own names.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let is_the_kubelets = |entry: &std::fs::DirEntry| entry.file_name().as_encoded_bytes().starts_with(b"..");
    entries.flatten().filter(|entry| !is_the_kubelets(entry)).map(|entry| entry.path()).collect()
}

fn holds_text(path: &Path) -> bool {
    std::fs::read_to_string(path).is_ok_and(|text| !text.trim().is_empty())
}
