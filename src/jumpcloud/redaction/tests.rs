use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;

const KEY: &str = "jca_c4n4ryKEYc4n4ryKEYc4n4ryKEY00001";

fn redaction(forms: &[&str]) -> Redaction {
    let mut redaction = Redaction::default();
    redaction.learn(forms.iter().map(|form| SecretString::from(*form)));
    redaction
}

/// The first eight consecutive characters of a form in a text.
fn shown<'a>(text: &str, form: &'a str) -> Option<&'a str> {
    let parts = (0..=form.len().saturating_sub(8)).map(|at| &form[at..form.len().min(at + 8)]);
    parts.into_iter().find(|part| text.contains(part))
}

fn as_is(text: &str) -> String {
    text.to_owned()
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn percent_where_needed(text: &str) -> String {
    text.replace('+', "%2B").replace('/', "%2f").replace('=', "%3d")
}

fn json(text: &str) -> String {
    let text = serde_json::Value::from(text).to_string().replace('/', "\\/");
    text[1..text.len() - 1].to_owned()
}

fn json_twice(text: &str) -> String {
    json(&json(text))
}

fn unicode(text: &str) -> String {
    text.bytes().map(|byte| format!("\\u{byte:04x}")).collect()
}

const ENCODINGS: [fn(&str) -> String; 6] =
    [as_is, percent, percent_where_needed, json, json_twice, unicode];

#[test]
fn a_quoted_secret_is_removed_wherever_the_text_is_cut() {
    let redaction = redaction(&[KEY]);
    for before in 0..200 {
        for length in 0..=KEY.len() {
            let text = format!("{}{}", "x".repeat(before), &KEY[..length]);
            let quoted = redaction.quote(&Foreign::new(text.as_str()));
            assert_eq!(shown(&quoted, KEY), None, "{before} characters before {length}");
            assert!(quoted.chars().count() <= QUOTED_CHARS_MAX + 2);
            if length < SECRET_RUN_BYTES {
                let whole: String = text.chars().take(QUOTED_CHARS_MAX).collect();
                assert_eq!(quoted, format!("“{whole}”"), "nothing to remove");
            }
        }
    }
}

#[test]
fn a_secret_in_two_halves_is_put_together_before_it_is_looked_for() {
    let (front, back) = KEY.split_at(7);
    let quoted = redaction(&[KEY]).quote(&Foreign::new(format!("{front}\r\n{back}")));
    assert_eq!(quoted, format!("“{REMOVED}”"));
}

#[test]
fn seven_characters_of_every_part_stay() {
    let redaction = redaction(&[KEY]);
    for at in 0..=KEY.len() - 7 {
        let text = format!("no key begins with `{}`", &KEY[at..at + 7]);
        assert_eq!(redaction.quote(&Foreign::new(text.as_str())), format!("“{text}”"));
        let text = format!("no key begins with `{}`", &KEY[at..(at + 8).min(KEY.len())]);
        let is_removed = at + 8 <= KEY.len();
        assert_eq!(redaction.clean(&Foreign::new(text.as_str())) != text, is_removed);
    }
}

#[test]
fn a_short_secret_is_removed_whole() {
    let redaction = redaction(&["s3cret", ""]);
    assert_eq!(
        redaction.clean(&Foreign::new("not s3cret, s3cre")),
        format!("not {REMOVED}, s3cre")
    );
}

#[test]
fn former_secrets_are_known_for_a_while_and_a_known_one_is_the_newest_again() {
    let number = |number: usize| SecretString::from(format!("{number:08}"));
    let mut redaction = Redaction::default();
    redaction.learn((0..SECRET_FORMS_MAX).map(number));
    redaction.learn([number(0), number(SECRET_FORMS_MAX)]);
    let known = |number: usize| redaction.clean(&Foreign::new(format!("{number:08}"))) == REMOVED;
    assert!(known(0) && known(2) && known(SECRET_FORMS_MAX));
    assert!(!known(1), "the oldest is forgotten");
}

#[test]
fn debug_shows_nothing() {
    let text = format!("{:?} {:?}", redaction(&[KEY]), Foreign::new(KEY));
    assert_eq!(shown(&text, KEY), None, "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Any part of any form, in any encoding, in any text, cut anywhere.
    #[test]
    fn no_eight_characters_of_a_form_stay(
        id in "[a-z0-9-]{1,24}",
        secret in "[!-~]{8,60}",
        from in 0_usize..100,
        length in 0_usize..120,
        encoding in 0..ENCODINGS.len(),
        before in "[ -~äß\n]{0,140}",
        after in "\\PC{0,40}",
        cut in 0_usize..400,
    ) {
        let pair = format!("{id}:{secret}");
        let basic = STANDARD.encode(&pair);
        let forms = [secret.as_str(), &pair, &basic];
        let redaction = redaction(&forms);
        for form in forms {
            let from = from.min(form.len());
            let part = &form[from..form.len().min(from + length)];
            let text = format!("{before}{}{after}", ENCODINGS[encoding](part));
            let text: String = text.chars().take(cut).collect();
            let foreign = Foreign::new(text);
            for given in [redaction.clean(&foreign), redaction.quote(&foreign)] {
                for form in forms {
                    prop_assert_eq!(shown(&given, form), None, "{}", given);
                }
                // Nor can whoever decodes it see one.
                let units = given.bytes().map(|byte| Unit { byte, from: 0, to: 0 }).collect::<Vec<_>>();
                let once = decode(&units);
                for decoded in [decode(&once), once] {
                    let bytes: Vec<u8> = decoded.iter().map(|unit| unit.byte).collect();
                    let decoded = String::from_utf8_lossy(&bytes);
                    for form in forms {
                        prop_assert_eq!(shown(&decoded, form), None, "{}", given);
                    }
                }
            }
        }
    }

    /// What shares less than eight characters with every form is left as it is.
    #[test]
    fn other_text_is_left_as_it_is(text in "[a-c%ä ]{0,60}", secret in "[a-c]{8,30}") {
        // No escape: `%` is followed by no two digits.
        let text = text.replace('%', "%%");
        prop_assume!(shown(&text, &secret).is_none());
        prop_assert_eq!(redaction(&[&secret]).clean(&Foreign::new(text.as_str())), text);
    }
}
