//! Changes of a policy's statement, as somebody might make them by mistake or by hand.

use serde_json::{Value, json};

use crate::iam::policy::Statement;

/// A change, in words, and what the statement is afterwards; nothing where it is gone.
pub(crate) type Change = (String, Option<Statement>);

/// Every change of a statement that is tried.
pub(crate) fn changes(statement: &Statement, is_identity: bool) -> Vec<Change> {
    let mut all = vec![("is gone".to_owned(), None)];
    all.extend(shortened(statement));
    if statement.denies {
        all.extend(narrowed(statement));
    } else {
        all.extend(widened(statement, is_identity));
    }
    let operators = statement.conditions.as_object().into_iter().flatten();
    for (operator, keys) in operators {
        for key in keys.as_object().unwrap().keys() {
            all.extend(conditions(statement, operator, key));
        }
    }
    all
}

fn changed(what: String, statement: &Statement, change: impl FnOnce(&mut Statement)) -> Change {
    let mut changed = statement.clone();
    change(&mut changed);
    (what, Some(changed))
}

/// Without one of several actions or resources.
fn shortened(statement: &Statement) -> Vec<Change> {
    let (actions, resources) = (&statement.actions, &statement.resources);
    let of_actions =
        actions.iter().enumerate().filter(|_| actions.len() > 1).map(|(at, action)| {
            changed(format!("without {action}"), statement, |it| drop(it.actions.remove(at)))
        });
    let several = resources.iter().enumerate().filter(|_| resources.len() > 1);
    let of_resources = several.map(|(at, resource)| {
        changed(format!("without {resource}"), statement, |it| drop(it.resources.remove(at)))
    });
    of_actions.chain(of_resources).collect()
}

/// A denial for fewer.
fn narrowed(statement: &Statement) -> Vec<Change> {
    let unknown = json!({"AWS": "arn:aws:iam::111122223333:role/nobody"});
    let mut all =
        vec![changed("is for nobody".to_owned(), statement, |it| it.principal = Some(unknown))];
    if statement.actions[0].starts_with("s3:") {
        let bucket = statement.resources[0].split('/').next().unwrap();
        let events = vec![format!("{bucket}/events/*")];
        all.push(changed("is for events alone".to_owned(), statement, |it| it.resources = events));
    }
    all
}

/// A permission for more. What a resource's own policy says of resources is of that resource all the same.
fn widened(statement: &Statement, is_identity: bool) -> Vec<Change> {
    let service = statement.actions[0].split(':').next().unwrap();
    let mut all = vec![changed("every action".to_owned(), statement, |it| {
        it.actions = vec![format!("{service}:*")];
    })];
    if is_identity {
        all.push(changed("on everything".to_owned(), statement, |it| {
            it.resources = vec!["*".to_owned()];
        }));
    }
    if statement.principal.is_some() {
        all.push(changed("for everybody".to_owned(), statement, |it| {
            it.principal = Some(json!("*"));
        }));
    }
    all
}

/// Without a condition, with another value, with one of several values less, or where the key may be absent.
fn conditions(statement: &Statement, operator: &str, key: &str) -> Vec<Change> {
    let values = &statement.conditions[operator][key];
    let without = |it: &mut Statement| {
        let keys = it.conditions[operator].as_object_mut();
        keys.and_then(|keys| keys.remove(key)).unwrap_or(Value::Null)
    };
    let mut all = vec![changed(format!("whatever {key} is"), statement, |it| drop(without(it)))];
    let other = match values.as_str() {
        Some("true") => json!("false"),
        Some("false") => json!("true"),
        Some("1.2") => json!("1.1"),
        _ => json!("another"),
    };
    all.push(changed(format!("another {key}"), statement, |it| {
        it.conditions[operator][key] = other;
    }));
    for (at, value) in values.as_array().into_iter().flatten().enumerate() {
        all.push(changed(format!("{key} without {value}"), statement, |it| {
            it.conditions[operator][key].as_array_mut().map(|values| values.remove(at));
        }));
    }
    let is_positive = matches!(operator, "StringEquals" | "StringLike" | "ArnEquals" | "ArnLike");
    if is_positive && !statement.denies {
        let looser = format!("{operator}IfExists");
        all.push(changed(format!("{key}: {looser}"), statement, |it| {
            let mut keys = json!({});
            keys[key] = without(it);
            it.conditions[looser] = keys;
        }));
    }
    all
}
