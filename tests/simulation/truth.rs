//! What happened at JumpCloud, and how it answers questions about it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use engine::limits::TRIES_MAX;
use engine::page::{Page, PageHeaders, Token, Tries, split};
use engine::ports::{InsightsError, PageRequest, Unfetched};
use engine::stream::Scope;
use serde::{Deserialize, Serialize};

use crate::chance::Chance;
use crate::draw::Draw;
use crate::jumps::next_midnight_ms;
use crate::schedule::{HOUR, ORGANIZATIONS, SECOND, Schedule};
use crate::tally::Circumstance;

/// One row that JumpCloud may serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Where JumpCloud sorts it: its timestamp, floored to the millisecond.
    pub(crate) place_ms: i64,
    /// Breaks ties in that order; the second half of a continuation.
    pub(crate) doc: u32,
    /// When it appears.
    pub(crate) visible_ms: i64,
    pub(crate) raw: Vec<u8>,
    pub(crate) organization: &'static str,
    pub(crate) service: &'static str,
    /// Its timestamp, where it can be read.
    pub(crate) time_ns: Option<i128>,
    /// Rows of one class are one event: the archive holds exactly one of them.
    pub(crate) class: usize,
    /// A row that is not an event: it goes into quarantine.
    pub(crate) is_broken: bool,
    /// A row that no page can hold: its position goes into quarantine.
    pub(crate) is_giant: bool,
    /// It was part of an answer.
    pub(crate) served: bool,
}

/// How this JumpCloud behaves where its description is silent.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Ways {
    pub(crate) end_inclusive: bool,
    pub(crate) all_excludes_pam: bool,
    pub(crate) token_on_last_page: bool,
    /// No rows are `null`, not an empty array.
    pub(crate) null_pages: bool,
    /// Pages hold at most so many rows, and no header says so.
    pub(crate) unsaid_limit: Option<usize>,
}

/// What is wrong with one page.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flaw {
    pub(crate) limit_lowered: bool,
    pub(crate) token_absent: bool,
    pub(crate) token_repeated: bool,
    pub(crate) count_too_high: bool,
    pub(crate) garbled: bool,
}

/// Every row, in the order JumpCloud serves them.
#[derive(Debug)]
pub(crate) struct Truth {
    pub(crate) events: Vec<Event>,
    pub(crate) ways: Ways,
    page_bytes: Option<usize>,
    slow_pages: Option<(usize, i64)>,
    /// How long an event is kept.
    kept_ms: i64,
    pub(crate) last_place_ms: i64,
    pub(crate) last_visible_ms: i64,
}

impl Truth {
    pub(crate) fn draw(schedule: &Schedule, chance: &mut Chance) -> Self {
        let mut events: Vec<Event> = Vec::with_capacity(schedule.events);
        while events.len() < schedule.events {
            let event = Draw { schedule, chance, earlier: &events }.event();
            events.push(event);
        }
        Self::of(schedule, events)
    }

    /// With these rows.
    pub(crate) fn of(schedule: &Schedule, mut events: Vec<Event>) -> Self {
        let mut classes = HashMap::new();
        for event in &mut events {
            let next = classes.len();
            event.class = *classes.entry(event.key()).or_insert(next);
        }
        events.sort_by_key(|event| (event.place_ms, event.doc));
        let last = |key: fn(&Event) -> i64| events.iter().map(key).max().unwrap_or(0);
        let (last_place_ms, last_visible_ms) = (last(|e| e.place_ms), last(|e| e.visible_ms));
        let Schedule { ways, page_bytes, slow_pages, kept_ms, .. } = *schedule;
        Self { events, ways, page_bytes, slow_pages, kept_ms, last_place_ms, last_visible_ms }
    }

    /// Whether a query would ever serve the event.
    pub(crate) fn is_asked_for(&self, event: &Event, scope: &Scope, query: &[String]) -> bool {
        let organization = match scope {
            Scope::Organization(id) => event.organization == id,
            // What only a key of another organization is sent.
            _ => event.organization != ORGANIZATIONS[1],
        };
        let named = |name: &str| query.iter().any(|asked| asked == name);
        let service = if named("all") {
            !(self.ways.all_excludes_pam && event.service == "pam")
        } else {
            named(event.service)
        };
        organization && service
    }

    /// Whether an event has appeared and is still kept: it expires at a midnight.
    fn is_there(&self, event: &Event, now_ms: i64) -> bool {
        let is_kept = || now_ms < next_midnight_ms(event.place_ms.saturating_add(self.kept_ms));
        event.visible_ms <= now_ms && (self.kept_ms == i64::MAX || is_kept())
    }

