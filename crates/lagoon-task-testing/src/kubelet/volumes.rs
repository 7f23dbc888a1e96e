//! A pod's volumes as folders of this machine.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{
    Container, DownwardAPIVolumeFile, KeyToPath, Pod, ServiceAccount, ServiceAccountTokenProjection, Volume,
};
use kube::api::{Api, PostParams};
use kube::{Client, ResourceExt};
use tower::BoxError;

use crate::error::Error;
use crate::kubelet::environment::{Variables, expand, field};
use crate::kubelet::sources::{Data, Sources};

/// The lifetime of a token that names none, in seconds.
const TOKEN_SECONDS: i64 = 3600;

/// One file of a volume.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct File {
    path: String,
    content: Vec<u8>,
    /// As octal digits are meant: 0o644.
    mode: i32,
}

/// A folder or file of this machine, and where the container has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    pub source: PathBuf,
    pub target: String,
    pub read_only: bool,
}

/// Makes a volume's folder, with what is to be in it. An error says what is missing.
pub(super) async fn lay(
    client: &Client,
    pod: &Pod,
    volume: &Volume,
    sources: &Sources,
    folder: &Path,
) -> Result<(), BoxError> {
    if let Some(claim) = &volume.persistent_volume_claim {
        if !sources.claims.contains(&claim.claim_name) {
            return Err(format!("persistentvolumeclaim {:?} not found", claim.claim_name).into());
        }
        return Ok(make_writable(folder)?);
    }
    if volume.empty_dir.is_some() {
        return Ok(make_writable(folder)?);
    }
    fs::create_dir_all(folder).map_err(Error::file(folder))?;
    let tokens = volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
    for projection in tokens.filter_map(|source| source.service_account_token.as_ref()) {
        let token = token(client, pod, projection).await?;
        write(folder, &File { path: projection.path.clone(), content: token.into_bytes(), mode: 0o644 })?;
    }
    Ok(files(volume, pod, sources)?.iter().try_for_each(|file| write(folder, file))?)
}

/// A token of the pod's service account, bound to the pod.
pub(crate) async fn token(
    client: &Client,
    pod: &Pod,
    projection: &ServiceAccountTokenProjection,
) -> Result<String, kube::Error> {
    let account = pod.spec.as_ref().and_then(|spec| spec.service_account_name.clone()).unwrap_or_default();
    let reference = BoundObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        name: Some(pod.name_any()),
        uid: pod.uid(),
    };
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences: projection.audience.clone().into_iter().collect(),
            bound_object_ref: Some(reference),
            expiration_seconds: Some(projection.expiration_seconds.unwrap_or(TOKEN_SECONDS)),
        },
        ..TokenRequest::default()
    };
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
    let answer = accounts.create_token_request(&account, &PostParams::default(), &request).await?;
    Ok(answer.status.map(|status| status.token).unwrap_or_default())
}

/// All files of a volume but for tokens.
fn files(volume: &Volume, pod: &Pod, sources: &Sources) -> Result<Vec<File>, String> {
    let mut files = Vec::new();
    if let Some(secret) = &volume.secret {
        let name = secret.secret_name.clone().unwrap_or_default();
        let data = sources.secret(&name, secret.optional)?;
        files.extend(chosen(data, secret.items.as_ref(), secret.default_mode, secret.optional)?);
    } else if let Some(map) = &volume.config_map {
        let data = sources.config_map(&map.name, map.optional)?;
        files.extend(chosen(data, map.items.as_ref(), map.default_mode, map.optional)?);
    } else if let Some(downward) = &volume.downward_api {
        files.extend(fields(downward.items.as_ref(), pod, downward.default_mode)?);
    } else if let Some(projected) = &volume.projected {
        let mode = projected.default_mode;
        for source in projected.sources.iter().flatten() {
            if let Some(secret) = &source.secret {
                let data = sources.secret(&secret.name, secret.optional)?;
                files.extend(chosen(data, secret.items.as_ref(), mode, secret.optional)?);
            }
            if let Some(map) = &source.config_map {
                let data = sources.config_map(&map.name, map.optional)?;
                files.extend(chosen(data, map.items.as_ref(), mode, map.optional)?);
            }
            if let Some(downward) = &source.downward_api {
                files.extend(fields(downward.items.as_ref(), pod, mode)?);
            }
        }
    } else {
        return Err(format!("volume {:?} is of a kind that the kubelet stand-in does not have", volume.name));
    }
    Ok(files)
}

