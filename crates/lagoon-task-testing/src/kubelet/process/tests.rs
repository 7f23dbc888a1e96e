use serde_json::{Value, json};

use super::*;

fn pod(spec: &Value, container: &Value) -> Pod {
    let mut spec = spec.clone();
    spec["containers"] = json!([container]);
    serde_json::from_value(json!({ "metadata": { "name": "worker" }, "spec": spec })).unwrap()
}

fn user(spec: &Value, container: &Value) -> User {
    let pod = pod(spec, container);
    User::of(&pod.spec.as_ref().unwrap().containers[0], &pod)
}

#[test]
fn the_containers_user_wins_over_the_pods_and_root_is_neither() {
    let nothing = json!({ "name": "only" });
    assert_eq!(user(&json!({}), &nothing), User { id: 0, group: 0, other_groups: vec![] });
    let context = json!({ "runAsUser": 1, "runAsGroup": 2, "fsGroup": 3, "supplementalGroups": [4, 5] });
    let spec = json!({ "securityContext": context });
    assert_eq!(user(&spec, &nothing), User { id: 1, group: 2, other_groups: vec![3, 4, 5] });
    let own = user(&spec, &json!({ "name": "only", "securityContext": { "runAsUser": 9 } }));
    assert_eq!((own.id, own.groups_argument().as_str()), (9, "--groups=3,4,5"));
}

/// The command line of a container whose image runs `/program`.
fn line(container: &Value) -> Vec<String> {
    let pod = pod(&json!({}), container);
    let plan = Plan {
        pod: &pod,
        container: &pod.spec.as_ref().unwrap().containers[0],
        program: &Program::Binary("/program".into()),
        launch: None,
        variables: vec![("WORD".to_owned(), "two words".to_owned())],
        mounts: vec![],
        folder: Path::new("/folder"),
    };
    plan.command_line("/program".into()).into_iter().map(|word| word.to_string_lossy().into_owned()).collect()
}

#[test]
fn a_command_takes_the_programs_place_and_args_are_its_arguments() {
    assert_eq!(line(&json!({ "name": "only" })), ["/program"]);
    assert_eq!(line(&json!({ "name": "only", "args": ["$(WORD)", "$$(WORD)"] })), ["/program", "two words", "$(WORD)"]);
    assert_eq!(line(&json!({ "name": "only", "command": ["sh", "-c"], "args": ["$X"] })), ["sh", "-c", "$X"]);
    assert_eq!(line(&json!({ "name": "only", "command": ["$(WORD)"] })), ["two words"]);
}

#[test]
fn a_container_made_with_buildah_gets_its_mounts_variables_and_user() {
    let context = json!({ "runAsUser": 10000, "runAsGroup": 0 });
    let pod = pod(&json!({ "securityContext": context }), &json!({ "name": "only", "workingDir": "/work" }));
    let mount = |target: &str, read_only| Mount { source: "/source".into(), target: target.to_owned(), read_only };
    let plan = Plan {
        pod: &pod,
        container: &pod.spec.as_ref().unwrap().containers[0],
        program: &Program::Container("made".to_owned()),
        launch: None,
        variables: vec![("WORD".to_owned(), "two words".to_owned())],
        mounts: vec![mount("/a", true), mount("/b", false)],
        folder: Path::new("/folder"),
    };
    let command = plan.command().unwrap();
    let arguments: Vec<_> = command.as_std().get_args().map(|word| word.to_string_lossy()).collect();
    let expected = "--storage-driver vfs run --isolation chroot --cap-drop ALL --user 10000:0 --workingdir /work \
                    -v /source:/a:ro -v /source:/b:rw -e WORD=two words made -- /task";
    assert_eq!((command.as_std().get_program().to_str(), arguments.join(" ")), (Some("buildah"), expected.to_owned()));
}
