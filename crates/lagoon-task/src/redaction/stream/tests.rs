use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use crate::redaction::{HIDDEN, Redactor};

fn redactor(secrets: &[&[u8]]) -> Redactor {
    let mut redactor = Redactor::default();
    for secret in secrets {
        redactor.add(secret);
    }
    redactor
}

/// What is shown of a text that comes in pieces.
fn shown<'text>(redactor: &Redactor, pieces: impl IntoIterator<Item = &'text [u8]>) -> Vec<u8> {
    let (mut stream, mut shown) = (redactor.stream(), Vec::new());
    for piece in pieces {
        stream.push(piece, &mut shown);
    }
    stream.finish(&mut shown);
    shown
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn hex(bytes: &[u8], upper: bool) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = if upper { write!(text, "{byte:02X}") } else { write!(text, "{byte:02x}") };
        text
    })
}

/// Percent-encoded; what `keep` answers for stays, and a space becomes `+` where `form` is set.
fn percent(bytes: &[u8], form: bool, upper: bool, keep: impl Fn(usize, u8) -> bool) -> String {
    bytes.iter().enumerate().fold(String::new(), |mut text, (index, byte)| {
        let _ = match byte {
            b' ' if form => write!(text, "+"),
            byte if keep(index, *byte) => write!(text, "{}", char::from(*byte)),
            byte if upper => write!(text, "%{byte:02X}"),
            byte => write!(text, "%{byte:02x}"),
        };
        text
    })
}

fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)
}

fn unquoted(text: &str) -> String {
    text[1..text.len() - 1].to_owned()
}

/// As Go's `encoding/json` writes it: `<`, `>` and `&` too are escaped.
fn as_go_does(text: &str) -> String {
    let json = serde_json::to_string(text).unwrap();
    unquoted(&json).replace('<', r"\u003c").replace('>', r"\u003e").replace('&', r"\u0026")
}

/// As PHP's `json_encode` writes it: slashes are escaped, and everything that is not ASCII.
fn as_php_does(text: &str) -> String {
    let json = serde_json::to_string(text).unwrap();
    let json = unquoted(&json).replace('/', r"\/");
    json.chars().fold(String::new(), |mut escaped, character| {
        if character.is_ascii() {
            escaped.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
        escaped
    })
}

fn as_html(text: &str, every: bool) -> String {
    text.chars().fold(String::new(), |mut escaped, character| {
        let _ = match character {
            character if every => write!(escaped, "&#{};", u32::from(character)),
            '&' => write!(escaped, "&amp;"),
            '<' => write!(escaped, "&lt;"),
            '>' => write!(escaped, "&gt;"),
            '"' => write!(escaped, "&quot;"),
            '\'' => write!(escaped, "&#x27;"),
            character => write!(escaped, "{character}"),
        };
        escaped
    })
}

/// Every way in which the documentation says that a secret is found.
fn encoded(secret: &str, before: &str, after: &str) -> Vec<(&'static str, String)> {
    let bytes = secret.as_bytes();
    let around = format!("{before}{secret}{after}");
    let json = serde_json::to_string(secret).unwrap();
    let wrapped = |width: usize, line_break: &str| {
        let digits = STANDARD.encode(format!("{}{around}", "wrapped ".repeat(9)));
        let lines: Vec<&str> = digits.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap()).collect();
        lines.join(line_break)
    };
    vec![
        ("as it is", secret.to_owned()),
        ("base64", STANDARD.encode(&around)),
        ("base64 without padding", STANDARD_NO_PAD.encode(&around)),
        ("base64 in the URL alphabet", URL_SAFE.encode(&around)),
        ("base64 in the URL alphabet without padding", URL_SAFE_NO_PAD.encode(&around)),
        ("base64 in lines of 64", wrapped(64, "\n")),
        ("base64 in lines of 76", wrapped(76, "\r\n")),
        ("base64 in lines, in JSON", wrapped(76, r"\n")),
        ("base64 in JSON of PHP", STANDARD.encode(&around).replace('/', r"\/")),
        ("base64 in a URL", percent(STANDARD.encode(&around).as_bytes(), false, true, |_, byte| unreserved(byte))),
        ("hex", hex(around.as_bytes(), false)),
        ("hex in capitals", hex(around.as_bytes(), true)),
        ("URL", percent(bytes, false, true, |_, byte| unreserved(byte))),
        ("URL in small letters", percent(bytes, false, false, |_, byte| unreserved(byte))),
        (
            "URL as encodeURIComponent",
            percent(bytes, false, true, |_, byte| unreserved(byte) || b"!'()*".contains(&byte)),
        ),
        ("form", percent(bytes, true, true, |_, byte| unreserved(byte))),
        ("every byte of a URL", percent(bytes, false, true, |_, _| false)),
        ("every other byte of a URL", percent(bytes, false, false, |index, byte| index % 2 == 0 && unreserved(byte))),
        ("JSON", unquoted(&json)),
        ("JSON of Go", as_go_does(secret)),
        ("JSON of PHP", as_php_does(secret)),
        ("HTML", as_html(secret, false)),
        ("HTML, every character", as_html(secret, true)),
        ("debug text of Rust", unquoted(&format!("{secret:?}"))),
        ("escapes of Rust", secret.escape_default().to_string()),
    ]
}

