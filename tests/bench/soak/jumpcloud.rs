//! A JumpCloud whose events are made up when they are asked for: so many a day, evenly. In one hour of
//! each day, some of them appear late.

use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use async_trait::async_trait;
use engine::limits::{DAY_MS, HOUR_MS, MINUTE_MS};
use engine::page::{Page, PageHeaders, Token};
use engine::ports::{
    Clock, Console, Incoming, Insights, InsightsError, ListPage, ListRequest, NoRandomness,
    PageRequest, Services,
};
use engine::time::{Window, rfc3339};
use futures_util::future::BoxFuture;

/// From noon to one o'clock, one event of so many is late, by this much.
const LATE_ONE_OF: i64 = 100;
const LATE_MS: i64 = 2 * HOUR_MS;
const SERVICES: [&str; 4] = ["directory", "sso", "systems", "radius"];

/// The time, moved by hand.
#[derive(Default)]
pub(crate) struct Time {
    now_ms: AtomicI64,
    draws: AtomicU64,
}

impl Time {
    pub(crate) fn set(&self, now_ms: i64) {
        self.now_ms.store(now_ms, Ordering::Relaxed);
    }
}

#[async_trait]
impl Clock for Time {
    fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    async fn sleep(&self, ms: u64) {
        self.now_ms.fetch_add(ms.cast_signed(), Ordering::Relaxed);
    }

    fn random(&self) -> [u8; 16] {
        (u128::from(self.draws.fetch_add(1, Ordering::Relaxed)) << 96 | 1).to_be_bytes()
    }

    fn nonce(&self) -> Result<[u8; 16], NoRandomness> {
        Ok(self.random())
    }
}

/// See the module.
pub(crate) struct JumpCloud {
    time: Arc<Time>,
    /// Event 0 is at this time.
    start_ms: i64,
    per_day: i64,
    is_down: AtomicBool,
    pub(crate) rows: AtomicU64,
    pub(crate) requests: AtomicU64,
}

impl JumpCloud {
    pub(crate) fn new(time: Arc<Time>, start_ms: i64, per_day: i64) -> Self {
        let [rows, requests] = Default::default();
        Self { time, start_ms, per_day, is_down: AtomicBool::new(false), rows, requests }
    }

    /// From now on it answers no request, or all again.
    pub(crate) fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::Relaxed);
    }

    fn time_ms(&self, number: i64) -> i64 {
        self.start_ms + (i128::from(number) * i128::from(DAY_MS) / i128::from(self.per_day)) as i64
    }

    /// The first event that is not before `ms`.
    fn first_at(&self, ms: i64) -> i64 {
        let since_ms = i128::from((ms - self.start_ms).max(0));
        let number = (since_ms * i128::from(self.per_day)).div_euclid(i128::from(DAY_MS)) as i64;
        let near = (number - 2).max(0)..;
        near.into_iter().find(|number| self.time_ms(*number) >= ms).unwrap_or(number)
    }

    /// Events of the hour in which some are late, on the day of an event.
    fn late_hour(&self, day: i64) -> std::ops::Range<i64> {
        let first = day * self.per_day + self.per_day / 2;
        first..first + self.per_day / 24
    }

    fn is_late(&self, number: i64) -> bool {
        number % LATE_ONE_OF == LATE_ONE_OF - 1
            && self.late_hour(number / self.per_day).contains(&number)
    }

    /// How many events before this one are late.
    fn late_before(&self, number: i64) -> i64 {
        let before = |number: i64| number / LATE_ONE_OF;
        let days = (0..=number / self.per_day).map(|day| self.late_hour(day));
        days.map(|hour| before(hour.end.min(number)) - before(hour.start.min(number))).sum()
    }

    fn is_visible(&self, number: i64, now_ms: i64) -> bool {
        let late_ms = if self.is_late(number) { LATE_MS } else { 0 };
        self.time_ms(number) + late_ms <= now_ms
    }

    /// How many events of a window can be seen.
    pub(crate) fn visible(&self, window: Window, now_ms: i64) -> i64 {
        let end_ms = window.end_ms.min(now_ms + 1);
        let (first, end) = (self.first_at(window.start_ms), self.first_at(end_ms));
        let late_from = self.first_at(now_ms - LATE_MS + 1).max(first);
        (end - first).max(0) - (self.late_before(end) - self.late_before(late_from)).max(0)
    }

    fn body(&self, request: &PageRequest) -> (Vec<u8>, PageHeaders) {
        let (ask, now_ms) = (&request.ask, self.time.now_ms());
        let token = ask.token.as_ref().and_then(|token| {
            let last: (i64, String) = serde_json::from_str(token.json().get()).ok()?;
            last.1.parse::<i64>().ok()
        });
        let mut number = match token {
            Some(last) => last + 1,
            None => self.first_at(ask.window.start_ms),
        };
        let (mut body, mut count, mut last) = (vec![b'['], 0, None);
        // Written again only where the millisecond changes.
        let mut at = (i64::MIN, String::new());
        while count < u64::from(ask.limit) {
            let ms = self.time_ms(number);
            if ms >= ask.window.end_ms || ms > now_ms {
                break;
            }
            if self.is_visible(number, now_ms) {
                if at.0 != ms {
                    at = (ms, rfc3339(ms));
                }
                let service = SERVICES[number as usize % SERVICES.len()];
                let comma = if count > 0 { "," } else { "" };
                let time = &at.1;
                write!(
                    body,
                    r#"{comma}{{"id":"{number:024x}","service":"{service}","timestamp":"{time}","success":true}}"#
                )
                .unwrap();
                (count, last) = (count + 1, Some((ms, number)));
            }
            number += 1;
        }
        body.push(b']');
        let token = last.and_then(|(ms, number)| Token::parse(&format!("[{ms},\"{number}\"]")));
        let limit = Some(u64::from(ask.limit));
        (body, PageHeaders { limit, count: Some(count), token })
    }
}

