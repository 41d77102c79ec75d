//! Which queries a stream has: those that are configured, less the names that JumpCloud refuses,
//! which are queries of their own until they are accepted again.

use crate::cursor::{Cursor, QueryProgress, ReadingState, Refusal};
use crate::limits::FAILURES_TOLERATED;
use crate::page::Query;
use crate::settings::Settings;

/// The names of the queries in the order of their turns: whose last turn is longest ago comes first.
#[must_use]
pub fn turns(state: &ReadingState) -> Vec<Query> {
    let mut queries: Vec<&QueryProgress> = state.queries.iter().collect();
    queries.sort_by_key(|query| query.last_turn_ms);
    queries.into_iter().map(|query| query.names.clone()).collect()
}

/// Follows the configuration: names that are gone leave their queries, and those of a list that no
/// query has become a new one. Of a live stream it reads from the frontier on, and its first full
/// sweep, which is due at once, what lies before; of a lane it reads the whole.
pub fn configure(state: &mut ReadingState, cursor: &Cursor, settings: &Settings, now_ms: i64) {
    let is_asked_for = |name: &String| settings.queries.iter().flatten().any(|n| n == name);
    let mut has_changed = false;
    for query in &mut state.queries {
        let kept: Query = query.names.iter().filter(|name| is_asked_for(name)).cloned().collect();
        if kept != query.names {
            query.rename(&kept);
            has_changed = true;
        }
    }
    state.queries.retain(|query| !query.names.is_empty());
    let is_lane = cursor.end_ms.is_some();
    let from_ms = if is_lane { cursor.origin_ms } else { state.frontier_ms };
    let swept_ms = cursor.origin_ms + settings.late_horizon_ms;
    for list in &settings.queries {
        let is_read = |name: &&String| state.queries.iter().any(|q| q.names.contains(name));
        let names: Query = list.iter().filter(|name| !is_read(name)).cloned().collect();
        if !names.is_empty() {
            let unread_before_ms = (!is_lane).then_some(from_ms);
            let new = QueryProgress::new(names, from_ms, swept_ms);
            state.queries.push(QueryProgress { unread_before_ms, ..new });
            has_changed = true;
        }
    }
    if has_changed {
        state.queries_changed_ms = Some(now_ms);
    }
}

/// Joins queries of one configured list again, where none is refused and none has a reading under
/// way or a past that it has not read. The lower `T`, `E` and `M` of them count, and what is refused
/// behind a head for longest.
pub fn join(state: &mut ReadingState, configured: &[Query]) {
    for list in configured {
        let may_join = |query: &QueryProgress| {
            query.names.iter().all(|name| list.contains(name))
                && query.refused.is_none()
                && query.reading.is_none()
                && query.sweep.is_none()
                && query.ahead.is_none()
                && query.unread_before_ms.is_none()
        };
        let Some(first) = state.queries.iter().position(may_join) else { continue };
        let joining = state.queries.split_off(first + 1);
        let (joining, others) = joining.into_iter().partition::<Vec<_>, _>(may_join);
        let query = &mut state.queries[first];
        for other in joining {
            query.names.extend(other.names);
            query.read_at_ms = query.read_at_ms.min(other.read_at_ms);
            query.read_to_ms = query.read_to_ms.min(other.read_to_ms);
            query.sweep_mark_ms = query.sweep_mark_ms.min(other.sweep_mark_ms);
            query.ahead_ms = query.ahead_ms.min(other.ahead_ms);
            query.last_turn_ms = query.last_turn_ms.min(other.last_turn_ms);
            query.failures_behind = query.failures_behind.max(other.failures_behind);
            let noted = [query.refused_behind.take(), other.refused_behind].into_iter().flatten();
            query.refused_behind = noted.min_by_key(|refusal| refusal.since_ms);
        }
        // A list is asked for as it is configured.
        query.names.sort_by_key(|name| list.iter().position(|asked| asked == name));
        state.queries.extend(others);
    }
}

/// Begins the turn of a query.
pub fn begin_turn(state: &mut ReadingState, names: &[String], now_ms: i64) {
    if let Some(query) = state.query_mut(names) {
        query.last_turn_ms = Some(now_ms);
    }
}

