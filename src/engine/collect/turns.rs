//! What became of the queries of a run.

use super::stop::Progress;
use crate::error::{QueryError, RunError};
use crate::page::Query;

/// How the turn of each query ended.
#[derive(Debug, Default)]
pub(super) struct Turns(Vec<(Query, Result<Progress, QueryError>)>);

impl Turns {
    /// Notes how the turn of a query ended. A failure behind its turn at the head takes that place.
    pub(super) fn note(&mut self, names: Query, ended: Result<Progress, QueryError>) {
        self.0.retain(|(known, _)| *known != names);
        self.0.push((names, ended));
    }

    /// Whether no query has had a turn.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the query has failed in this run.
    pub(super) fn has_failed(&self, names: &[String]) -> bool {
        self.0.iter().any(|(known, ended)| known == names && ended.is_err())
    }

    /// How the run went. It fails only if no query was read: for good if every one is refused.
    pub(super) fn ended(self) -> Result<Progress, RunError> {
        let (read, failed): (Vec<_>, Vec<_>) = self.0.into_iter().partition(|(_, e)| e.is_ok());
        let mut failed: Vec<_> =
            failed.into_iter().filter_map(|(names, ended)| Some((names, ended.err()?))).collect();
        let is_behind = failed.iter().any(|(_, error)| matches!(error, QueryError::Unavailable(_)));
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
        let swept = vec![("a", read()), ("b", Ok(Progress::Interrupted)), ("a", unavailable())];
        assert_eq!(progress(swept), Progress::Interrupted);

        let error = ended(vec![("a", refused()), ("b", refused())]).unwrap_err();
        assert_eq!(error.to_string(), "a: it is forbidden; b: it is forbidden");
        assert!(error.needs_operator());
        let error = ended(vec![("a", refused())]).unwrap_err();
        assert!(error.needs_operator() && error.to_string() == "it is forbidden");
        let error = ended(vec![("a", refused()), ("b", unavailable())]).unwrap_err();
        assert!(!error.needs_operator(), "the next run may read it");
    }
}
