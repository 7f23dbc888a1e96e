use proptest::prelude::*;

use super::*;

#[test]
fn what_a_site_says_about_itself_is_no_secret() {
    let values = [
        ("LAGOON_FEATURE", "enabled"),
        ("ENVIRONMENT", "production"),
        ("BRANCH", "feature-x"),
        ("PHP_MEMORY_LIMIT", "1024M"),
        ("UPLOAD_LIMIT", "268435456"),
        ("SINCE", "2026-11-24"),
        ("TZ", "Europe/Zurich"),
        ("TOKEN_ENABLED", "true"),
        ("AUTH_MODE", "Disabled"),
        ("DB_PASSWORD", "main"),
        ("DB_KEY_LENGTH", "4096"),
        ("API_TOKEN_HOST", "api.example.com"),
        ("API_KEY_URL", "https://api.example.com"),
        ("ROUTE", "http://www.example.com:8080/"),
        ("PRIVATE_REGISTRY", "registry.example.com:5000"),
        ("DB_PASSWORD", "abc"),
        ("DB_PASSWORD", ""),
        ("SHORT", "a1b2c3d"),
    ];
    for (name, value) in values {
        assert!(!is_secret(name, value), "{name}={value}");
    }
}

#[test]
fn what_a_site_keeps_to_itself_is_a_secret() {
    let values = [
        ("DB_PASSWORD", "hunter2"),
        ("DB_PASSWORD", "word"),
        ("db_password", "correcthorse"),
        ("PIN_TOKEN", "123456"),
        ("SMTP", "hunter22"),
        ("SMTP", "a1b2c3d4"),
        ("ACCOUNT", "1234567890123456"),
        ("PHRASE", "correct-horse-battery"),
        ("DATABASE", "mysql://drupal:drupal@mariadb/drupal"),
        ("WEBHOOK", "https://chat.example.com/hooks/Zk3v"),
        ("FEED", "https://ada:word@www.example.com"),
        ("FEED", "https://www.example.com?token=1"),
        ("JWT", "eyJhbGciOi.eyJzdWIi.c2lnbmF0"),
        ("NOTE", "größer als"),
        ("SSH_KEY", "-----BEGIN OPENSSH PRIVATE KEY-----"),
    ];
    for (name, value) in values {
        assert!(is_secret(name, value), "{name}={value}");
        assert!(is_secret(name, &format!("  {value}\r")), "white space around {name}={value}");
    }
}

#[test]
fn the_password_of_an_address_is_what_stands_between_user_and_host() {
    let cases: [(&str, &[&str]); 8] = [
        ("mysql://shop:word@db/shop", &["word"]),
        ("redis://:word@cache:6379", &["word"]),
        ("https://ada:a:b@c@example.com?x=1", &["a:b@c"]),
        ("https://example.com/a:b@c", &[]),
        ("https://ada@example.com", &[]),
        ("ada:word@example.com", &[]),
        ("amqp://a:first@one,amqp://b:second@two", &["first", "second"]),
        ("from https://example.com to https://ada:word@example.com", &["word"]),
    ];
    for (address, expected) in cases {
        assert_eq!(secrets_inside("PLAIN", address), expected, "{address}");
    }
}

#[test]
fn the_password_of_an_address_inside_json_is_a_secret_as_it_is_decoded_too() {
    let secrets = secrets_inside("DB", r#"{"url": "mysql://shop:w0rd%21@db/shop"}"#);
    assert!(["w0rd%21", "w0rd!"].iter().all(|word| secrets.contains(&(*word).to_owned())), "{secrets:?}");
}

#[test]
fn percent_signs_that_encode_nothing_stay() {
    assert_eq!(percent_decoded("a%21%2"), "a!%2");
    assert_eq!(percent_decoded("%zz%é%"), "%zz%é%");
}

#[test]
fn words_and_numbers_are_secrets_from_sixteen_bytes_on() {
    for value in ["abcdefghijklmno", "123456789012345", "1234567890123ab"] {
        assert!(!is_secret("PLAIN", value), "{value}");
        assert!(is_secret("PLAIN", &format!("{value}{}", &value[..1])), "{value}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_password_with_letters_and_digits_mixed_is_a_secret(value in "[a-z][0-9][A-Z]{3}[!-~]{3,30}") {
        prop_assert!(is_secret("ANYTHING", &value));
    }

    #[test]
    fn a_host_is_never_one(host in "[a-z0-9]{1,20}(\\.[a-z0-9-]{1,20}){0,3}\\.[a-z]{2,6}", name in "[A-Z_]{1,12}") {
        prop_assert!(!is_secret(&name, &host));
        let (name, address) = (format!("SECRET_{name}"), format!("https://{host}/"));
        prop_assert!(!is_secret(&name, &address));
    }

    #[test]
    fn any_value_can_be_judged(name in any::<String>(), value in any::<String>()) {
        let _ = secrets_inside(&name, &format!("a://b:{value}@c"));
        prop_assert!(!is_secret(&name, &value) || value.trim().len() >= SHORTEST);
    }
}
