//! `OUTPUT_FORMAT=ecs` seen from outside: whatever comes in, a document of the schema comes out; and
//! the page that shows it is what the program makes.
//!
//! Holds P3.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod mangle;
mod page;
mod schema;

use engine::archive::{CustomFields, Ecs, Format, Output};
use engine::limits::DAY_MS;
use fastrand::Rng;
use mock::Generator;

const ORGANIZATION: &str = "5d0a1b2c3d4e5f60718293a4";
const NOVEMBER_21_MS: i64 = 1_795_219_200_000;

/// What may be asked for.
const ALL: [Ecs; 4] = [
    Ecs { keep_duplicates: false, keep_original: false },
    Ecs { keep_duplicates: false, keep_original: true },
    Ecs { keep_duplicates: true, keep_original: false },
    Ecs { keep_duplicates: true, keep_original: true },
];

/// The document of an event, without its line feed.
fn document(ecs: Ecs, event: &[u8]) -> String {
    let output = Output::new(Format::Ecs(ecs), CustomFields::default());
    let mut line = Vec::new();
    output.write_line(&mut line, event, NOVEMBER_21_MS);
    let line = String::from_utf8(line).unwrap();
    line.strip_suffix('\n').unwrap().to_owned()
}

/// Made-up events of every service.
fn events(seed: u64, count: usize) -> Vec<Vec<u8>> {
    let mut generator = Generator::new(seed, ORGANIZATION);
    let day = NOVEMBER_21_MS..NOVEMBER_21_MS + DAY_MS;
    generator.events(day, count).map(|event| event.raw.to_vec()).collect()
}

#[test]
fn made_up_events_become_documents_without_a_problem() {
    for event in events(1, 5_000) {
        for ecs in ALL {
            let document = document(ecs, &event);
            let found = schema::check(&document);
            assert!(found.is_empty(), "{found:?}\n{document}");
            assert!(!document.contains("pipeline_error"), "{document}");
        }
    }
}

/// Every line out is valid JSON without a key twice, of the schema by type, and none is missing.
#[test]
fn mangled_events_become_documents_all_the_same() {
    let mut rng = Rng::with_seed(2);
    let mut misfits = 0;
    for event in events(3, 3_000) {
        let event = mangle::mangled(&event, &mut rng);
        for ecs in ALL {
            let document = document(ecs, event.as_bytes());
            let found = schema::check(&document);
            assert!(found.is_empty(), "{found:?}\n{event}\n{document}");
            misfits += schema::check_misfit(&document, &event);
        }
    }
    assert!(misfits > 1_000, "{misfits} mangled events did not fit: too few to show anything");
}

/// The same event always gives the same bytes.
#[test]
fn documents_are_functions_of_their_events() {
    for event in events(4, 500) {
        assert_eq!(document(ALL[3], &event), document(ALL[3], &event));
    }
}
