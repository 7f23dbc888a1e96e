use proptest::prelude::*;

use super::*;

fn token(claims: &str) -> String {
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
}

#[test]
fn a_token_is_good_from_its_making_to_its_end() {
    assert_eq!(lifetime(&token(r#"{"iat":1000,"exp":4600,"sub":"x"}"#)), Some(Duration::from_hours(1)));
    assert_eq!(lifetime(&token(r#"{"iat":1000.5,"exp":1001.0}"#)), Some(Duration::from_millis(500)));
    assert_eq!(lifetime(&token(r#"{"iat":1000,"exp":900}"#)), Some(Duration::ZERO));
    assert_eq!(lifetime(&token(r#"{"iat":0,"exp":1e300}"#)), Some(Duration::from_hours(24)));
}

#[test]
fn a_token_that_does_not_say_how_long_it_is_good_is_kept_until_it_is_refused() {
    for claims in ["{}", r#"{"exp":4600}"#, r#"{"iat":"1","exp":"2"}"#, "[]", "no JSON"] {
        assert_eq!(lifetime(&token(claims)), None, "{claims}");
    }
    assert_eq!(lifetime("e30"), None);
    assert_eq!(lifetime("e30.###.c2ln"), None);
}

#[test]
fn only_three_parts_of_base64_for_urls_are_a_token() {
    assert!(is_token(&token("{}")));
    for text in ["", "one", "a.b", "a.b.c.d", "a..c", ".b.c", "a.b.", "a.b.c d", "a.b.c\nd", "a.b.c=", "a.b.ü"] {
        assert!(!is_token(text), "{text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_claims_make_a_life_longer_than_a_day(iat in any::<f64>(), exp in any::<f64>()) {
        let life = lifetime(&token(&serde_json::json!({ "iat": iat, "exp": exp }).to_string()));
        prop_assert!(life.is_none_or(|life| life <= Duration::from_hours(24)), "{life:?}");
    }

    #[test]
    fn no_text_is_too_strange_to_be_looked_at(text in any::<String>()) {
        let _ = (is_token(&text), lifetime(&text), lifetime(&token(&text)));
    }
}