/// All keys as files, or those that `items` chooses.
fn chosen(
    data: Option<&Data>,
    items: Option<&Vec<KeyToPath>>,
    mode: Option<i32>,
    optional: Option<bool>,
) -> Result<Vec<File>, String> {
    let Some(data) = data else { return Ok(Vec::new()) };
    let mode = mode.unwrap_or(0o644);
    let Some(items) = items else {
        let file = |(key, content): (&String, &Vec<u8>)| File { path: key.clone(), content: content.clone(), mode };
        return Ok(data.iter().map(file).collect());
    };
    let mut files = Vec::new();
    for item in items {
        match data.get(&item.key) {
            Some(content) => {
                files.push(File { path: item.path.clone(), content: content.clone(), mode: item.mode.unwrap_or(mode) });
            }
            None if optional == Some(true) => {}
            None => return Err(format!("references non-existent key: {}", item.key)),
        }
    }
    Ok(files)
}

fn fields(items: Option<&Vec<DownwardAPIVolumeFile>>, pod: &Pod, mode: Option<i32>) -> Result<Vec<File>, String> {
    let mut files = Vec::new();
    for item in items.into_iter().flatten() {
        let Some(reference) = &item.field_ref else {
            return Err("the kubelet stand-in knows fieldRef of a downwardAPI volume only".to_owned());
        };
        let content = field(pod, &reference.field_path)?.into_bytes();
        files.push(File { path: item.path.clone(), content, mode: item.mode.or(mode).unwrap_or(0o644) });
    }
    Ok(files)
}

/// Writes a file by renaming, as the kubelet does: a reader never sees half of it.
fn write(folder: &Path, file: &File) -> Result<(), Error> {
    let path = folder.join(&file.path);
    let unfinished = path.with_extension("unfinished");
    let write = || {
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(&unfinished, &file.content)?;
        fs::set_permissions(&unfinished, fs::Permissions::from_mode(file.mode.unsigned_abs() & 0o777))?;
        fs::rename(&unfinished, &path)
    };
    write().map_err(Error::file(&path))
}

/// A folder that every user may write, as a real one is for the pod's group.
fn make_writable(folder: &Path) -> Result<(), Error> {
    let make = || {
        fs::create_dir_all(folder)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o777))
    };
    make().map_err(Error::file(folder))
}

/// Where the container has which volume. `folder_of` knows the folder of a volume by its name.
pub(super) fn mounts(
    container: &Container,
    volumes: &[Volume],
    variables: &Variables,
    folder_of: impl Fn(&Volume) -> PathBuf,
) -> Result<Vec<Mount>, BoxError> {
    let mut mounts = Vec::new();
    for mount in container.volume_mounts.iter().flatten() {
        // The API server has checked that it is there.
        let Some(volume) = volumes.iter().find(|volume| volume.name == mount.name) else { continue };
        let expanded = mount.sub_path_expr.as_ref().map(|path| expand(path, variables));
        let below = expanded.or_else(|| mount.sub_path.clone()).unwrap_or_default();
        if Path::new(&below).components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(format!("subPath {below:?} leads out of volume {:?}", mount.name).into());
        }
        let source = if below.is_empty() { folder_of(volume) } else { folder_of(volume).join(&below) };
        let is_writable = volume.empty_dir.is_some() || volume.persistent_volume_claim.is_some();
        if is_writable && !source.exists() {
            make_writable(&source)?;
        }
        let read_only = !is_writable || mount.read_only == Some(true);
        mounts.push(Mount { source, target: mount.mount_path.clone(), read_only });
    }
    Ok(mounts)
}

#[cfg(test)]
mod tests;