    /// Answers a request for a page.
    pub(crate) fn page(
        &mut self,
        now_ms: i64,
        request: &PageRequest,
        flaw: Flaw,
    ) -> Result<Page, InsightsError> {
        let ask = &request.ask;
        let full =
            if flaw.limit_lowered { (ask.limit as usize).div_ceil(2) } else { ask.limit as usize };
        let full = full.min(self.ways.unsaid_limit.unwrap_or(full));
        let after = ask.token.as_ref().map(|token| (token.ms, doc_of(token)));
        let first = self.events.partition_point(|event| {
            event.place_ms < ask.window.start_ms
                || after.is_some_and(|after| (event.place_ms, event.doc) <= after)
        });
        let mut body = vec![b'['];
        let (mut rows, mut last, mut sent) = (0, None, Vec::new());
        for at in first..self.events.len() {
            let event = &self.events[at];
            let is_beyond = event.place_ms > ask.window.end_ms
                || (event.place_ms == ask.window.end_ms && !self.ways.end_inclusive);
            if is_beyond || rows == full {
                break;
            }
            let seen = self.is_there(event, now_ms)
                && self.is_asked_for(event, &request.scope, &request.query);
            if !seen {
                continue;
            }
            if rows > 0 {
                body.push(b',');
            }
            body.extend_from_slice(&event.raw);
            last = Some((event.place_ms, event.doc));
            rows += 1;
            sent.push(at);
        }
        body.push(b']');
        let own = last.filter(|_| rows == full || self.ways.token_on_last_page);
        // A short page with neither a limit nor a token could not be told from the last one, and one
        // whose last row says that it lies ahead not from one that ends there.
        let is_ahead = |at: &usize| self.events[*at].own_ms() > self.events[*at].place_ms;
        let flaw = if self.ways.unsaid_limit.is_some() || sent.last().is_some_and(is_ahead) {
            Flaw { token_absent: false, token_repeated: false, ..flaw }
        } else {
            flaw
        };
        let token = match flaw {
            Flaw { token_absent: true, .. } => None,
            Flaw { token_repeated: true, .. } => ask.token.clone(),
            _ => own.and_then(|(ms, doc)| Token::parse(&format!("[{ms},\"{doc}\"]"))),
        };
        let count = rows as u64 + if flaw.count_too_high { u64::from(ask.limit) } else { 0 };
        let limit = self.ways.unsaid_limit.is_none().then_some(full as u64);
        let headers = PageHeaders { limit, count: Some(count), token };
        if self.slow_pages.is_some_and(|(most, until_ms)| rows > most && now_ms < until_ms) {
            return Err(unfetched(request, None, None));
        }
        if let Some(limit_bytes) = self.page_bytes.filter(|limit| body.len() > *limit) {
            return Err(InsightsError::TooLarge { limit_bytes, headers });
        }
        if rows == 0 && count == 0 && self.ways.null_pages {
            body = b"null".to_vec();
        }
        if flaw.garbled {
            return Err(unfetched(request, Some(headers), None));
        }
        let page = Page::parse_or_return(body, headers.clone());
        if page.is_ok() || ask.limit == 1 {
            sent.into_iter().for_each(|at| self.events[at].served = true);
        }
        page.map_err(|(_, body)| {
            let row = split::between_brackets(&body).filter(|_| ask.limit == 1);
            unfetched(request, Some(headers), row.map(<[u8]>::to_vec))
        })
    }

    /// Whether a row of what is asked for became visible within `span`.
    pub(crate) fn appeared(&self, span: Range<i64>, request: &PageRequest) -> bool {
        let window = request.ask.window.start_ms..request.ask.window.end_ms;
        self.events.iter().any(|event| {
            span.contains(&event.visible_ms)
                && window.contains(&event.place_ms)
                && self.is_asked_for(event, &request.scope, &request.query)
        })
    }

