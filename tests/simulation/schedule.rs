//! What a seed decides beforehand: settings, how long it lasts, what may go wrong and how often.

use std::ops::Range;

use engine::archive::BatchLimits;
use engine::page::Query;
use engine::settings::Settings;
use engine::stream::StreamId;
use serde::{Deserialize, Serialize};

use crate::chance::Chance;
use crate::counts;
use crate::jumps::{self, Jump};
use crate::keys;
use crate::neutral;
use crate::stack::{self, Stack};
use crate::tally::Fault;
use crate::truth::{Event, Ways};
use crate::unusual::Unusual;
use crate::variety::{self, Variant};

pub(crate) const SECOND: i64 = 1_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// A little before midnight, so that many schedules see two dates.
pub(crate) const NOON: i64 = 1_795_176_000_000 + 9 * HOUR;
/// Clocks are off by up to this much.
pub(crate) const SKEW_MS_MAX: i64 = 10 * MINUTE;
/// The longest time for which a paused worker stops or a request takes.
pub(crate) const DELAY_MS_MAX: i64 = 3 * HOUR;

/// Whose events there are, where a schedule has more than one stream.
pub(crate) const ORGANIZATIONS: [&str; 3] =
    ["5c1c30d6a2f1b3e4d5c6b7a8", "6d2d41e7b3f2c4f5e6d7c8b9", "7e3e52f8c4a3d5a6f7e8d9ca"];

/// One schedule, as drawn. A written one says only what is not as in the neutral schedule.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Schedule {
    pub(crate) seed: u64,
    pub(crate) events: usize,
    pub(crate) streams: Vec<StreamId>,
    /// Processes that name the organization take turns with such that do not.
    pub(crate) alternates: bool,
    /// Whether an invocation is the function's own.
    pub(crate) stack: Option<Stack>,
    /// The console's list says whose the key is.
    pub(crate) is_listed: bool,
    /// What is promised: of all settings those with the shortest late horizon.
    #[serde(with = "neutral::settings")]
    pub(crate) settings: Settings,
    /// What the settings of a process may be instead; they are these where there is nothing.
    pub(crate) variants: Vec<Variant>,
    /// The settings that a process may have.
    #[serde(skip)]
    pub(crate) of_processes: Vec<Settings>,
    /// From then on other services are configured.
    pub(crate) reconfigured: Option<Reconfigured>,
    /// What JumpCloud refuses for a while.
    pub(crate) refusals: Vec<Refusal>,
    #[serde(with = "neutral::batch_limits")]
    pub(crate) batch_limits: BatchLimits,
    /// Bytes of the index that a run holds; in every fourth schedule next to none.
    pub(crate) slot_bytes_max: usize,
    /// A larger page cannot be fetched; where there is a limit, some rows alone are larger.
    pub(crate) page_bytes: Option<usize>,
    pub(crate) ways: Ways,
    /// Whether there are rows that no parser takes, and such as say they lie elsewhere.
    pub(crate) has_odd_rows: bool,
    /// Pages of more rows are answered with 504, until then.
    pub(crate) slow_pages: Option<(usize, i64)>,
    pub(crate) start_ms: i64,
    /// When the key is another organization's.
    pub(crate) other_key: Option<Range<u32>>,
    /// When time jumps, which moves everything that happens later.
    pub(crate) jumps: Vec<Jump>,
    /// How long JumpCloud keeps an event.
    pub(crate) kept_ms: i64,
    /// Whether hourly counts are wrong for a while.
    pub(crate) has_odd_counts: bool,
    pub(crate) unusual: Unusual,
    /// Between two invocations.
    pub(crate) schedule_interval_ms: i64,
    /// Invocations while faults happen.
    pub(crate) scheduled_runs: u32,
    /// What an invocation may last.
    pub(crate) run_ms: i64,
    pub(crate) skewed: bool,
    /// Faults of a thousand requests.
    pub(crate) faults: u64,
    /// Which of them happen here; one that is listed twice, twice as often.
    pub(crate) kinds: Vec<Fault>,
    /// Things that happen around a thousand invocations.
    pub(crate) surroundings: u64,
}

