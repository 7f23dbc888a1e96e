use super::*;

#[test]
fn service_and_container_stand_before_the_command() {
    let command = RemoteCommand::new("  drush sql:dump | gzip\n");
    assert_eq!(command.line().unwrap(), "service=cli drush sql:dump | gzip");
    assert_eq!(command.clone().service("php").line().unwrap(), "service=php drush sql:dump | gzip");
    let line = command.service("nginx-2").container("php_1.x").line().unwrap();
    assert_eq!(line, "service=nginx-2 container=php_1.x drush sql:dump | gzip");
}

#[test]
fn a_name_that_is_more_than_one_word_is_refused() {
    let long = "a".repeat(64);
    for name in ["", " ", "a b", "a;b", "a\tb", "a=b", "a/b", "ü", &long] {
        let command = RemoteCommand::new("true");
        assert_eq!(command.clone().service(name).line(), Err(SshError::NotAName(name.to_owned())));
        assert_eq!(command.container(name).line(), Err(SshError::NotAName(name.to_owned())));
    }
    assert_eq!(RemoteCommand::new("true").service(&long[1..]).line().unwrap(), format!("service={} true", &long[1..]));
}

#[test]
fn a_command_without_words_is_refused() {
    assert_eq!(RemoteCommand::new(" \n\t").line(), Err(SshError::NoCommand));
}

#[test]
fn only_exit_code_0_is_a_success() {
    assert!(RemoteExit::Code(0).is_success());
    assert!(!RemoteExit::Code(1).is_success());
    assert!(!RemoteExit::Signal("KILL".to_owned()).is_success());
    assert_eq!(RemoteExit::Code(254).to_string(), "exit code 254");
    assert_eq!(RemoteExit::Signal("X\u{1b}".to_owned()).to_string(), r"signal X\u{1b}");
}
