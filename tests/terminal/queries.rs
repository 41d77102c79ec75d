//! What JumpCloud refuses of one query ends no command, and none says that all is well.

use mock::{Fault, Rule, When};

use super::*;

/// The days that can be read are archived, each once, and what is refused of them is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_ends_although_a_query_is_refused() {
    let (mock, mut variables) = mock(60).await;
    let settings =
        [("JUMPCLOUD_API_KEY", API_KEY), ("JUMPCLOUD_SERVICES", "all,pam"), ("SWEEP_EVERY", "12h")];
    variables.extend(settings.map(|(name, value)| (name, value.to_owned())));
    let day_ms = 24 * HOUR_MS;
    let now_ms = SystemClock.now_ms();
    let first_ms = now_ms.div_euclid(day_ms) * day_ms - 3 * day_ms;
    load(&mock, first_ms..now_ms - 25 * HOUR_MS, 300);
    mock.world().behaviours.all_excludes_pam = true;
    let refused = Fault::error(403, "the plan does not include it");
    mock.world().add_fault(Rule::new(refused, When::Always).for_service("pam"));
    let date = |ms| engine::time::date(ms).to_string();
    let folder = tempfile::tempdir().unwrap();
    let to = argument(folder.path());
    let (start, end) = (date(first_ms), date(now_ms));
    let range = ["backfill", "--to", to, "--start", &start, "--end", &end, "--yes"];
    let output = collector(&range, &with(&variables, &[]));
    let told = text(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("3 of 3 days"), "{told}");
    for day in 0..3 {
        let lane = format!("self.backfill-{}", date(first_ms + day * day_ms));
        assert!(told.contains(&format!("refused: {lane}: pam: ")), "{told}");
    }
    collector(&["collect", "--to", to], &with(&variables, &[]));
    let verified = text(&collector(&["verify", "--to", to], &[]));
    let events = mock.world().event_count();
    let counted = verified.lines().find(|line| line.starts_with("events")).unwrap();
    assert!(counted.contains(&events.to_string()), "{events} served: {verified}");
}