/// Notes that a query is refused as a whole. Since when stays as it was noted first.
pub fn refuse(state: &mut ReadingState, names: &[String], reason: &str, now_ms: i64) {
    if let Some(query) = state.query_mut(names) {
        Refusal::note(&mut query.refused, reason, now_ms);
    }
}

/// Notes that what lies behind the head of a query is refused.
pub fn refuse_behind(state: &mut ReadingState, names: &[String], reason: &str, now_ms: i64) {
    if let Some(query) = state.query_mut(names) {
        Refusal::note(&mut query.refused_behind, reason, now_ms);
    }
}

/// Notes that what lies behind the head of a query failed temporarily in one more run: after
/// [`FAILURES_TOLERATED`] runs it is told like a refusal.
pub fn fail_behind(state: &mut ReadingState, names: &[String], reason: &str, now_ms: i64) {
    let Some(query) = state.query_mut(names) else { return };
    query.failures_behind += 1;
    if query.failures_behind >= FAILURES_TOLERATED {
        Refusal::note(&mut query.refused_behind, reason, now_ms);
    }
}

/// The names of the query that asks for all of `names`; `names` if there is none.
#[must_use]
pub fn containing(state: &ReadingState, names: &[String]) -> Query {
    let contains = |query: &&QueryProgress| names.iter().all(|name| query.names.contains(name));
    let found = state.queries.iter().find(contains);
    found.map_or(names, |query| &query.names).to_vec()
}

/// Takes names out of their list: each becomes a query of its own, from the list's state. Returns
/// the names that are left.
pub fn take_apart(state: &mut ReadingState, list: &[String], names: &[String]) -> Query {
    let left: Query = list.iter().filter(|name| !names.contains(name)).cloned().collect();
    let Some(query) = state.query_mut(list) else { return left };
    let before = query.clone();
    query.rename(&left);
    for name in names {
        let mut alone = before.clone();
        alone.rename(std::slice::from_ref(name));
        state.queries.push(alone);
    }
    left
}