fn decoded_by(engine: &impl Engine, text: &str) -> Vec<u8> {
    (0..4)
        .flat_map(|from| {
            let digits: String = text.chars().filter(|one| !one.is_whitespace()).skip(from).collect();
            engine.decode(&digits.as_bytes()[..digits.len() / 4 * 4]).unwrap_or_default()
        })
        .collect()
}

/// Of the characters that are no letters only quotes, slashes and backslashes were expected behind one.
#[test]
fn a_backslash_of_a_shell_saves_no_secret() {
    let secret = r"pa$$ w0rd/22!";
    // As `export -p` and `printf %q` write it.
    for written in [r"pa\$\$ w0rd/22!", r"pa\$\$\ w0rd/22\!"] {
        assert_eq!(text_of(&shown(&redactor(&[secret.as_bytes()]), [written.as_bytes()])), HIDDEN, "{written}");
    }
}

#[test]
fn a_secret_is_hidden_in_every_encoding_at_every_alignment() {
    for secret in ["hunter22", "p\u{e4}ss/w?rd+1&<2>", "a b\"c\\d", "\u{1f511}key\u{1f511}", "~~~???>>>", "%41%42"] {
        let redactor = redactor(&[secret.as_bytes()]);
        for (before, after) in [("", ""), ("a", "b"), ("ab", "cd"), ("abc", "def"), ("user:", "@host")] {
            for (encoding, text) in encoded(secret, before, after) {
                let result = redactor.hide(&format!("<{text}>"));
                assert!(result.contains(HIDDEN), "{secret} as {encoding}: {result}");
                assert!(!result.contains(&text), "{secret} as {encoding}: {result}");
            }
        }
    }
}

#[test]
fn of_base64_only_the_characters_that_hold_a_part_of_the_secret_are_hidden() {
    let redactor = redactor(&[b"hunter22"]);
    let cases = [
        ("", "[hidden]"),
        ("a", "Y[hidden]"),
        ("ab", "YW[hidden]"),
        ("abc", "YWJj[hidden]"),
        ("ada:", "YWRhO[hidden]"),
    ];
    for (before, expected) in cases {
        let text = STANDARD_NO_PAD.encode(format!("{before}hunter22"));
        assert_eq!(redactor.hide(&text), expected, "{before} {text}");
        let text = STANDARD_NO_PAD.encode(format!("{before}hunter22 and more"));
        let result = redactor.hide(&text);
        assert!(result.starts_with(expected), "{result}");
        assert_eq!(
            decoded_by(&STANDARD_NO_PAD, &result.replace(HIDDEN, "")).windows(8).find(|part| *part == b"hunter22"),
            None
        );
    }
}

#[test]
fn base64_is_read_wherever_it_begins_in_a_run_of_such_characters() {
    let redactor = redactor(&[b"hunter22"]);
    for before in ["", "x", "xy", "xyz", "path", "path/"] {
        assert_eq!(redactor.hide(&format!("{before}aHVudGVyMjI")), format!("{before}[hidden]"));
    }
}

