//! What was tried: hits per protocol step and per fault, so that a simulation that tries nothing
//! cannot pass for one that finds nothing.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An enumeration whose members are counted by name.
macro_rules! counted {
    ($(#[$doc:meta])* $name:ident { $($(#[$member_doc:meta])* $member:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub(crate) enum $name { $($(#[$member_doc])* $member),+ }

        impl $name {
            pub(crate) const ALL: &[Self] = &[$(Self::$member),+];
        }
    };
}

counted! {
    /// A step of the protocol, as the stores see it.
    Step {
        Born,
        BirthLost,
        CursorCreated,
        CursorRebuilt,
        Claimed,
        ClaimRefused,
        /// Entry `n + 1` is there and `n + 2` is not: it is published again.
        RecoveredLast,
        /// Both are there: it was published.
        RecoveredEarlier,
        /// All slot objects of a recovered entry are there, so its parts are left alone.
        FoundPublished,
        PageServed,
        /// Fewer rows are asked for than is configured.
        PageMadeSmaller,
        SecondQueryRead,
        /// A question is refused for a name in it.
        QueryRefused,
        /// What is dated ahead is read.
        ReadAhead,
        Compared,
        Swept,
        HourReadAgain,
        Decided,
        DecidedNothing,
        /// The entry is our own: an earlier try had succeeded.
        DecidedBefore,
        DecisionLost,
        PartCreated,
        PartFound,
        SlotCreated,
        SlotFound,
        /// A page is asked for while the body of the one before is on its way.
        PageForeseen,
        Advanced,
        AdvancedByAnother,
        Progressed,
        ProgressRefused,
        Released,
        ReleasedAfterFailure,
        /// A lane is read for good.
        Finished,
        /// A backfill opens a lane that was not there, is, or was over.
        LaneOpened,
        LaneKnown,
        LaneReopened,
        /// A message of the work queue is sent, and one is handled.
        Queued,
        Handled,
        /// Hourly counts are compared because a person asks for it, and hours are read again.
        Audited,
        Repaired,
        /// Everything is read before a jump of time.
        Calm,
        /// A metric that an alarm uses is raised, and a stack in which none is.
        Raised,
        Healthy,
        /// What is read is counted while nothing is new.
        Watched,
        /// The archive is verified while all is quiet.
        Verified,
        EndedOk,
        EndedBehind,
        EndedBusy,
        EndedWaiting,
        EndedFailed,
    }
}

counted! {
    /// A fault, or another event around the engine.
    Fault {
        /// The worker ends before the request is made.
        CrashBefore,
        /// It ends after the request was made, before the answer came.
        CrashAfter,
        /// The request takes effect; the answer is indeterminate.
        AnswerLost,
        /// The request takes no effect; the answer is indeterminate.
        NotMade,
        /// The answer is indeterminate; the request takes effect much later.
        MadeLater,
        /// A request whose sender is gone is made later.
        OrphanMade,
        /// The request is made, its answer is lost, and the adapter makes it again.
        MadeTwice,
        /// A zombie: the worker is paused, then makes the request.
        PausedBefore,
        /// A zombie: the worker is paused between request and answer.
        PausedAfter,
        /// JumpCloud answers 429 or 5xx, or nothing, as often as the client asks.
        PageUnavailable,
        /// JumpCloud answers 504, or half, in as many tries as there are at one size.
        PageUnfetched,
        /// A page that is not JSON, once.
        PageGarbled,
        /// The run's time is over before an answer came.
        PageTooLate,
        /// A page's body breaks off behind its headers, and the client asks for the page again.
        BodyBroken,
        LimitLowered,
        TokenAbsent,
        TokenRepeated,
        CountTooHigh,
        /// Hourly counts that differ from what there is, that are absent, and that are absurd.
        CountsWrong,
        CountsMissing,
        CountsHuge,
        /// JumpCloud does not list all services.
        ServicesUntold,
        /// The key is replaced by one of another organization, and put back.
        KeyReplaced,
        KeyPutBack,
        ClockSet,
        Restarted,
        CursorLost,
        CursorRestored,
        /// All cursors at once.
        TableRestored,
        ReaderRemoved,
        Replayed,
        /// A message of the work queue that never comes, comes twice, or comes much later.
        MessageLost,
        MessageTwice,
        MessageLate,
        RecoveredOnly,
        JumpCloudDown,
        StoresDown,
        /// No invocation for a long time.
        Asleep,
        /// Nothing happens at all for up to months.
        Jumped,
        /// A clock is wrong by weeks.
        ClockSetBack,
    }
}

counted! {
    /// Properties of a schedule.
    Circumstance {
        EndInclusive,
        EndExclusive,
        TwoStreams,
        /// Processes that name the organization take turns with such that do not.
        OwnAndById,
        TwoQueries,
        LaneBesideLive,
        /// JumpCloud refuses a name for a while.
        Refusals,
        /// An invocation is the function's own, over one organization or several.
        StackOfOne,
        StackOfSeveral,
        /// A stream of users, and a day's snapshot of them that has ended.
        Users,
        SnapshotEnded,
        /// Its runs go through a work queue.
        WorkQueue,
        /// JumpCloud lists the organizations, which may be gone for a while.
        StackListed,
        /// Other services are configured in the middle.
        OtherServices,
        /// A process begins with the services that were configured before, beside others with later ones.
        ServicesAlternate,
        /// Processes have settings of their own.
        OtherSettings,
        /// An object as a process with other keys, filter or lines writes it.
        OtherFormat,
        /// An object of journal or index that has expired.
        Expired,
        /// An event that appears later than it happened, as late as is promised.
        Late,
        /// Later than is promised: it may be archived, once.
        TooLate,
        /// Dated later than it appears.
        Future,
        SameRowAgain,
        ChangedRow,
        SameIdOtherTime,
        SameMillisecond,
        WithoutId,
        WithoutTime,
        NoEvent,
        /// A row larger than a page may be.
        Giant,
        /// An answer larger than a page may be.
        PageTooLarge,
        /// A row that no parser takes, alone on its page.
        Unparsable,
        /// A row that says it lies elsewhere than where it is sorted.
        Displaced,
        /// The second of two rows under one identity, in quarantine.
        SecondKept,
        /// Pages of more than so many rows are answered with 504.
        SlowPage,
        /// `null` for no rows.
        NullPage,
        /// A page without a word of how many rows would be full.
        LimitUnsaid,
        /// An event that appears between two pages of a reading, before or behind where it is.
        InsertedWhilePaging,
    }
}

/// Counts over one schedule or many.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    pub(crate) schedules: u64,
    pub(crate) events: u64,
    pub(crate) runs: u64,
    pub(crate) requests: u64,
    pub(crate) fewest_faults: u64,
    /// Runs and events of each schedule.
    each: Vec<(u64, u64)>,
    steps: Vec<u64>,
    faults: Vec<u64>,
    circumstances: Vec<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            schedules: 0,
            events: 0,
            runs: 0,
            requests: 0,
            fewest_faults: u64::MAX,
            each: Vec::new(),
            steps: vec![0; Step::ALL.len()],
            faults: vec![0; Fault::ALL.len()],
            circumstances: vec![0; Circumstance::ALL.len()],
        }
    }
}