/// Notes that a query is answered.
pub fn accept(state: &mut ReadingState, names: &[String], now_ms: i64) {
    let was_refused = state.query_mut(names).and_then(|query| query.refused.take()).is_some();
    if was_refused {
        state.queries_changed_ms = Some(now_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::Reading;
    use crate::cursor::tests::cursor_at;
    use crate::settings::tests::settings;
    use crate::time::Window;

    fn names(text: &str) -> Query {
        text.split(',').map(str::to_owned).collect()
    }

    fn asking(queries: &[&str]) -> Settings {
        Settings { queries: queries.iter().map(|list| names(list)).collect(), ..settings() }
    }

    /// A stream with these queries that has read up to 500.
    fn stream(queries: &[&str]) -> Cursor {
        let mut state = ReadingState::at_birth(0, 100, &asking(queries).queries);
        state.frontier_ms = 500;
        for query in &mut state.queries {
            (query.read_at_ms, query.read_to_ms) = (505, 500);
        }
        cursor_at(state)
    }

    fn lists(state: &ReadingState) -> Vec<String> {
        state.queries.iter().map(|query| query.names.join(",")).collect()
    }

    fn under_way(query: &[String]) -> Option<Reading> {
        let window = Window::new(0, 600);
        Some(Reading { window, started_ms: 600, query: query.to_vec(), at_ms: 50, limit: None })
    }

    #[test]
    fn whose_last_turn_is_longest_ago_comes_first() {
        let mut state = stream(&["all", "pam"]).state;
        assert_eq!(turns(&state), [names("all"), names("pam")]);
        begin_turn(&mut state, &names("all"), 7);
        assert_eq!(turns(&state), [names("pam"), names("all")]);
        begin_turn(&mut state, &names("pam"), 8);
        assert_eq!(turns(&state), [names("all"), names("pam")]);
    }

    #[test]
    fn new_names_read_from_the_frontier_on_and_sweep_what_lies_before() {
        let cursor = stream(&["sso,ldap,pam"]);
        let mut state = cursor.state.clone();
        configure(&mut state, &cursor, &asking(&["sso,ldap,pam"]), 900);
        assert_eq!(state, cursor.state, "nothing has changed");
        configure(&mut state, &cursor, &asking(&["all", "ldap,radius,mdm"]), 900);
        assert_eq!(lists(&state), ["ldap", "all", "radius,mdm"]);
        assert_eq!((state.queries[0].read_at_ms, state.queries[0].read_to_ms), (505, 500));
        let new = &state.queries[2];
        assert_eq!((new.read_at_ms, new.read_to_ms), (500, 500));
        assert_eq!(new.sweep_mark_ms, settings().late_horizon_ms);
        assert!(!new.is_late(499), "what its first sweep brings is not late");
        assert_eq!(state.queries_changed_ms, Some(900));
        join(&mut state, &asking(&["all", "ldap,radius,mdm"]).queries);
        assert_eq!(lists(&state).len(), 3, "not before its sweep is complete");
        state.queries[2].unread_before_ms = None;
        join(&mut state, &asking(&["all", "ldap,radius,mdm"]).queries);
        assert_eq!(lists(&state), ["ldap,radius,mdm", "all"]);
        assert_eq!(state.queries[0].read_at_ms, 500, "the lower one counts");
    }

    #[test]
    fn new_names_read_a_lane_whole() {
        let cursor = Cursor { end_ms: Some(500), ..stream(&["sso"]) };
        let mut state = cursor.state.clone();
        configure(&mut state, &cursor, &asking(&["sso,ldap"]), 900);
        let new = &state.queries[1];
        assert_eq!((new.read_at_ms, new.read_to_ms, new.unread_before_ms), (0, 0, None));
    }

    #[test]
    fn a_refused_name_is_a_query_of_its_own_until_it_is_accepted() {
        let list = names("sso,ldap,pam");
        let settings = asking(&["sso,ldap,pam"]);
        let mut state = stream(&["sso,ldap,pam"]).state;
        state.queries[0].reading = under_way(&list);
        let left = take_apart(&mut state, &list, &names("ldap"));
        assert_eq!(
            (left, lists(&state)),
            (names("sso,pam"), vec!["sso,pam".to_owned(), "ldap".to_owned()])
        );
        let of = |at: usize| state.queries[at].reading.clone();
        assert_eq!((of(0), of(1)), (under_way(&names("sso,pam")), under_way(&names("ldap"))));
        for (reason, now_ms) in [("it is not known", 700), ("it is forbidden", 800)] {
            refuse(&mut state, &names("ldap"), reason, now_ms);
        }
        let refusal = Refusal { since_ms: 700, reason: "it is forbidden".to_owned() };
        assert_eq!(state.queries[1].refused, Some(refusal));
        state.queries[0].reading = None;
        state.queries[0].read_to_ms = 5_000;
        assert_eq!(state.read_to_ms(), 5_000, "a refused query delays nothing");
        join(&mut state, &settings.queries);
        assert_eq!(lists(&state).len(), 2, "it is refused");
        accept(&mut state, &names("ldap"), 900);
        assert_eq!(state.queries_changed_ms, Some(900));
        join(&mut state, &settings.queries);
        assert_eq!(lists(&state).len(), 2, "a reading is under way");
        state.queries[1].reading = None;
        join(&mut state, &settings.queries);
        assert_eq!(lists(&state), ["sso,ldap,pam"]);
        assert_eq!(state.read_to_ms(), 500, "what it missed is read");
    }

    #[test]
    fn what_is_refused_behind_a_head_stays_so_where_queries_join() {
        let configured = names("sso,ldap,pam");
        let mut state = stream(&["sso", "ldap", "pam"]).state;
        refuse_behind(&mut state, &names("pam"), "no", 700);
        refuse_behind(&mut state, &names("ldap"), "not now", 800);
        join(&mut state, std::slice::from_ref(&configured));
        assert_eq!(lists(&state), ["sso,ldap,pam"]);
        let refusal = Refusal { since_ms: 700, reason: "no".to_owned() };
        assert_eq!(state.queries[0].refused_behind, Some(refusal));
        assert_eq!(containing(&state, &names("pam")), configured);
        assert_eq!(containing(&state, &names("pam,mdm")), names("pam,mdm"));
    }

    #[test]
    fn all_and_names_are_never_one_list() {
        let mut state = stream(&["all", "pam"]).state;
        join(&mut state, &asking(&["all", "pam"]).queries);
        assert_eq!(lists(&state), ["all", "pam"]);
        refuse(&mut state, &names("all"), "no", 1);
        refuse(&mut state, &names("pam"), "no", 1);
        assert_eq!(state.read_to_ms(), 500, "where all are refused, all count");
    }
}