#[test]
fn of_hex_and_percent_exactly_the_secret_is_hidden() {
    let redactor = redactor(&["h\u{fc}nter 22".as_bytes()]);
    for upper in [false, true] {
        let text = hex("(h\u{fc}nter 22)".as_bytes(), upper);
        assert_eq!(redactor.hide(&text), "28[hidden]29");
        assert_eq!(redactor.hide(&format!("f{text}")), "f28[hidden]29", "pairs that begin at an odd place");
    }
    assert_eq!(redactor.hide("?a=h%C3%BCnter%2022&b=%20"), "?a=[hidden]&b=%20");
    assert_eq!(redactor.hide("?a=h%c3%bcnter+22&b=+"), "?a=[hidden]&b=+");
    assert_eq!(redactor.hide(r#"{"a":"h\u00fcnter 22\n"}"#), r#"{"a":"[hidden]\n"}"#);
    assert_eq!(redactor.hide(r"h\u{fc}nter\x2022"), "[hidden]");
}

#[test]
fn a_secret_of_several_lines_is_hidden_in_one_line_too() {
    let redactor = redactor(&[b"first-line\nsecond-line\n"]);
    assert_eq!(redactor.hide(r#""first-line\nsecond-line\n""#), r#""[hidden]\n[hidden]\n""#);
    assert_eq!(redactor.hide("first-line%0Asecond-line%0a"), "[hidden]%0A[hidden]%0a");
    let result = redactor.hide(&STANDARD.encode("first-line\nsecond-line\n"));
    assert_eq!(
        decoded_by(&STANDARD, &result.replace(HIDDEN, "")).windows(4).find(|part| part.is_ascii()),
        None,
        "{result}"
    );
}

#[test]
fn what_looks_like_the_beginning_of_an_encoding_passes_unchanged() {
    let redactor = redactor(&[b"hunter22"]);
    let texts = [
        "100% %4 %zz %%41 \\ \\\\ \\q \\u12 \\u{ \\u{zz} \\ud83d \\ud83d\\n \\x4 \\u{1234567} C:\\new",
        "a & b && c&d &amp &; &nosuch; &#; &#x; &#xd800; &abcdefghijk",
        "deadbeef cafe 00ff YWJj YWJj== a/b+c-d_e\n\n\r\n",
        "aHVudGVyMj",
        "hunter2",
    ];
    for text in texts {
        assert_eq!(redactor.hide(text), text);
        for cut in 0..=text.len() {
            let pieces = [&text.as_bytes()[..cut], &text.as_bytes()[cut..]];
            assert_eq!(text_of(&shown(&redactor, pieces)), text, "cut at {cut}");
        }
    }
}

#[test]
fn a_secret_after_what_only_looks_like_an_escape_is_hidden() {
    let redactor = redactor(&[b"hunter22"]);
    for before in
        ["\\", "%", "%4", "\\u", "\\u00", "\\u{", "\\ud83d", "\\ud83d\\u", "\\x", "+", "\\\\", "&", "&amp", "&#", "&#x"]
    {
        assert_eq!(redactor.hide(&format!("{before}hunter22")), format!("{before}[hidden]"));
    }
}

#[test]
fn an_ordinary_line_is_not_held_back() {
    let redactor = redactor(&[b"hunter22", b"Done. Yes"]);
    let (mut stream, mut shown) = (redactor.stream(), Vec::new());
    stream.push(b"Importing 3 of 7\n", &mut shown);
    assert_eq!(text_of(&shown), "Importing 3 of 7\n");
    stream.push(b"Done.", &mut shown);
    assert_eq!(text_of(&shown), "Importing 3 of 7\n", "it may become a secret");
    stream.push(b"\n", &mut shown);
    assert_eq!(text_of(&shown), "Importing 3 of 7\nDone.\n");
}

#[test]
fn what_is_held_back_is_bounded_by_the_longest_secret_however_long_the_text() {
    let secret = "a".repeat(100);
    let redactor = redactor(&[secret.as_bytes()]);
    let line = format!("{}\n", "x".repeat(80));
    let texts = [
        "a".repeat(50_000),
        "%61".repeat(20_000),
        r"\u0061".repeat(20_000),
        STANDARD.encode("a".repeat(50_000)),
        format!("{}{}", STANDARD.encode("a".repeat(99)), "\n".repeat(50_000)),
        line.repeat(1000),
    ];
    for text in texts {
        let (mut stream, mut shown) = (redactor.stream(), Vec::new());
        for piece in text.as_bytes().chunks(1000) {
            stream.push(piece, &mut shown);
            assert!(stream.held.len() <= 12 * secret.len(), "{} bytes of {text:.20}", stream.held.len());
            assert!(stream.found.len() <= 12 * secret.len(), "{} places in {text:.20}", stream.found.len());
            assert!(stream.views.iter().flat_map(|view| &view.lanes).all(|lane| lane.starts.len() <= secret.len()));
        }
    }
}

#[test]
fn a_secret_that_is_registered_while_a_text_comes_is_hidden_from_then_on_and_in_what_is_held() {
    let mut redactor = redactor(&[b"the first secret"]);
    let (mut stream, mut shown) = (redactor.stream(), Vec::new());
    stream.push(b"hunter22, the fir", &mut shown);
    redactor.add("firs and more");
    redactor.add("hunter22");
    redactor.renew(&mut stream);
    stream.push(b"s and more, hunter22, the first secret", &mut shown);
    stream.finish(&mut shown);
    assert_eq!(text_of(&shown), "hunter22, the [hidden], [hidden], [hidden]");
}

#[test]
fn text_and_secrets_that_are_not_utf_8_do_no_harm() {
    let key = [0xff, 0x00, 0x80, b'\n', 0xfe, 0x01];
    let redactor = redactor(&[&key, b"hunter22"]);
    assert_eq!(shown(&redactor, [&b"\xc3hunter22\xff"[..]]), b"\xc3[hidden]\xff");
    assert_eq!(shown(&redactor, [&[b"a".as_slice(), &key, b"b"].concat()[..]]), b"a[hidden]b");
    assert_eq!(redactor.hide(&STANDARD_NO_PAD.encode(key)), HIDDEN);
    assert_eq!(redactor.hide(&hex(&key, false)), HIDDEN);
}

/// Cuts a text at places that `cuts` chooses.
fn pieces<'text>(text: &'text [u8], cuts: &[prop::sample::Index]) -> Vec<&'text [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).chain([0, text.len()]).collect();
    places.sort_unstable();
    places.windows(2).map(|ends| &text[ends[0]..ends[1]]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 128, ..ProptestConfig::default() })]

    /// The alphabets have no character of "[hidden]", so hiding cannot make a secret.
    #[test]
    fn any_secret_in_any_encoding_is_hidden_wherever_the_text_is_cut(
        secret in "[^\\[\\]hiden\\pC\\pZ][^\\[\\]hiden\\pC]{2,20}[^\\[\\]hiden\\pC\\pZ]",
        before in "[a-zA-Z0-9 :/]{0,7}",
        after in "[a-zA-Z0-9 @]{0,7}",
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let redactor = redactor(&[secret.as_bytes()]);
        for (encoding, text) in encoded(&secret, &before, &after) {
            let text = format!("<{text}>");
            let whole = redactor.hide(&text);
            prop_assert!(whole.contains(HIDDEN), "{} of {:?}: {}", encoding, secret, whole);
            let cut = text_of(&shown(&redactor, pieces(text.as_bytes(), &cuts)));
            prop_assert_eq!(&cut, &whole, "{} cut", encoding);
            let rest = whole.replace(HIDDEN, "<>");
            prop_assert!(!rest.contains(&secret), "{} of {:?}: {}", encoding, secret, rest);
            if encoding.starts_with("base64") {
                let again = redactor.hide(&whole);
                prop_assert_eq!(&again, &whole, "nothing is left to hide");
            }
        }
    }

    #[test]
    fn any_bytes_without_a_secret_pass_unchanged_wherever_they_are_cut(
        text in prop::collection::vec(any::<u8>(), 0..200),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let redactor = redactor(&[b"a-secret-that-is-not-there", b"another, 0f which n0thing shows"]);
        prop_assert_eq!(shown(&redactor, pieces(&text, &cuts)), text);
    }

    #[test]
    fn secrets_that_overlap_are_hidden_wherever_the_text_is_cut(
        secrets in prop::collection::vec("[xy]{4,6}", 1..5),
        text in "[xyz ]{0,60}",
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let known: Vec<&[u8]> = secrets.iter().map(String::as_bytes).collect();
        let redactor = redactor(&known);
        let cut = text_of(&shown(&redactor, pieces(text.as_bytes(), &cuts)));
        prop_assert!(secrets.iter().all(|secret| !cut.contains(secret)), "{}", cut);
        prop_assert_eq!(cut, redactor.hide(&text));
    }
}
