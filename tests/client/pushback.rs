//! JumpCloud asks for patience: waits as long as it says, within the run, and a rate of our own.

use std::sync::atomic::Ordering;
use std::time::Duration;

use engine::ports::{Clock as _, Insights as _, InsightsError, PageRequest};
use mock::{Answer, Fault, Host, RetryAfter, When};

use super::environment::{Environment, NOW_MS, PATIENCE_MS, rows, unavailable};

#[tokio::test]
async fn retry_after_is_waited_for_in_either_form() {
    let at_ms = u64::try_from(NOW_MS).unwrap() + 42_000;
    for (retry_after, waits) in [
        (RetryAfter::Seconds(7), vec![7_000]),
        (RetryAfter::Seconds(0), vec![0]),
        (RetryAfter::Date(at_ms), vec![42_000]),
        (RetryAfter::Date(1_000), vec![0]),
        (RetryAfter::Absent, vec![500]),
    ] {
        let environment = Environment::start().await;
        let sent = environment.load(3);
        environment.fail(Fault::too_many_requests(retry_after), When::Nth(1));
        let page = environment.page().await.unwrap();
        assert_eq!(rows(&page), sent, "{retry_after:?}");
        assert_eq!(environment.clock.slept_ms(), waits, "{retry_after:?}");
    }
}

/// The date is JumpCloud's, so it is measured on JumpCloud's clock: the answer has that, too.
#[tokio::test]
async fn a_retry_date_is_no_sooner_for_a_local_clock_that_is_ahead() {
    for skew_ms in [-60_000, 60_000] {
        let environment = Environment::start().await;
        environment.skew_ms.store(skew_ms, Ordering::SeqCst);
        let at_ms = u64::try_from(NOW_MS + skew_ms).unwrap() + 42_000;
        environment.fail(Fault::too_many_requests(RetryAfter::Date(at_ms)), When::Nth(1));
        environment.page().await.unwrap();
        assert_eq!(environment.clock.slept_ms(), [42_000], "{skew_ms}");
    }
}

/// A header that cannot be read leads to the usual wait, neither an endless one nor none.
#[tokio::test]
async fn an_unreadable_retry_after_is_as_good_as_none() {
    for text in ["soon", "-1", "1.5", ""] {
        let environment = Environment::start().await;
        let mut answer = Answer::error(503, "busy");
        answer.headers.push(("Retry-After".to_owned(), text.to_owned()));
        environment.fail(Fault::from(answer), When::Nth(1));
        environment.page().await.unwrap();
        assert_eq!(environment.clock.slept_ms(), [500], "{text}");
    }
}

/// A firewall that refuses for a while refuses no query.
#[tokio::test]
async fn a_refusal_that_says_for_how_long_is_waited_for() {
    for status in [400, 402, 403, 404, 418] {
        let environment = Environment::start().await;
        let sent = environment.load(3);
        let mut answer = Answer::error(status, "too many of you");
        answer.headers.push(("Retry-After".to_owned(), "7".to_owned()));
        environment.fail(Fault::from(answer), When::Nth(1));
        let page = environment.page().await.unwrap();
        assert_eq!((rows(&page), environment.clock.slept_ms()), (sent, vec![7_000]), "{status}");
    }
}

/// Said in whole seconds, and never as no wait at all.
#[tokio::test]
async fn a_wait_of_half_a_second_is_not_told_as_none() {
    let environment = Environment::start().await;
    environment.fail(Fault::error(429, "busy"), When::Always);
    let request = PageRequest { deadline_ms: NOW_MS + 500, ..environment.request() };
    let text = unavailable(environment.client.page(request).await);
    assert!(text.ends_with("; the next try would be in 1 s, after the end of this run"), "{text}");
}

#[tokio::test]
async fn a_wait_beyond_the_run_is_not_begun() {
    let year_s = 31_536_000;
    let patience_s = u64::try_from(PATIENCE_MS).unwrap() / 1_000;
    for seconds in [patience_s, year_s, u64::MAX] {
        let environment = Environment::start().await;
        environment.fail(Fault::too_many_requests(RetryAfter::Seconds(seconds)), When::Always);
        let answer = environment.page().await;
        assert!(matches!(answer, Err(InsightsError::Throttled(_))), "it is about all queries");
        let text = unavailable(answer);
        assert!(text.contains("429") && text.contains("after the end of this run"), "{text}");
        assert_eq!(environment.answered(Host::Insights), [429]);
        assert!(environment.clock.slept_ms().is_empty(), "{:?}", environment.clock.slept_ms());
    }
}

#[tokio::test]
async fn nothing_is_sent_past_the_deadline() {
    let environment = Environment::start().await;
    let deadline_ms = environment.clock.now_ms() - 1;
    let late = PageRequest { deadline_ms, ..environment.request() };
    let answer = environment.client.page(late).await;
    assert!(matches!(answer, Err(InsightsError::OutOfTime)), "{answer:?}");
    assert!(environment.world().log().is_empty());
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_given_up_at_the_deadline() {
    let environment = Environment::start().await;
    environment.fail(Fault::Stall(Duration::from_secs(600)), When::Always);
    let deadline_ms = environment.clock.now_ms() + 50;
    let short = PageRequest { deadline_ms, ..environment.request() };
    let answer = environment.client.page(short).await;
    assert!(matches!(answer, Err(InsightsError::OutOfTime)), "{answer:?}");
}

/// In any second, also across its border, and retries included.
#[tokio::test]
async fn no_second_sees_more_than_ten_requests() {
    let environment = Environment::start().await;
    for _ in 0..35 {
        environment.page().await.unwrap();
        // The odd step keeps requests off the seconds' borders.
        environment.clock.advance(7);
    }
    let at_ms: Vec<_> = environment.world().log().iter().map(|record| record.at_ms).collect();
    for eleven in at_ms.windows(11) {
        assert!(eleven[10] - eleven[0] >= 1_000, "{eleven:?}");
    }
    assert!(at_ms[34] - at_ms[0] < 4_000, "nor are they held back for longer: {at_ms:?}");
}