impl Tally {
    /// Of one schedule with so many events.
    pub(crate) fn of_one(events: usize) -> Self {
        Self { schedules: 1, events: events as u64, ..Self::default() }
    }

    pub(crate) fn step(&mut self, step: Step) {
        self.steps[step as usize] += 1;
    }

    pub(crate) fn fault(&mut self, fault: Fault) {
        self.faults[fault as usize] += 1;
    }

    pub(crate) fn met(&mut self, circumstance: Circumstance) {
        self.circumstances[circumstance as usize] += 1;
    }

    pub(crate) fn faults(&self) -> u64 {
        self.faults.iter().sum()
    }

    pub(crate) fn add(&mut self, other: &Self) {
        match other.schedules {
            1 => self.each.push((other.runs, other.events)),
            _ => self.each.extend_from_slice(&other.each),
        }
        self.schedules += other.schedules;
        self.events += other.events;
        self.runs += other.runs;
        self.requests += other.requests;
        self.fewest_faults = self.fewest_faults.min(other.fewest_faults);
        let sum = |all: &mut [u64], more: &[u64]| {
            all.iter_mut().zip(more).for_each(|(n, more)| *n += more);
        };
        sum(&mut self.steps, &other.steps);
        sum(&mut self.faults, &other.faults);
        sum(&mut self.circumstances, &other.circumstances);
    }

    /// The medians of runs and events per schedule.
    fn medians(&self) -> (u64, u64) {
        let median = |mut numbers: Vec<u64>| {
            numbers.sort_unstable();
            numbers.get(numbers.len() / 2).copied().unwrap_or(0)
        };
        let (runs, events) = self.each.iter().copied().unzip();
        (median(runs), median(events))
    }

    /// Steps, faults and circumstances that were never met.
    pub(crate) fn never(&self) -> Vec<String> {
        self.lines().filter(|(_, n)| *n == 0).map(|(name, _)| name).collect()
    }

    fn lines(&self) -> impl Iterator<Item = (String, u64)> {
        let steps =
            Step::ALL.iter().map(|step| (format!("step  {step:?}"), self.steps[*step as usize]));
        let faults = Fault::ALL
            .iter()
            .map(|fault| (format!("fault {fault:?}"), self.faults[*fault as usize]));
        let circumstances = Circumstance::ALL
            .iter()
            .map(|met| (format!("met   {met:?}"), self.circumstances[*met as usize]));
        steps.chain(faults).chain(circumstances)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, requests, fewest_faults, .. } = self;
        writeln!(
            f,
            "{runs} runs, {requests} requests, at least {fewest_faults} faults a schedule"
        )?;
        let (runs, events) = self.medians();
        writeln!(f, "half of the schedules have at least {runs} runs and {events} events")?;
        self.lines().try_for_each(|(name, n)| writeln!(f, "{n:>12}  {name}"))
    }
}
