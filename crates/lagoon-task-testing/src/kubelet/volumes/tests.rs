use serde_json::{Value, json};

use super::*;

fn object<K: serde::de::DeserializeOwned>(json: Value) -> K {
    serde_json::from_value(json).unwrap()
}

fn sources() -> Sources {
    let data = |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
    Sources {
        namespace: "shop-main".to_owned(),
        secrets: [("keys".to_owned(), data(&[("a", "A"), ("b", "B")]))].into(),
        config_maps: [("settings".to_owned(), data(&[("c", "C")]))].into(),
        ..Sources::default()
    }
}

/// The volume's files as `path content mode`.
fn laid(volume: &Value) -> Result<Vec<String>, String> {
    let mut named = json!({ "name": "only" });
    named.as_object_mut().unwrap().extend(volume.as_object().unwrap().clone());
    let pod = object(json!({ "metadata": { "name": "worker", "namespace": "shop-main" } }));
    let files = files(&object(named), &pod, &sources())?;
    Ok(files
        .iter()
        .map(|file| format!("{} {} {:o}", file.path, String::from_utf8_lossy(&file.content), file.mode))
        .collect())
}

#[test]
fn all_keys_are_files_or_those_that_are_chosen() {
    let all = laid(&json!({ "secret": { "secretName": "keys", "defaultMode": 0o400 } })).unwrap();
    assert_eq!(all, ["a A 400", "b B 400"]);
    let items = json!([{ "key": "b", "path": "deep/b", "mode": 0o600 }]);
    assert_eq!(laid(&json!({ "secret": { "secretName": "keys", "items": items } })).unwrap(), ["deep/b B 600"]);
    assert_eq!(laid(&json!({ "configMap": { "name": "settings" } })).unwrap(), ["c C 644"]);
}

#[test]
fn a_projected_volume_holds_all_its_sources() {
    let name = json!({ "path": "name", "fieldRef": { "fieldPath": "metadata.name" } });
    let sources = json!([
        { "secret": { "name": "keys", "items": [{ "key": "a", "path": "a" }] } },
        { "configMap": { "name": "settings" } },
        { "downwardAPI": { "items": [name] } },
        { "secret": { "name": "none", "optional": true } },
    ]);
    let volume = json!({ "projected": { "sources": sources, "defaultMode": 0o440 } });
    assert_eq!(laid(&volume).unwrap(), ["a A 440", "c C 440", "name worker 440"]);
}

#[test]
fn what_is_missing_is_named_unless_it_is_optional() {
    let items = json!([{ "key": "none", "path": "x" }]);
    for (volume, message) in [
        (json!({ "secret": { "secretName": "none" } }), "secret \"none\" not found"),
        (json!({ "configMap": { "name": "none" } }), "configmap \"none\" not found"),
        (json!({ "secret": { "secretName": "keys", "items": items } }), "references non-existent key: none"),
        (
            json!({ "hostPath": { "path": "/" } }),
            "volume \"only\" is of a kind that the kubelet stand-in does not have",
        ),
    ] {
        assert_eq!(laid(&volume), Err(message.to_owned()));
    }
    let optional = json!({ "secret": { "secretName": "keys", "items": items, "optional": true } });
    assert_eq!(laid(&optional), Ok(vec![]));
}

fn mounted(volume: &Value, mount: &Value, folder: &Path) -> Result<Vec<Mount>, BoxError> {
    let mut volume = volume.clone();
    volume["name"] = json!("only");
    let mut mount = mount.clone();
    mount["name"] = json!("only");
    mount["mountPath"] = json!("/here");
    let container: Container = object(json!({ "name": "only", "volumeMounts": [mount] }));
    let variables = vec![("SITE".to_owned(), "shop".to_owned())];
    mounts(&container, &[object(volume)], &variables, |_| folder.to_owned())
}

#[test]
fn only_what_holds_files_of_the_pod_is_writable() {
    let folder = tempfile::tempdir().unwrap();
    let read_only = |volume: &Value, mount: &Value| mounted(volume, mount, folder.path()).unwrap()[0].read_only;
    let (empty, secret) = (json!({ "emptyDir": {} }), json!({ "secret": { "secretName": "keys" } }));
    assert!(!read_only(&empty, &json!({})));
    assert!(read_only(&empty, &json!({ "readOnly": true })));
    assert!(read_only(&secret, &json!({ "readOnly": false })));
}

#[test]
fn a_sub_path_is_made_below_the_volume_and_never_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let empty = json!({ "emptyDir": {} });
    let mount = mounted(&empty, &json!({ "subPathExpr": "of/$(SITE)" }), folder.path()).unwrap().remove(0);
    assert_eq!(mount.source, folder.path().join("of/shop"));
    assert!(mount.source.is_dir());
    for outside in ["../beside", "/etc", "a/../../b"] {
        let error = mounted(&empty, &json!({ "subPath": outside }), folder.path()).unwrap_err();
        assert!(error.to_string().contains(outside), "{error}");
    }
}
