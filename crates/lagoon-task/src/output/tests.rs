use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;

/// A writer whose content can be looked at. It takes nothing in while `trouble` says what happens instead.
#[derive(Clone, Default)]
struct Shared {
    bytes: Arc<Mutex<Vec<u8>>>,
    trouble: Arc<Mutex<Option<Trouble>>>,
}

#[derive(Clone, Copy)]
enum Trouble {
    Error,
    Panic,
}

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.bytes.lock().unwrap().clone()).unwrap()
    }

    fn set(&self, trouble: Option<Trouble>) {
        *self.trouble.lock().unwrap() = trouble;
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let trouble = *self.trouble.lock().unwrap();
        match trouble {
            Some(Trouble::Error) => Err(io::ErrorKind::BrokenPipe.into()),
            Some(Trouble::Panic) => panic!("the writer panics, as this test wants"),
            None => {
                self.bytes.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn output(colour: bool) -> (Output, Shared) {
    let shared = Shared::default();
    (Output::new(shared.clone(), colour), shared)
}

fn said(text: &str) -> String {
    let (output, shown) = output(false);
    output.say(text);
    shown.text()
}

#[test]
fn a_text_is_shown_as_its_lines_each_with_one_line_break() {
    let cases = [
        ("one", "one\n"),
        ("one\n", "one\n"),
        ("one\ntwo", "one\ntwo\n"),
        ("one\r\ntwo\r\n", "one\ntwo\n"),
        ("one\n\ntwo", "one\n\ntwo\n"),
        ("", ""),
    ];
    for (text, shown) in cases {
        assert_eq!(said(text), shown, "{text:?}");
    }
}

#[test]
fn control_characters_are_shown_as_escapes() {
    assert_eq!(said("a\u{1b}[2Jb\u{7}\0\rc\u{9b}d\u{7f}\te"), "a\\u{1b}[2Jb\\u{7}\\u{0}\\rc\\u{9b}d\\u{7f}\te\n");
}

#[test]
fn every_control_that_reorders_or_breaks_lines_is_escaped() {
    // Unicode's property Bidi_Control, and its line and paragraph separators.
    let reordering = ['\u{61c}', '\u{200e}', '\u{200f}'].into_iter().chain('\u{202a}'..='\u{202e}');
    let invisible = reordering.chain('\u{2066}'..='\u{2069}').chain(['\u{2028}', '\u{2029}', '\u{85}', '\u{c}']);
    for character in invisible {
        let expected = format!("a{}b", character.escape_default());
        assert_eq!(escape(&format!("a{character}b")), expected, "U+{:04X}", u32::from(character));
    }
    for character in ['\u{200d}', '\u{2026}', '\u{202f}', '\u{2065}', 'é', '✓', ' '] {
        assert_eq!(escape(&character.to_string()), character.to_string(), "U+{:04X}", u32::from(character));
    }
}

#[test]
fn secrets_are_hidden_from_the_moment_they_are_registered_also_in_clones() {
    let (output, shown) = output(false);
    output.say("hunter22");
    let clone = output.clone();
    output.register_secret("hunter22\nsecond-secret");
    clone.say("hunter22");
    output.say_failure("a hunter22 b\nsecond-secret");
    output.say_in_panic("second-secret!");
    assert_eq!(shown.text(), "hunter22\n[hidden]\na [hidden] b\n[hidden]\n[hidden]!\n");
    assert_eq!(output.hide_secrets("it is hunter22\u{7}"), "it is [hidden]\u{7}");
}

#[test]
fn a_secret_with_a_control_character_is_hidden_before_that_is_escaped() {
    let (output, shown) = output(false);
    output.register_secret("hun\u{1}ter");
    output.say("it is hun\u{1}ter");
    assert_eq!(shown.text(), "it is [hidden]\n");
}

#[test]
fn only_failures_have_colour_and_only_where_colour_is_on() {
    let (coloured, shown) = output(true);
    coloured.say("fine");
    coloured.say_failure("bad\nworse");
    coloured.say_in_panic("worst");
    assert_eq!(shown.text(), "fine\n\x1b[31mbad\x1b[0m\n\x1b[31mworse\x1b[0m\n\x1b[31mworst\x1b[0m\n");

    let (plain, shown) = output(false);
    plain.say("fine");
    plain.say_failure("bad");
    plain.say_in_panic("worst");
    assert_eq!(shown.text(), "fine\nbad\nworst\n");
}

#[test]
fn the_text_that_makes_lagoon_drop_the_log_is_never_written() {
    let fatal = TAKEN_FOR_A_MISSING_LOG;
    assert_eq!(fatal, "unable to retrieve container logs for containerd");
    assert_eq!(
        said(&format!("pod: {fatal}://4f1c")),
        "pod: unable to retrieve the container logs for containerd://4f1c\n"
    );
    let texts = [
        fatal.to_owned(),
        format!("{fatal}{fatal}"),
        format!("{fatal} for containerd"),
        format!("{fatal} for containerd for containerd"),
        format!("line\n{fatal}\nline"),
    ];
    for text in texts {
        let (output, shown) = output(true);
        output.say(&text);
        output.say_failure(&text);
        output.say_in_panic(&text);
        let shown = shown.text();
        assert!(shown.contains("unable to retrieve the container logs"), "{shown}");
        assert!(!shown.contains(fatal), "{text:?} is shown as {shown:?}");
    }
}

#[test]
fn each_text_is_flushed() {
    let shown = Shared::default();
    let output = Output::new(io::BufWriter::new(shown.clone()), false);
    output.say("now");
    assert_eq!(shown.text(), "now\n");
}

#[test]
fn a_writer_that_fails_ends_nothing_and_the_next_line_is_tried_again() {
    let (output, shown) = output(false);
    shown.set(Some(Trouble::Error));
    output.say("lost");
    output.say_failure("lost too");
    output.say_in_panic("and this");
    shown.set(None);
    output.say("there again");
    assert_eq!(shown.text(), "there again\n");
}

#[test]
fn a_writer_that_panics_does_not_silence_what_follows() {
    let (output, shown) = output(false);
    shown.set(Some(Trouble::Panic));
    assert!(catch_unwind(AssertUnwindSafe(|| output.say("lost"))).is_err());
    shown.set(None);
    output.say_in_panic("in the panic");
    output.say("after it");
    assert_eq!(shown.text(), "in the panic\nafter it\n");
}

#[test]
fn a_panic_in_the_middle_of_a_write_does_not_block() {
    let (output, shown) = output(false);
    let in_a_write = output.lock();
    output.say_in_panic("nobody can be told");
    drop(in_a_write);
    assert_eq!(shown.text(), "");
}

/// Says something itself while it is formatted, as the panic hook does when formatting panics.
struct SaysMore(Output);

impl Display for SaysMore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.say_in_panic("while formatting");
        formatter.write_str("formatted")
    }
}

#[test]
fn a_panic_while_a_text_is_formatted_can_still_be_told() {
    let (output, shown) = output(false);
    output.say(SaysMore(output.clone()));
    output.say_failure(SaysMore(output.clone()));
    assert_eq!(shown.text(), "while formatting\nformatted\nwhile formatting\nformatted\n");
}

#[test]
fn text_in_pieces_is_shown_line_by_line_without_secrets() {
    let (output, shown) = output(false);
    output.register_secret("hunter22");
    let mut lines = output.lines();
    lines.write_all(b"one\nit is hun").unwrap();
    assert_eq!(shown.text(), "one\n");
    output.say("said in between");
    lines.write_all(b"ter22\x1b[2J\x07\r\n\xff and \xc3").unwrap();
    lines.write_all(b"\xa9").unwrap();
    lines.flush().unwrap();
    drop(lines);
    assert_eq!(shown.text(), "one\nsaid in between\nit is [hidden]\\u{7}\n\u{fffd} and \u{e9}\n");
}

#[test]
fn a_secret_that_is_registered_later_is_hidden_in_text_in_pieces_too() {
    let (output, shown) = output(false);
    let mut lines = output.lines();
    lines.write_all(b"the token\n").unwrap();
    output.register_secret("renewed-token");
    lines.write_all(b"a renewed-").unwrap();
    lines.write_all(b"token\nrenewed-\x1b[1mtoken\n").unwrap();
    assert_eq!(shown.text(), "the token\na [hidden]\n[hidden]\n");
}

#[test]
fn of_what_another_program_prints_for_a_terminal_the_words_are_left() {
    let printed = "\x1b[32mgreen\x1b[0m\n 10 %\r\x1b[K100 %\r\n\x1b]0;title\x07done\r\n\n\u{202e}\x1b[31";
    let expected = "green\n100 %\ndone\n\n\\u{202e}\\u{1b}[31\n";
    for length in 1..printed.len() {
        let (output, shown) = output(false);
        let mut lines = output.lines();
        printed.as_bytes().chunks(length).for_each(|piece| lines.write_all(piece).unwrap());
        drop(lines);
        assert_eq!(shown.text(), expected, "in pieces of {length}");
    }
}

#[test]
fn what_a_task_says_itself_is_shown_with_its_escape_sequences() {
    assert_eq!(said("a \x1b[32mname\rx"), "a \\u{1b}[32mname\\rx\n");
}

#[test]
fn a_secret_is_hidden_also_where_escape_sequences_interrupt_it_or_belong_to_it() {
    for (secret, line, expected) in [
        ("hunter22", "it is hun\x1b[1;31mter\x1b[0m22!", "it is [hidden]!"),
        ("hunter22", "it is hunt\x1b]0;title\x07er22!", "it is [hidden]!"),
        ("hunter22", "aHVu\x1b[31mdGVyMjI=", "[hidden]="),
        ("hun\x1b[31mter22", "it is hun\x1b[31mter22!", "it is [hidden]!"),
        ("hun\rter22", "it is hun\rter22!", "it is [hidden]!"),
        // Overwritten in part: the part that is left would else be a part of a secret.
        ("hunter22", "old\rit is hun\x1b[1mter22", "it is [hidden]"),
    ] {
        let (output, shown) = output(false);
        output.register_secret(secret);
        for length in 1..=line.len() {
            let mut lines = output.lines();
            line.as_bytes().chunks(length).for_each(|piece| lines.write_all(piece).unwrap());
        }
        assert_eq!(shown.text(), format!("{expected}\n").repeat(line.len()), "{line:?}");
    }
}

#[test]
fn a_secret_in_wrapped_base64_is_hidden_also_where_its_lines_are_coloured() {
    let (output, shown) = output(false);
    output.register_secret("hunter22-and-more!");
    let before = "x".repeat(39);
    let encoded = STANDARD.encode(format!("{before}hunter22-and-more!"));
    let (first, second) = encoded.split_at(60);
    write!(output.lines(), "\x1b[31m{first}\x1b[0m\n\x1b[31m{second}\x1b[0m\n").unwrap();
    assert_eq!(shown.text(), format!("{}[hidden]\n", STANDARD.encode(before)));
}

fn any_text() -> impl Strategy<Value = String> {
    prop::collection::vec(any::<char>(), 0..80).prop_map(|characters| characters.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn escaped_text_is_one_line_without_control_characters(text in any_text()) {
        let escaped = escape(&text);
        prop_assert!(!escaped.chars().any(|one| one != '\t' && (one.is_control() || is_invisible(one))), "{escaped:?}");
        prop_assert_eq!(escape(&escaped), escaped);
    }

    #[test]
    fn printable_ascii_is_not_changed_by_escaping(text in "[ -~\t]{0,80}") {
        prop_assert_eq!(escape(&text), text);
    }

    #[test]
    fn a_secret_with_sequences_between_its_characters_is_not_shown(
        sequences in prop::collection::vec("(\u{1b}\\[[0-9;]{0,4}[mKGH]|\u{1b}\\]0;[a-z]{0,4}\u{7}|\u{1b}\\(B){0,2}", 8),
        length in 1_usize..20,
    ) {
        let printed: String = "hunter22".chars().zip(sequences).flat_map(|(one, then)| [one.to_string(), then]).collect();
        let (output, shown) = output(false);
        output.register_secret("hunter22");
        let mut lines = output.lines();
        printed.as_bytes().chunks(length).for_each(|piece| lines.write_all(piece).unwrap());
        drop(lines);
        prop_assert_eq!(shown.text(), "[hidden]\n");
    }

    #[test]
    fn whatever_is_said_has_as_many_lines_as_the_text_and_no_control_characters(text in any_text()) {
        let shown = said(&text);
        prop_assert_eq!(shown.matches('\n').count(), text.lines().count());
        prop_assert!(!shown.chars().any(|one| !matches!(one, '\t' | '\n') && one.is_control()), "{shown:?}");
    }
}