    /// What is odd about each row.
    pub(crate) fn kinds(&self, promised_ms: i64) -> impl Iterator<Item = Circumstance> {
        use Circumstance::{
            ChangedRow, Displaced, Future, Giant, Late, NoEvent, SameIdOtherTime, SameMillisecond,
            SameRowAgain, TooLate, WithoutId, WithoutTime,
        };
        let mut before: Option<&Event> = None;
        let mut classes: HashMap<usize, &[u8]> = HashMap::new();
        let mut ids: HashMap<&[u8], i64> = HashMap::new();
        self.events.iter().flat_map(move |event| {
            let late_ms = event.visible_ms - event.place_ms;
            let has_id = event.raw.starts_with(b"{\"id\"");
            let known = classes.insert(event.class, &event.raw);
            let id = event.raw.get(..23).filter(|_| has_id);
            let other = id.and_then(|id| ids.insert(id, event.place_ms));
            let same_ms = before.replace(event).is_some_and(|b| b.place_ms == event.place_ms);
            [
                (Late, (SECOND..=promised_ms).contains(&late_ms)),
                (TooLate, late_ms > promised_ms),
                (Future, late_ms < 0),
                (SameRowAgain, known == Some(&event.raw)),
                (ChangedRow, known.is_some_and(|raw| raw != event.raw)),
                (SameIdOtherTime, other.is_some_and(|ms| ms != event.place_ms)),
                (SameMillisecond, same_ms),
                (WithoutId, !has_id && !event.is_broken),
                (WithoutTime, event.time_ns.is_none() && !event.is_broken),
                (NoEvent, event.is_broken),
                (Giant, event.is_giant),
                (Displaced, event.own_ms() != event.place_ms),
            ]
            .into_iter()
            .filter_map(|(kind, is)| is.then_some(kind))
        })
    }

    /// How many rows each hour of a window holds.
    pub(crate) fn hourly(&self, now_ms: i64, request: &PageRequest) -> BTreeMap<i64, i64> {
        let mut hours = BTreeMap::new();
        for event in self.selected(now_ms, request) {
            *hours.entry(event.place_ms.div_euclid(HOUR) * HOUR).or_default() += 1;
        }
        hours
    }

    /// The services of a window's rows.
    pub(crate) fn services(&self, now_ms: i64, request: &PageRequest) -> BTreeSet<String> {
        self.selected(now_ms, request).map(|event| event.service.to_owned()).collect()
    }

    /// The rows of a window that are there now.
    fn selected(&self, now_ms: i64, request: &PageRequest) -> impl Iterator<Item = &Event> {
        let window = request.ask.window;
        self.events.iter().filter(move |event| {
            window.contains(event.place_ms)
                && self.is_there(event, now_ms)
                && self.is_asked_for(event, &request.scope, &request.query)
        })
    }

    /// Rows by their bytes in the archive.
    pub(crate) fn by_line(&self) -> HashMap<Vec<u8>, Vec<usize>> {
        let mut lines: HashMap<Vec<u8>, Vec<usize>> = HashMap::with_capacity(self.events.len());
        for (at, event) in self.events.iter().enumerate() {
            lines.entry(event.line()).or_default().push(at);
        }
        lines
    }
}

/// What the client says once as many tries as it may make have failed.
pub(crate) fn unfetched(
    request: &PageRequest,
    headers: Option<PageHeaders>,
    row: Option<Vec<u8>>,
) -> InsightsError {
    let cause = "JumpCloud answers 504, or no page".into();
    let Some(Tries { made, failures }) = request.tries else {
        return InsightsError::Unavailable(cause);
    };
    let failed = failures.min(TRIES_MAX - made);
    let tried = made + failed;
    let is_over = tried >= TRIES_MAX;
    InsightsError::Unfetched(Box::new(Unfetched { cause, tried, failed, is_over, headers, row }))
}

fn doc_of(token: &Token) -> u32 {
    let text = token.json().get();
    text.split('"').nth(1).and_then(|doc| doc.parse().ok()).unwrap_or(0)
}

impl Event {
    /// Where it says it lies; where it is sorted, if it does not say.
    pub(crate) fn own_ms(&self) -> i64 {
        self.time_ns.map_or(self.place_ms, engine::time::floor_ms)
    }

    /// The row as the archive holds it: its own bytes, without line breaks between tokens.
    fn line(&self) -> Vec<u8> {
        if self.is_broken {
            return self.raw.clone();
        }
        self.raw.iter().copied().filter(|byte| *byte != b'\n').collect()
    }

    /// What the design calls an event's identity: organization, service, id and time; all of its
    /// bytes where it has no id.
    fn key(&self) -> (Vec<u8>, Option<i128>) {
        let Some(id) = self.raw.strip_prefix(b"{\"id\":\"") else {
            return (self.raw.clone(), None);
        };
        let names = [&id[..16], self.organization.as_bytes(), self.service.as_bytes()];
        (names.join(&b'/'), self.time_ns)
    }

    /// The service as it is written in keys.
    pub(crate) fn label(&self) -> &'static str {
        match self.service {
            "" | "Odd/Service" => "_other",
            service => service,
        }
    }
}
