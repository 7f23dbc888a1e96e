use super::*;

/// What Lagoon asks for.
fn asked() -> Asked {
    Asked {
        names: EnvironmentNames { production: "main".to_owned(), standby: "standby".to_owned() },
        source_namespace: "shop-standby".to_owned(),
        destination_namespace: "shop-main".to_owned(),
        dry_run: false,
    }
}

fn namespaces(source: &str, destination: &str) -> Asked {
    Asked { source_namespace: source.to_owned(), destination_namespace: destination.to_owned(), ..asked() }
}

fn environments(production: &str, standby: &str) -> Asked {
    let names = EnvironmentNames { production: production.to_owned(), standby: standby.to_owned() };
    Asked { names, ..asked() }
}

fn moved(to_standby: &[&str], to_active: &[&str]) -> Moved {
    let list = |list: &[&str]| list.iter().map(|&url| url.to_owned()).collect();
    Moved { to_standby: list(to_standby), to_active: list(to_active) }
}

#[test]
fn what_lagoon_asks_for_is_taken() {
    assert_eq!(asked().check("shop-standby"), Ok(()));
    assert_eq!(environments("feature/a", "feature/b").check("shop-standby"), Ok(()), "a branch's name is no DNS name");
    assert_eq!(environments("main", "Main").check("shop-standby"), Ok(()));
}

#[test]
fn names_that_are_no_namespaces_are_refused_before_they_become_a_part_of_a_path() {
    for wrong in ["", " ", "a/b", "../kube-system", "a.b", "A", "-a", "a-", "a b", "shop-main\n", "ä", &"a".repeat(64)]
    {
        let error = namespaces(wrong, "shop-main").check(wrong).unwrap_err();
        assert_eq!(error, AskedError::NotANamespace("sourceNamespace"), "{wrong:?}");
        let error = namespaces("shop-standby", wrong).check("shop-standby").unwrap_err();
        assert_eq!(error, AskedError::NotANamespace("destinationNamespace"), "{wrong:?}");
    }
    assert_eq!(namespaces(&"a".repeat(63), "shop-main").check(&"a".repeat(63)), Ok(()));
}

#[test]
fn the_task_must_run_in_the_standby_namespace_of_two() {
    assert_eq!(asked().check("shop-main"), Err(AskedError::NotHere));
    assert_eq!(asked().check("blog-main"), Err(AskedError::NotHere));
    assert_eq!(namespaces("shop-main", "shop-main").check("shop-main"), Err(AskedError::SameNamespace));
}

#[test]
fn there_must_be_two_environments() {
    for (production, standby) in [("main", "main"), ("", "standby"), ("main", ""), (" \t", "standby"), ("", "")] {
        let error = environments(production, standby).check("shop-standby").unwrap_err();
        assert_eq!(error, AskedError::Environments, "{production:?} {standby:?}");
    }
}

#[test]
fn each_refusal_is_a_sentence_that_says_nothing_has_changed() {
    let cases = [
        (
            AskedError::NotANamespace("sourceNamespace"),
            "its `sourceNamespace` is not the name of a Kubernetes namespace",
        ),
        (
            AskedError::NotHere,
            "its `sourceNamespace` is not the namespace that the task runs in. A switch is started in the standby \
             environment",
        ),
        (AskedError::SameNamespace, "its `sourceNamespace` and `destinationNamespace` are the same"),
        (AskedError::Environments, "its `productionEnvironment` and `standbyEnvironment` are not two different names"),
    ];
    for (error, middle) in cases {
        let sentence = format!("The task's payload does not fit this task: {middle}. Nothing has changed.");
        assert_eq!(error.to_string(), sentence);
    }
}

#[test]
fn the_result_is_what_lagoon_takes_with_the_environments_swapped() {
    let moved = moved(&["https://www.example.com", "http://example.com"], &["https://next.example.com"]);
    assert_eq!(
        serde_json::to_string(&asked().result(&moved)).unwrap(),
        concat!(
            r#"{"status":"Completed","#,
            r#""productionEnvironment":"standby","#,
            r#""standbyProductionEnvironment":"main","#,
            r#""productionRoutes":"https://www.example.com,http://example.com","#,
            r#""standbyRoutes":"https://next.example.com","#,
            r#""sourceNamespace":"shop-standby","#,
            r#""DestinationNamespace":"shop-main"}"#
        )
    );
}

#[test]
fn a_result_of_no_routes_has_empty_texts() {
    let result = serde_json::to_value(asked().result(&moved(&[], &[]))).unwrap();
    assert_eq!((&result["productionRoutes"], &result["standbyRoutes"]), (&"".into(), &"".into()));
}