/// Other services are asked for from an invocation on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Reconfigured {
    pub(crate) scheduled_run: u32,
    pub(crate) queries: Vec<Query>,
}

/// A service that JumpCloud refuses for a while, and whatever names it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) name: String,
    pub(crate) time_ms: Range<i64>,
    pub(crate) status: u16,
}

impl Schedule {
    pub(crate) fn draw(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let schedule_interval_ms =
            *chance.pick(&[20 * SECOND, MINUTE, 5 * MINUTE, 5 * MINUTE, HOUR]);
        let start_ms = NOON + chance.between(0, 6 * HOUR);
        let (mut streams, mut settings) =
            (streams(&mut chance), settings(&mut chance, schedule_interval_ms));
        settings.names_organizations = streams[0] != StreamId::own();
        if chance.percent(20) {
            // The day before the live stream begins, however wrong the clock it is born by.
            let day_ms = start_ms - settings.start_lookback_ms - SKEW_MS_MAX - 1;
            streams.extend(streams[0].lane(day_ms));
        }
        // Drawn apart, so that whether there is any moves no other draw.
        let mut other = Chance::new(seed ^ 0x00e1_f0e5);
        let scheduled_runs = 12 + chance.below(14) as u32;
        let page_bytes = if chance.percent(20) { Some(*chance.pick(&[900, 2_500])) } else { None };
        let span_ms = start_ms..start_ms + i64::from(scheduled_runs) * schedule_interval_ms;
        let stack = stack::draw(seed, &span_ms, scheduled_runs);
        if let Some(stack) = &stack {
            streams = stack.streams(start_ms);
            stack.configure(&mut settings);
        }
        let has_lane = streams.iter().any(StreamId::is_lane);
        // Positions of rows that cannot be fetched are kept by query.
        let refusals = match page_bytes {
            None if other.percent(40) => refusals(&mut other, &settings.queries, &span_ms),
            _ => Vec::new(),
        };
        let may_change = page_bytes.is_none() && !has_lane;
        let reconfigured = may_change.then(|| reconfigured(&mut other, scheduled_runs)).flatten();
        let is_own = streams[0] == StreamId::own();
        let alternates = is_own && stack.is_none() && seed.is_multiple_of(3);
        if alternates {
            streams.extend(by_id(&streams));
        }
        // What a page alone tells may come too late for one of two streams.
        let is_listed = alternates || seed.is_multiple_of(2);
        let mut schedule = Self {
            seed,
            events: 200 + chance.below(60) as usize,
            streams,
            stack,
            alternates,
            is_listed,
            settings,
            reconfigured,
            refusals,
            batch_limits: batch_limits(&mut chance),
            slot_bytes_max: if seed.is_multiple_of(4) { 600 } else { usize::MAX },
            page_bytes,
            ways: ways(&mut chance),
            has_odd_rows: chance.percent(30),
            slow_pages: slow_pages(&mut chance, start_ms, schedule_interval_ms),
            start_ms,
            schedule_interval_ms,
            scheduled_runs,
            run_ms: *chance.pick(&[15 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE]),
            skewed: chance.percent(60),
            faults: *chance.pick(&[5, 15, 40, 80]),
            kinds: kinds(&mut chance),
            surroundings: *chance.pick(&[20, 80, 200]),
            ..Self::default()
        };
        schedule.draw_apart(seed);
        schedule.complete();
        schedule
    }

    /// Draws what moves no other draw.
    fn draw_apart(&mut self, seed: u64) {
        let is_own = self.streams[0] == StreamId::own();
        let may_change = is_own && !self.alternates && self.is_listed && self.page_bytes.is_none();
        self.other_key = keys::draw(seed, self.scheduled_runs).filter(|_| may_change);
        (self.jumps, self.kept_ms) = jumps::draw(seed, self.scheduled_runs);
        self.variants = variety::draw(seed, &self.settings, self.schedule_interval_ms);
        self.has_odd_counts = counts::draw(seed).is_some();
        self.unusual = Unusual::draw(seed, self);
    }

