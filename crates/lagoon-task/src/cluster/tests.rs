use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;

#[test]
fn each_token_that_is_read_is_hidden_from_then_on_and_the_ones_before_stay_hidden() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let output = Output::new(std::io::sink(), false);
    let token = Token::new(path.clone(), output.clone());
    for number in 1..4 {
        let renewed = format!("token-number-{number}");
        assert_eq!(output.hide_secrets(&renewed), renewed);
        std::fs::write(&path, format!("{renewed}\n")).unwrap();
        assert_eq!(token.header().unwrap(), format!("Bearer {renewed}"));
        for known in 1..=number {
            let known = format!("token-number-{known}");
            assert_eq!(
                output.hide_secrets(&format!("({known}, {})", STANDARD.encode(&known))),
                "([hidden], [hidden]=)"
            );
        }
    }
}

#[test]
fn while_the_file_cannot_be_read_the_token_read_last_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let token = Token::new(path.clone(), Output::new(std::io::sink(), false));
    assert_eq!(token.header(), None);
    std::fs::write(&path, "token-number-1").unwrap();
    let first = token.header();
    std::fs::remove_file(&path).unwrap();
    assert_eq!((token.header(), first.is_some()), (first, true));
}
