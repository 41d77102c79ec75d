//! The console host: lists of organizations and users, paged by `skip` and `limit`.

use serde_json::{Value, json};

use super::access::{Scope, identify, may_read, scope};
use crate::wire::{Answer, Refusal, Request};
use crate::world::World;
use crate::world::credentials::Key;
use crate::world::discipline::refuses_organization;
use crate::world::organization::Organization;

/// Rows of a page if the request names no limit.
const LIMIT_DEFAULT: usize = 10;
/// The largest limit; more is refused.
const LIMIT_MAX: usize = 100;

/// Answers a path under `/api`.
///
/// # Errors
///
/// Those of the credential checks; 403 for `x-org-id` where it is refused, 400 for a bad limit.
pub(crate) fn answer(world: &mut World, now_ms: i64, request: &Request) -> Result<Answer, Refusal> {
    let route = request.route();
    if refuses_organization(route) && request.header("x-org-id").is_some() {
        identify(world, now_ms, request)?;
        return Err(Refusal::new(403, "Forbidden"));
    }
    let paging = Paging::read(request)?;
    let provider = route
        .strip_prefix("/api/v2/providers/")
        .and_then(|rest| rest.strip_suffix("/organizations"));
    let rows = match (request.method.as_str(), route, provider) {
        ("GET", "/api/organizations", _) => {
            let (key, _) = identify(world, now_ms, request)?;
            organizations(world, key, v1_form)
        }
        ("GET", _, Some(provider)) => {
            let (key, _) = identify(world, now_ms, request)?;
            if key.provider.as_deref() != Some(provider) {
                return Err(Refusal::new(403, "Forbidden"));
            }
            organizations(world, key, v2_form)
        }
        ("GET", "/api/systemusers", _) => users(world, now_ms, request)?,
        _ => return Err(Refusal::new(404, "Not Found")),
    };
    Ok(paging.list(rows, world))
}

fn organizations(world: &World, key: &Key, form: fn(&Organization) -> Value) -> Vec<Value> {
    let readable = world.organizations.values().filter(|organization| may_read(key, organization));
    readable.map(form).collect()
}

fn v1_form(organization: &Organization) -> Value {
    let mut row = json!({
        "_id": organization.id,
        "id": organization.id,
        "displayName": organization.name,
        "logoUrl": Value::Null,
    });
    if let Some(provider) = &organization.provider {
        row["provider"] = json!(provider);
    }
    row
}

fn v2_form(organization: &Organization) -> Value {
    json!({ "id": organization.id, "name": organization.name, "maxSystemUsers": 1_000 })
}

fn users(world: &World, now_ms: i64, request: &Request) -> Result<Vec<Value>, Refusal> {
    let ids = match scope(world, now_ms, request)? {
        Scope::Organizations(ids) => ids,
        Scope::Provider(_) => Vec::new(),
    };
    let organizations = ids.iter().filter_map(|id| world.organizations.get(id));
    Ok(organizations.flat_map(|organization| organization.users.clone()).collect())
}

/// Which rows of a list are requested.
#[derive(Debug)]
struct Paging {
    limit: usize,
    skip: usize,
    /// A field to sort by, ascending.
    sort: Option<String>,
}

impl Paging {
    /// Reads the query string.
    fn read(request: &Request) -> Result<Self, Refusal> {
        let number = |name: &str, default: usize| match request.query_value(name) {
            None => Ok(default),
            Some(text) => text.parse::<usize>().map_err(|_| {
                let text = format!("Bad Request: request parameter \"{name}\" is not a number");
                Refusal::new(400, text)
            }),
        };
        let limit = number("limit", LIMIT_DEFAULT)?;
        if limit > LIMIT_MAX {
            let text = "Bad Request: request parameter \"limit\" exceeds maximum value of 100";
            return Err(Refusal::new(400, text));
        }
        let sort = request.query_value("sort").filter(|sort| !sort.is_empty());
        Ok(Self { limit, skip: number("skip", 0)?, sort })
    }

