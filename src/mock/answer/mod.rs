//! Answers requests: applies the fault that is due and routes the request to its endpoint.

mod access;
mod console;
mod counts;
mod events;
mod oauth;
mod query;

use std::time::{Duration, UNIX_EPOCH};

use crate::made_up;
use crate::wire::{Answer, Delivery, Refusal, Request};
use crate::world::World;
use crate::world::behaviour::Behaviours;
use crate::world::fault::{Fault, compress};
use crate::world::request_log::{Host, Record, offers_gzip};
use events::Selection;
use query::Query;

/// Answers a request at a virtual time in UTC milliseconds, and records both in the log.
pub fn respond(world: &mut World, now_ms: i64, request: &Request) -> Answer {
    let record = Record::of(world.log.len(), now_ms, request, &world.credentials);
    let fault = world.due_fault(request);
    if let Some(fault) = &fault {
        world.change(fault);
    }
    let replacement = fault.as_ref().and_then(|fault| fault.replacement(request));
    let mut answer = replacement.unwrap_or_else(|| {
        let routed = route(world, now_ms, request, fault.as_ref());
        let mut answer = routed.unwrap_or_else(Answer::from);
        if world.behaviours.gzip && offers_gzip(request) {
            compress(&mut answer);
        }
        answer
    });
    if world.behaviours.chunked && answer.delivery == Delivery::Whole {
        answer.delivery = Delivery::Chunked;
    }
    if let Some(fault) = &fault {
        fault.damage(&mut answer);
    }
    dress(&world.behaviours, now_ms, &mut answer);
    world.log.push(record.answered(&answer));
    answer
}

fn route(
    world: &mut World,
    now_ms: i64,
    request: &Request,
    fault: Option<&Fault>,
) -> Result<Answer, Refusal> {
    match Host::of(request.route()) {
        Host::Insights => insights(world, now_ms, request, fault),
        Host::Console => console::answer(world, now_ms, request),
        Host::OAuth => Ok(oauth::answer(world, now_ms, request)),
        Host::Elsewhere => Err(Refusal::new(404, "Not Found")),
    }
}

fn insights(
    world: &mut World,
    now_ms: i64,
    request: &Request,
    fault: Option<&Fault>,
) -> Result<Answer, Refusal> {
    let request_id = made_up::uuid(&mut world.random);
    let scope = access::scope(world, now_ms, request)?;
    let route = request.route().strip_prefix("/insights/directory/v1");
    let route = route.filter(|route| request.method == "POST" && route.starts_with("/events"));
    let route = route.ok_or_else(|| Refusal::new(404, "Not Found"))?;
    let ways = &world.behaviours;
    let query = Query::read(&request.body, now_ms, ways)?;
    let selection = Selection { store: &world.events, ways, scope: &scope, query: &query, now_ms };
    match route {
        "/events" => Ok(events::answer(&selection, fault, &request_id)),
        "/events/count" => Ok(counts::count(&selection, fault)),
        "/events/interval" => counts::interval(&selection, fault),
        "/events/distinct" => counts::distinct(&selection),
        _ => Err(Refusal::new(404, "Not Found")),
    }
}

/// Adds the date, and changes the spelling of header names, as configured for every answer.
fn dress(ways: &Behaviours, now_ms: i64, answer: &mut Answer) {
    if ways.date_header && answer.header("date").is_none() {
        let since_1970 = Duration::from_millis(u64::try_from(now_ms).unwrap_or_default());
        answer.set_header("Date", &httpdate::fmt_http_date(UNIX_EPOCH + since_1970));
    }
    for (name, _) in &mut answer.headers {
        *name = ways.header_spelling.spelled(std::mem::take(name));
    }
}

#[cfg(test)]
mod tests;
