//! JumpCloud's console: the organizations that an administrator may see, and their users.

use engine::page::{Page, PageHeaders};
use engine::ports::{InsightsError, List, ListPage, ListRequest};
use engine::stream::Scope;

use crate::schedule::ORGANIZATIONS;
use crate::world::World;

/// Rows of a page of a list.
const ROWS_MAX: usize = 2;

impl World {
    /// A page of a list, as it is now.
    pub(crate) fn listed(
        &mut self,
        worker: usize,
        request: &ListRequest,
    ) -> Result<ListPage, InsightsError> {
        let rows: Vec<String> = match &request.list {
            List::Organizations => self.organizations(worker),
            List::Users(scope) => self.directory(&self.asked_by(worker, scope)),
            list => unreachable!("no run requests {list:?}"),
        };
        let skip = usize::try_from(request.skip).unwrap_or(usize::MAX);
        let page: Vec<_> = rows.iter().skip(skip).take(ROWS_MAX).map(String::as_str).collect();
        let body = format!("[{}]", page.join(",")).into_bytes();
        let page = Page::parse(body, PageHeaders::default()).unwrap();
        Ok(ListPage { total: rows.len() as u64, rows: page })
    }

    /// The organizations that are there now; the key's own and another one where there is no list.
    fn organizations(&self, worker: usize) -> Vec<String> {
        let row = |id: &str| format!(r#"{{"_id":"{id}"}}"#);
        match (&self.stack, self.asked_by(worker, &Scope::Own)) {
            (_, Scope::Organization(other)) => vec![row(&other)],
            (Some(stack), _) => {
                let is_here = |at: &usize| !stack.away_ms[*at].contains(&self.now_ms);
                let here = (0..stack.organizations).filter(is_here);
                here.map(|at| row(ORGANIZATIONS[at])).collect()
            }
            (None, _) if self.is_listed => vec![row(ORGANIZATIONS[0])],
            (None, _) => ORGANIZATIONS.map(row).to_vec(),
        }
    }
}
