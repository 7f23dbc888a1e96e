use super::*;

fn parse(arguments: &[&str]) -> Result<Arguments, ArgumentsError> {
    Arguments::parse(arguments.iter().map(OsString::from))
}

#[test]
fn without_arguments_the_controller_runs_as_in_a_pod() {
    let options = Options {
        root: "/".into(),
        listen: "[::]:8080".parse().unwrap(),
        any_environment_type: false,
        concurrency: 4,
        keep_finished: None,
    };
    assert_eq!(parse(&[]), Ok(Arguments::Run(options)));
}

#[test]
fn folder_and_address_can_be_chosen() {
    let options = Options {
        root: "/tmp/x".into(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        any_environment_type: true,
        concurrency: 64,
        keep_finished: Some(0),
    };
    let given = ["--root", "/tmp/x", "--listen", "127.0.0.1:0", "--any-environment-type"];
    let numbers = ["--concurrency", "64", "--keep-finished", "0"];
    assert_eq!(parse(&[&given[..], &numbers].concat()), Ok(Arguments::Run(options)));
    assert!(parse(&["--listen", "[::1]:9090"]).is_ok());
    assert_eq!(parse(&["--help"]), Ok(Arguments::Help));
    assert_eq!(parse(&["--version"]), Ok(Arguments::Version));
}

#[test]
fn what_is_not_known_or_incomplete_is_refused() {
    assert_eq!(parse(&["--root"]), Err(ArgumentsError::Root));
    for listen in [&["--listen"][..], &["--listen", "8080"], &["--listen", "localhost:8080"], &["--listen", ":8080"]] {
        assert_eq!(parse(listen), Err(ArgumentsError::Listen), "{listen:?}");
    }
    for number in ["0", "65", "-1", "four", ""] {
        assert_eq!(parse(&["--concurrency", number]), Err(ArgumentsError::Concurrency), "{number}");
    }
    for keep in [&["--keep-finished"][..], &["--keep-finished", "-1"], &["--keep-finished", "all"]] {
        assert_eq!(parse(keep), Err(ArgumentsError::KeepFinished), "{keep:?}");
    }
    assert_eq!(parse(&["run"]), Err(ArgumentsError::Unknown));
}
