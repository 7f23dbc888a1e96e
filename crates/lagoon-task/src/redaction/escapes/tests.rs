use proptest::prelude::*;

use super::*;

#[test]
fn each_escape_stands_for_its_character() {
    let cases: [(&str, &[u8]); 17] = [
        (r"\n", b"\n"),
        (r"\r", b"\r"),
        (r"\t", b"\t"),
        (r"\b", b"\x08"),
        (r"\f", b"\x0c"),
        (r"\0", b"\0"),
        (r"\/", b"/"),
        (r"\\", b"\\"),
        ("\\\"", b"\""),
        (r"\$", b"$"),
        (r"\!", b"!"),
        (r"\ ", b" "),
        (r"\x4a", b"J"),
        (r"\xFF", b"\xff"),
        (r"\u003c", b"<"),
        (r"\u{e9}", "é".as_bytes()),
        (r"\uD83D\uDD11", "🔑".as_bytes()),
    ];
    for (text, bytes) in cases {
        assert_eq!(backslash(text.as_bytes()), Escape::Bytes(bytes.to_vec()), "{text}");
        for end in 1..text.len() {
            assert_eq!(backslash(&text.as_bytes()[..end]), Escape::Unfinished, "{text} up to {end}");
        }
    }
}

#[test]
fn what_is_no_escape_is_seen_at_its_first_wrong_character() {
    for text in [
        r"\q",
        r"\x4g",
        r"\u00g",
        r"\u{}",
        r"\u{110000}",
        r"\u{1234567",
        r"\ud83dx",
        r"\ud83d\n",
        r"\ud83d\u0041",
        r"\udd11",
    ] {
        assert_eq!(backslash(text.as_bytes()), Escape::None, "{text}");
    }
}

#[test]
fn percent_signs_and_entities_stand_for_their_characters() {
    for (text, bytes) in [("%41", &b"A"[..]), ("%c3", b"\xc3"), ("%C3", b"\xc3"), ("%00", b"\0")] {
        assert_eq!(percent(text.as_bytes()), Escape::Bytes(bytes.to_vec()), "{text}");
        assert_eq!((percent(b"%"), percent(&text.as_bytes()[..2])), (Escape::Unfinished, Escape::Unfinished));
    }
    let entities = [
        ("&amp;", "&"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
        ("&#x1F511;", "🔑"),
    ];
    for (text, character) in entities {
        assert_eq!(entity(text.as_bytes()), Escape::Bytes(character.as_bytes().to_vec()), "{text}");
        for end in 1..text.len() {
            assert_eq!(entity(&text.as_bytes()[..end]), Escape::Unfinished, "{text} up to {end}");
        }
    }
    for text in ["%g", "%4g", "%%"] {
        assert_eq!(percent(text.as_bytes()), Escape::None, "{text}");
    }
    for text in ["& ", "&;", "&copy;", "&#;", "&#x;", "&#xd800;", "&#9999999;", "&longername"] {
        assert_eq!(entity(text.as_bytes()), Escape::None, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_waited_for_beyond_the_longest_escape(rest in "[#u{}xdD8c0-9a-f\\\\n]{0,16}") {
        let text = format!("\\{rest}");
        let entity_text = format!("&{rest}");
        prop_assert!(entity_text.len() < 12 || entity(entity_text.as_bytes()) != Escape::Unfinished, "{}", entity_text);
        prop_assert!(text.len() < 12 || backslash(text.as_bytes()) != Escape::Unfinished, "{}", text);
    }

    #[test]
    fn every_character_can_be_read_back_from_rusts_and_jsons_escapes(character: char) {
        let (mut bytes, mut bytes_of_json) = ([0; 4], [0; 2]);
        let expected = Escape::Bytes(character.encode_utf8(&mut bytes).as_bytes().to_vec());
        prop_assert_eq!(&backslash(character.escape_unicode().to_string().as_bytes()), &expected);
        let units = character.encode_utf16(&mut bytes_of_json).iter();
        let json = units.fold(String::new(), |text, unit| format!("{text}\\u{unit:04x}"));
        prop_assert_eq!(&backslash(json.as_bytes()), &expected);
    }
}
