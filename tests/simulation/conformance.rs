//! The simulation's world, held to the contract that the client over the mock keeps, too.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use crate::chance::Chance;
use crate::choices::Choices;
use crate::contract::{self, NOW_MS, events};
use crate::ports::Ports;
use crate::schedule::Schedule;
use crate::trace::Trace;
use crate::truth::{Event, Flaw, Truth, Ways};
use crate::world::{Local, OfWorld, World, lock};

/// Each behaviour, whichever way the world takes the end of a window and the last page.
macro_rules! hold {
    ($($behaviour:ident),+ $(,)?) => {
        $(
            #[test]
            fn $behaviour() {
                for (end_inclusive, token_on_last_page) in [(false, false), (true, true)] {
                    let ports = loaded(Ways {
                        end_inclusive,
                        token_on_last_page,
                        all_excludes_pam: false,
                        null_pages: end_inclusive,
                        unsaid_limit: None,
                    });
                    answered(&ports, contract::$behaviour(&ports));
                    assert_eq!(lock(&ports.world).wrong, Vec::<String>::new());
                }
            }
        )+
    };
}

contract::behaviours!(hold);

/// A world in which nothing has happened but the contract's events.
fn loaded(ways: Ways) -> Ports {
    let schedule = Schedule {
        events: 0,
        page_bytes: None,
        slow_pages: None,
        ways,
        start_ms: NOW_MS,
        ..Schedule::draw(0)
    };
    let truth = Truth::of(&schedule, Vec::new());
    let choices = || Choices::drawn(Chance::new(0), None);
    let choices = OfWorld { requests: choices(), messages: choices(), counts: None };
    let mut world = World::new(&schedule, truth, choices, Trace::Off);
    world.locals.push(Local { page_limit: 100, ..Local::default() });
    world.truth.events = (0..).zip(events()).map(|(number, event)| row(number, event)).collect();
    world.truth.events.sort_by_key(|event| (event.place_ms, event.doc));
    Ports { world: Arc::new(Mutex::new(world)), worker: 0 }
}

fn row(number: u32, event: contract::Event) -> Event {
    Event {
        place_ms: event.ms,
        doc: number,
        visible_ms: event.visible_ms,
        raw: event.raw.into_bytes(),
        organization: contract::ORGANIZATION,
        service: event.service,
        time_ns: None,
        class: number as usize,
        is_broken: false,
        is_giant: false,
        served: false,
    }
}

/// Answers every request as soon as it is made.
fn answered<F: Future>(ports: &Ports, future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        let mut world = lock(&ports.world);
        let at = world.calls.iter().position(World::is_unanswered).unwrap();
        let request = world.calls[at].request.clone();
        let answer = world.make(ports.worker, &request, Flaw::default());
        world.answer(at, answer);
    }
}