    /// Fills in what follows from the rest, and is not written down.
    pub(crate) fn complete(&mut self) {
        if let Some(stack) = &self.stack {
            stack.configure(&mut self.settings);
        }
        let of_variant = |variant: &Variant| variant.settings(&self.settings);
        self.of_processes = match self.variants.is_empty() {
            true => vec![self.settings.clone()],
            false => self.variants.iter().map(of_variant).collect(),
        };
    }

    /// Event time from before the birth to the end of the faults.
    pub(crate) fn event_span_ms(&self) -> Range<i64> {
        let owned_by_lanes = if self.streams.iter().any(StreamId::is_lane) { 6 } else { 0 };
        let before_ms =
            self.settings.start_lookback_ms + (2 + owned_by_lanes) * self.schedule_interval_ms;
        self.start_ms - before_ms
            ..self.start_ms + i64::from(self.scheduled_runs) * self.schedule_interval_ms
    }

    /// The time at which something happens that would happen at `ms` if no time were jumped over.
    pub(crate) fn after_jumps(&self, ms: i64) -> i64 {
        let begins_ms =
            |jump: &Jump| self.start_ms + i64::from(jump.scheduled_run) * self.schedule_interval_ms;
        let before = self.jumps.iter().filter(|jump| begins_ms(jump) <= ms);
        ms + before.map(|jump| jump.ms).sum::<i64>()
    }

    /// The organizations whose events there are.
    pub(crate) fn organizations(&self) -> usize {
        let live = self.streams.iter().filter(|stream| !stream.is_lane()).count();
        if self.alternates { 1 } else { live }
    }

    /// The streams that are read: of the two of one organization those that were born.
    pub(crate) fn read(
        &self,
        is_born: impl Fn(&StreamId) -> bool,
    ) -> impl Iterator<Item = &StreamId> {
        self.streams.iter().filter(move |stream| !self.alternates || is_born(&stream.live()))
    }

    /// The live streams that a process is configured for, which names organizations or does not.
    pub(crate) fn configured(&self, names_organizations: bool) -> Vec<StreamId> {
        let is_named = |stream: &&StreamId| (**stream != StreamId::own()) == names_organizations;
        let live = self.streams.iter().filter(|stream| !stream.is_lane());
        live.filter(is_named).cloned().collect()
    }

    /// The queries that are configured in the end.
    pub(crate) fn queries(&self) -> &[Query] {
        let last = self.reconfigured.as_ref().map(|reconfigured| &reconfigured.queries);
        last.unwrap_or(&self.settings.queries)
    }

    /// Whether every process archives a row, whatever its filter.
    pub(crate) fn is_kept(&self, event: &Event) -> bool {
        let mut filters = self.of_processes.iter().filter_map(|settings| settings.filter.as_ref());
        event.is_broken || filters.all(|filter| filter.keeps(&event.raw))
    }

    /// An event that appears this late is archived for certain.
    pub(crate) fn promised_lateness_ms(&self) -> i64 {
        let Settings { overlap_ms, late_horizon_ms, .. } = self.settings;
        late_horizon_ms.max(overlap_ms)
    }
}

/// The same streams, by the organization's id.
fn by_id(streams: &[StreamId]) -> Vec<StreamId> {
    let by_id = |stream: &StreamId| stream.as_str().replace("self", ORGANIZATIONS[0]);
    streams.iter().map(|stream| StreamId::try_from(by_id(stream)).unwrap()).collect()
}

fn ways(chance: &mut Chance) -> Ways {
    Ways {
        end_inclusive: chance.percent(50),
        all_excludes_pam: chance.percent(50),
        token_on_last_page: chance.percent(70),
        null_pages: chance.percent(20),
        unsaid_limit: if chance.percent(10) { Some(*chance.pick(&[4, 50])) } else { None },
    }
}

fn slow_pages(chance: &mut Chance, start_ms: i64, interval_ms: i64) -> Option<(usize, i64)> {
    if !chance.percent(15) {
        return None;
    }
    let until_ms = start_ms + chance.between(0, 30 * interval_ms);
    Some((*chance.pick(&[1, 3, 10]), *chance.pick(&[until_ms, i64::MAX])))
}

