use proptest::prelude::*;

use super::*;

// Keys that were made for these tests; nobody has their private halves.
const ONE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP4YnvCit83cB6Y3V1+sHa45dkG6NVAO9TiRHF3+eB93";
const TWO: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB/QjJ/l4exvA4PdK/zeXxevyXWnq8uKH3x76D4yvrpv";
const ECDSA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBCys7SOHXn9AuynIv6SSyJYqKnL71sAc/dm3gYqx9E3/JgNn+TlIuihxBCsyyQriWPr12G+bh/Ubx2c8q5g2A4c=";

fn key(text: &str) -> PublicKey {
    text.parse().unwrap()
}

fn judge(file: &str, host: &str, port: u16) -> Verdict {
    KnownHosts::parse(file).unwrap().judge(host, port, &key(ONE))
}

#[test]
fn a_key_is_known_unknown_or_another() {
    let file = format!("# hosts\n\nssh.example {ONE} a comment\nother.example\t{TWO}\n");
    assert_eq!(judge(&file, "ssh.example", 22), Verdict::Known);
    assert_eq!(judge(&file, "ssh.example", 2020), Verdict::Unknown);
    assert_eq!(judge(&file, "example", 22), Verdict::Unknown);
    assert_eq!(judge(&file, "other.example", 22), Verdict::Changed(vec![fingerprint(&key(TWO))]));
    assert_eq!(judge("", "ssh.example", 22), Verdict::Unknown);
}

#[test]
fn one_of_several_known_keys_is_enough() {
    let file = format!("ssh.example {TWO}\nssh.example {ECDSA}\nssh.example {ONE}\n");
    assert_eq!(judge(&file, "ssh.example", 22), Verdict::Known);
}

#[test]
fn another_port_than_22_stands_in_brackets() {
    let file = format!("[ssh.example]:2020,[::1]:22 {ONE}\n");
    assert_eq!(judge(&file, "ssh.example", 2020), Verdict::Known);
    assert_eq!(judge(&file, "ssh.example", 22), Verdict::Unknown);
}

#[test]
fn wildcards_case_and_negation_count_as_openssh_has_them() {
    let file = format!("*.example,!bad.example,ssh?.test,[*.example]:2020 {ONE}\n");
    for (host, port, known) in [
        ("ssh.example", 22, true),
        ("SSH.Example", 22, true),
        ("a.b.example", 22, true),
        ("a.example", 2020, true),
        ("bad.example", 22, false),
        ("example", 22, false),
        ("ssh1.test", 22, true),
        ("ssh.test", 22, false),
        ("ssh12.test", 22, false),
    ] {
        let expected = if known { Verdict::Known } else { Verdict::Unknown };
        assert_eq!(judge(&file, host, port), expected, "{host}:{port}");
    }
}

#[test]
fn a_hashed_name_is_found() {
    // Made by `ssh-keygen -H`.
    let file = "|1|f/UQbwJndGf9E3mU3DpaWJZ0SCs=|yR7Fr8SAtnZf6rmbcixA/r0mKKw= ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP4YnvCit83cB6Y3V1+sHa45dkG6NVAO9TiRHF3+eB93";
    let known = KnownHosts::parse(file).unwrap();
    assert_eq!(known.judge("ssh.example", 22, &key(ONE)), Verdict::Known);
    assert_eq!(known.judge("else.example", 22, &key(ONE)), Verdict::Unknown);
    assert_eq!(known.judge("ssh.example", 22, &key(TWO)), Verdict::Changed(vec![fingerprint(&key(ONE))]));
}

#[test]
fn a_revoked_key_is_revoked_also_where_it_is_known() {
    let file = format!("ssh.example {ONE}\n@revoked * {ONE}\n");
    assert_eq!(judge(&file, "ssh.example", 22), Verdict::Revoked);
    let file = format!("@revoked * {TWO}\n");
    assert_eq!(judge(&file, "ssh.example", 22), Verdict::Unknown);
}

#[test]
fn a_certificate_authority_makes_no_host_known() {
    assert_eq!(judge(&format!("@cert-authority * {ONE}\n"), "ssh.example", 22), Verdict::Unknown);
}

#[test]
fn the_kinds_of_the_known_keys_are_told() {
    let file = format!("ssh.example {ONE}\nssh.example {ECDSA}\n@revoked ssh.example {TWO}\n");
    let names: Vec<_> =
        KnownHosts::parse(&file).unwrap().algorithms("ssh.example", 22).iter().map(ToString::to_string).collect();
    assert_eq!(names, ["ssh-ed25519", "ecdsa-sha2-nistp256"]);
}

#[test]
fn a_line_that_is_no_known_host_is_told_by_its_number() {
    for line in ["ssh.example", "ssh.example ssh-ed25519", "ssh.example ssh-ed25519 AAAA", "@other ssh.example KEY"] {
        let error = KnownHosts::parse(&format!("\n{line}\n")).unwrap_err();
        assert_eq!(error, BadKnownHost { line: 2 }, "{line}");
    }
}

/// The same by trying every way to divide the name.
fn fits_slowly(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=name.len()).any(|taken| fits_slowly(rest, &name[taken..])),
        (Some((byte, rest)), Some((first, others))) => (*byte == b'?' || byte == first) && fits_slowly(rest, others),
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_pattern_fits_as_if_every_division_were_tried(pattern in "[ab*?]{0,8}", name in "[ab]{0,8}") {
        prop_assert_eq!(fits(pattern.as_bytes(), name.as_bytes()), fits_slowly(pattern.as_bytes(), name.as_bytes()));
    }

    #[test]
    fn no_file_is_too_strange_to_be_read(text in any::<String>()) {
        let _ = KnownHosts::parse(&text);
    }
}
