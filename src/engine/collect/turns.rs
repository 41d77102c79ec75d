//! What became of the queries of a run.

use std::collections::BTreeSet;

use super::stop::Progress;
use crate::error::{QueryError, RunError};
use crate::page::Query;

/// How the turn of each query ended.
#[derive(Debug, Default)]
pub(super) struct Turns {
    heads: Vec<(Query, Result<Progress, QueryError>)>,
    /// Queries of which something behind the head was read to its end.
    complete_behind: BTreeSet<Query>,
    /// Queries of which something behind the head was refused.
    refused_behind: BTreeSet<Query>,
    /// Queries that failed temporarily behind their heads.
    failed_behind: BTreeSet<Query>,
}

impl Turns {
    /// Notes how the turn of a query at its head ended.
    pub(super) fn note(&mut self, names: Query, ended: Result<Progress, QueryError>) {
        self.heads.retain(|(known, _)| *known != names);
        self.heads.push((names, ended));
    }

    /// Notes that something behind the head of a query was read to its end.
    pub(super) fn complete_behind(&mut self, names: Query) {
        self.complete_behind.insert(names);
    }

    /// Notes that something behind the head of a query was refused, which ends only that.
    pub(super) fn refuse_behind(&mut self, names: Query) {
        self.refused_behind.insert(names);
    }

    /// Queries of which something behind the head was read to its end and nothing failed.
    pub(super) fn read_behind(&self) -> impl Iterator<Item = &Query> {
        let has_failed = |names: &&Query| {
            self.refused_behind.contains(*names) || self.failed_behind.contains(*names)
        };
        self.complete_behind.iter().filter(move |names| !has_failed(names))
    }

    /// Notes that a query failed temporarily behind its head: nothing more of it is read in this run.
    /// Returns whether that is the first time.
    pub(super) fn fail_behind(&mut self, names: Query) -> bool {
        self.failed_behind.insert(names)
    }

    /// Whether no query has had a turn.
    pub(super) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// Whether the query has failed in this run.
    pub(super) fn has_failed(&self, names: &Query) -> bool {
        self.failed_behind.contains(names)
            || self.heads.iter().any(|(known, ended)| known == names && ended.is_err())
    }

    /// Whether any query has failed temporarily behind its head.
    pub(super) fn has_any_failed(&self) -> bool {
        !self.failed_behind.is_empty()
    }

    /// How the run went. It fails only if no query was read: for good if every one is refused.
    pub(super) fn ended(self) -> Result<Progress, RunError> {
        let (read, failed): (Vec<_>, Vec<_>) = self.heads.into_iter().partition(|(_, e)| e.is_ok());
        let mut failed: Vec<_> =
            failed.into_iter().filter_map(|(names, ended)| Some((names, ended.err()?))).collect();
        let is_behind = !self.failed_behind.is_empty()
            || failed.iter().any(|(_, error)| matches!(error, QueryError::Unavailable(_)));
        let mut read = read.into_iter().filter_map(|(_, ended)| ended.ok()).peekable();
        if read.peek().is_some() {
            let progress = read.reduce(Progress::and).unwrap_or(Progress::Complete);
            return Ok(if is_behind { Progress::Interrupted } else { progress });
        }
        let passes = |(_, error): &(_, QueryError)| matches!(error, QueryError::Unavailable(_));
        match failed.iter().position(passes) {
            Some(at) => Err(RunError::Query(failed.swap_remove(at).1)),
            None if failed.len() > 1 => {
                let said = failed.iter().map(|(names, e)| format!("{}: {e}", names.join(",")));
                Err(RunError::refused_query(said.collect::<Vec<_>>().join("; ")))
            }
            None => failed.pop().map_or(Ok(Progress::Complete), |(_, e)| Err(RunError::Query(e))),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn ended(turns: Vec<(&str, Result<Progress, QueryError>)>) -> Result<Progress, RunError> {
        let mut all = Turns::default();
        turns.into_iter().for_each(|(name, ended)| all.note(vec![name.to_owned()], ended));
        all.ended()
    }

    fn refused() -> Result<Progress, QueryError> {
        Err(QueryError::Refused { status: Some(403), cause: "it is forbidden".into() })
    }

    fn unavailable() -> Result<Progress, QueryError> {
        Err(QueryError::Unavailable("JumpCloud answers 500".into()))
    }

    #[test]
    fn a_run_fails_only_if_no_query_was_read() {
        let read = || Ok(Progress::Complete);
        let progress = |turns| ended(turns).unwrap();
        assert_eq!(progress(vec![("a", read()), ("b", refused())]), Progress::Complete);
        assert_eq!(progress(vec![("a", read()), ("b", unavailable())]), Progress::Interrupted);
        let waiting = || Ok(Progress::Waiting);
        assert_eq!(progress(vec![("a", waiting()), ("b", waiting())]), Progress::Waiting);
        assert_eq!(progress(vec![("a", waiting()), ("b", read())]), Progress::Complete);
        let mut swept = Turns::default();
        swept.note(vec!["a".to_owned()], read());
        assert!(
            swept.fail_behind(vec!["a".to_owned()]) && !swept.fail_behind(vec!["a".to_owned()])
        );
        assert!(swept.has_failed(&vec!["a".to_owned()]));
        assert_eq!(swept.ended().unwrap(), Progress::Interrupted, "its head was read");

        let error = ended(vec![("a", refused()), ("b", refused())]).unwrap_err();
        assert_eq!(error.to_string(), "a: it is forbidden; b: it is forbidden");
        assert!(error.needs_operator());
        let error = ended(vec![("a", refused())]).unwrap_err();
        assert!(error.needs_operator() && error.to_string() == "it is forbidden");
        let error = ended(vec![("a", refused()), ("b", unavailable())]).unwrap_err();
        assert!(!error.needs_operator(), "the next run may read it");
    }
}