impl Insights for JumpCloud {
    fn page(&self, request: PageRequest) -> Incoming {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if self.is_down.load(Ordering::Relaxed) {
            let down = Err(InsightsError::Unavailable("JumpCloud answers 503".into()));
            return Incoming::new(Box::pin(ready(None)), Box::pin(ready(down)), || {});
        }
        let (body, headers) = self.body(&request);
        self.rows.fetch_add(headers.count.unwrap_or(0), Ordering::Relaxed);
        let page = Page::parse(body, headers.clone());
        let page = page.map_err(|error| InsightsError::Unavailable(error.to_string().into()));
        Incoming::new(Box::pin(ready(Some(headers))), Box::pin(ready(page)), || {})
    }

    fn count(&self, request: PageRequest) -> BoxFuture<'static, Result<u64, InsightsError>> {
        let count = self.visible(request.ask.window, self.time.now_ms());
        Box::pin(ready(Ok(count.unsigned_abs())))
    }

    fn hourly(
        &self,
        request: PageRequest,
    ) -> BoxFuture<'static, Result<BTreeMap<i64, i64>, InsightsError>> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if self.is_down.load(Ordering::Relaxed) {
            return Box::pin(ready(Err(InsightsError::Unavailable(
                "JumpCloud answers 503".into(),
            ))));
        }
        let now_ms = self.time.now_ms();
        let hours = request.ask.window.hours().map(|hour_ms| {
            (hour_ms, self.visible(Window::new(hour_ms, hour_ms + HOUR_MS), now_ms))
        });
        Box::pin(ready(Ok(hours.collect())))
    }

    fn services(&self, _: PageRequest) -> BoxFuture<'static, Services> {
        let names: BTreeSet<_> = SERVICES.iter().map(|name| (*name).to_owned()).collect();
        Box::pin(ready(Ok(Some(names))))
    }

    fn clock_skew_ms(&self) -> Option<i64> {
        Some(0)
    }
}

impl Console for JumpCloud {
    fn list(&self, _: ListRequest) -> BoxFuture<'static, Result<ListPage, InsightsError>> {
        Box::pin(ready(Err(InsightsError::Unavailable("organizations are configured".into()))))
    }
}

/// What is made up is what is counted, and no event is skipped between two pages.
pub(crate) async fn check() {
    let time = Arc::new(Time::default());
    let jumpcloud = JumpCloud::new(Arc::clone(&time), DAY_MS, 1_000_000);
    let now_ms = 2 * DAY_MS;
    let now_ms = now_ms + 14 * HOUR_MS;
    time.set(now_ms);
    let window = Window::new(now_ms - 3 * HOUR_MS, now_ms - MINUTE_MS);
    let counted = jumpcloud.visible(window, now_ms);
    let mut ask = engine::page::Ask { window, limit: 10_000, token: None };
    let mut rows = 0;
    loop {
        let request = PageRequest::new(
            engine::stream::Scope::Own,
            &vec!["all".to_owned()],
            ask.clone(),
            i64::MAX,
        );
        let page = jumpcloud.page(request).await.unwrap();
        rows += page.rows().len();
        ask.token.clone_from(&page.headers.token);
        if page.rows().len() < 10_000 {
            break;
        }
    }
    assert_eq!(i64::try_from(rows), Ok(counted));
}