    /// One page of the rows, with the count of all.
    fn list(&self, mut rows: Vec<Value>, world: &mut World) -> Answer {
        match &self.sort {
            Some(name) => rows.sort_by_cached_key(|row| row[name].to_string()),
            None if world.behaviours.unstable_lists => world.random.shuffle(&mut rows),
            None => {}
        }
        let total = rows.len();
        // The first row of the list was served before, so another one is missed.
        if self.skip > 0 && self.skip < total && world.behaviours.moved_rows > 0 {
            world.behaviours.moved_rows -= 1;
            rows.swap(0, self.skip);
        }
        let limit = world.behaviours.list_cap.map_or(self.limit, |cap| cap.min(self.limit));
        let page: Vec<Value> = rows.into_iter().skip(self.skip).take(limit).collect();
        let count = page.len();
        let body = json!({ "totalCount": total, "results": page });
        let mut answer = Answer::json(200, body.to_string());
        answer.rows = count;
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::respond;
    use crate::fixture::{NOW_MS, ORGANIZATION};

    const PROVIDER: &str = "5c86b6cf9fdce00001d3800c";

    fn portal() -> World {
        let mut world = World::new(1);
        world.add_key("key", Key::provider("portal", PROVIDER));
        for number in 0..25 {
            let id = format!("{number:024x}");
            world.add_organization(Organization::new(&id, "made up").managed_by(PROVIDER));
        }
        world.add_organization(Organization::new(ORGANIZATION, "strange"));
        world
    }

    fn get(world: &mut World, path: &str) -> (u16, Value) {
        let answer = respond(world, NOW_MS, &Request::get(path).with_header("x-api-key", "key"));
        (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
    }

    fn length(body: &Value) -> usize {
        body["results"].as_array().map(Vec::len).unwrap_or_default()
    }

    /// The count of all rows tells the end, since a page may be short.
    #[test]
    fn organizations_are_listed_in_pages() {
        let mut world = portal();
        let (_, first) = get(&mut world, "/api/organizations");
        assert_eq!((&first["totalCount"], length(&first)), (&json!(25), 10));
        let (_, rest) = get(&mut world, "/api/organizations?limit=100&skip=20&sort=_id");
        assert_eq!(
            (rest["results"][0]["_id"].as_str(), length(&rest)),
            (Some("000000000000000000000014"), 5)
        );
        let path = format!("/api/v2/providers/{PROVIDER}/organizations?limit=100");
        let (_, all) = get(&mut world, &path);
        assert_eq!((all["results"][24]["name"].as_str(), length(&all)), (Some("made up"), 25));
        world.behaviours.list_cap = Some(3);
        assert_eq!(length(&get(&mut world, &path).1), 3);
        assert_eq!(get(&mut world, "/api/v2/providers/another/organizations").0, 403);
    }

    /// The text is the observed one.
    #[test]
    fn a_limit_above_100_is_refused() {
        let (status, body) = get(&mut portal(), "/api/organizations?limit=101");
        let text = "Bad Request: request parameter \"limit\" exceeds maximum value of 100";
        assert_eq!((status, body["message"].as_str()), (400, Some(text)));
    }

    /// Without `sort`, pages may overlap and miss rows: only a collector that sorts sees all.
    #[test]
    fn unsorted_lists_are_unstable_by_switch() {
        let mut world = portal();
        world.behaviours.unstable_lists = true;
        let mut ask = |path| get(&mut world, path).1["results"].clone();
        assert_ne!(ask("/api/organizations?limit=100"), ask("/api/organizations?limit=100"));
        let sorted = "/api/organizations?limit=100&sort=_id";
        assert_eq!(ask(sorted), ask(sorted));
    }

    /// What moves is served twice and another row not at all, until everything is quiet again.
    #[test]
    fn rows_move_between_pages_by_switch() {
        let mut world = portal();
        world.behaviours.moved_rows = 1;
        let mut ids = |skip: usize| {
            let (_, body) = get(&mut world, &format!("/api/organizations?sort=_id&skip={skip}"));
            let rows = body["results"].as_array().cloned().unwrap_or_default();
            rows.iter().map(|row| row["_id"].clone()).collect::<Vec<_>>()
        };
        let (first, second) = (ids(0), ids(10));
        assert_eq!(second[0], first[0]);
        assert_ne!(ids(10), second);
    }

    /// An organization list takes no organization; a user list needs one.
    #[test]
    fn the_organization_header_belongs_to_users() {
        let mut world = portal();
        let id = format!("{:024x}", 1);
        if let Some(organization) = world.organization_mut(&id) {
            organization.users = vec![json!({"_id":"b"}), json!({"_id":"a","username":"ada"})];
        }
        let ask = |world: &mut World, path: &str| {
            let request =
                Request::get(path).with_header("x-api-key", "key").with_header("x-org-id", &id);
            let answer = respond(world, NOW_MS, &request);
            (answer.status, serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
        };
        assert_eq!(ask(&mut world, "/api/organizations").0, 403);
        let (status, users) = ask(&mut world, "/api/systemusers?sort=_id");
        assert_eq!((status, &users["results"][0]["username"]), (200, &json!("ada")));
        assert_eq!(get(&mut world, "/api/systemusers").0, 401);
    }
}