fn streams(chance: &mut Chance) -> Vec<StreamId> {
    let count = if chance.percent(15) { 2 } else { 1 };
    if count == 1 && chance.percent(50) {
        return vec![StreamId::own()];
    }
    ORGANIZATIONS[..count].iter().map(|id| (*id).to_owned().try_into().unwrap()).collect()
}

fn settings(chance: &mut Chance, schedule_interval_ms: i64) -> Settings {
    Settings {
        queries: queries(chance),
        start_lookback_ms: *chance.pick(&[0, schedule_interval_ms, 10 * schedule_interval_ms]),
        settle_lag_ms: *chance.pick(&[0, 10 * SECOND]),
        overlap_ms: *chance.pick(&[0, schedule_interval_ms, 3 * schedule_interval_ms]),
        late_horizon_ms: 6 * schedule_interval_ms,
        sweep_every_ms: 2 * schedule_interval_ms,
        page_limit: *chance.pick(&[5, 8, 20, 100]),
        pages_per_run: *chance.pick(&[3, 6, 100]),
        ..neutral::settings()
    }
}

/// Mostly one of the three is small, so that batches close in the middle of pages.
fn batch_limits(chance: &mut Chance) -> BatchLimits {
    let wide = neutral::WIDE;
    match chance.below(100) {
        0 => BatchLimits { events: 1, ..wide },
        1..20 => BatchLimits { events: *chance.pick(&[5, 12, 30]), ..wide },
        20..35 => BatchLimits { bytes: *chance.pick(&[600, 2_000]), ..wide },
        35..50 => BatchLimits { partitions: *chance.pick(&[2, 3]), ..wide },
        _ => wide,
    }
}

/// One name or more, each for a while of its own, which may last from before the first invocation.
fn refusals(chance: &mut Chance, queries: &[Query], span_ms: &Range<i64>) -> Vec<Refusal> {
    let names: Vec<&String> = queries.iter().flatten().collect();
    let count = 1 + chance.below(names.len() as u64 + 1);
    let refusal = |_| {
        let from_ms =
            chance.between(span_ms.start - (span_ms.end - span_ms.start) / 4, span_ms.end);
        let longest_ms = span_ms.end - from_ms + 1;
        let time_ms = from_ms..from_ms + chance.between(1, longest_ms);
        let status = *chance.pick(&[400, 402, 403, 403, 404]);
        Refusal { name: (*chance.pick(&names)).clone(), time_ms, status }
    };
    (0..count).map(refusal).collect()
}

fn reconfigured(chance: &mut Chance, scheduled_runs: u32) -> Option<Reconfigured> {
    if !chance.percent(20) {
        return None;
    }
    let scheduled_run = chance.below(u64::from(scheduled_runs)) as u32;
    Some(Reconfigured { scheduled_run, queries: queries(chance) })
}

fn queries(chance: &mut Chance) -> Vec<Query> {
    let query = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Query>();
    match chance.below(10) {
        0..4 => vec![query(&["all"])],
        4..7 => vec![query(&["all"]), query(&["pam", "ldap"])],
        _ => vec![query(&["sso", "directory", "pam"])],
    }
}

/// Half of the kinds, so that each is met with and without each other.
fn kinds(chance: &mut Chance) -> Vec<Fault> {
    use Fault::{
        AnswerLost, BodyBroken, CountTooHigh, CrashAfter, CrashBefore, LimitLowered, MadeLater,
        MadeTwice, NotMade, PageGarbled, PageTooLate, PageUnavailable, PageUnfetched, PausedAfter,
        PausedBefore, TokenAbsent, TokenRepeated,
    };
    let all = [
        CrashBefore,
        CrashAfter,
        AnswerLost,
        NotMade,
        MadeLater,
        MadeTwice,
        PausedBefore,
        PausedAfter,
        PageUnavailable,
        PageUnfetched,
        PageGarbled,
        PageTooLate,
        BodyBroken,
        LimitLowered,
        TokenAbsent,
        TokenRepeated,
        CountTooHigh,
    ];
    let mut kinds: Vec<Fault> = all.into_iter().filter(|_| chance.percent(50)).collect();
    if kinds.is_empty() {
        kinds.push(CrashAfter);
    }
    kinds
}
