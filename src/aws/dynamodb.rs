//! [`Cursors`] in a DynamoDB table: one item per stream, one `UpdateItem` per change.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnValue};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::store_error;
use crate::limits::{ITEMS_PER_READ, READS_AT_ONCE};
use engine::cause::Cause;
use engine::cursor::{Condition, Item, Update, Value};
use engine::limits::MESSAGE_BYTES_MAX;
use engine::ports::{Cursors, StoreError};
use engine::stream::StreamId;

/// The table's partition key.
const KEY: &str = "stream";

/// A table of cursors.
pub struct DynamoDb {
    client: Client,
    table: String,
}

impl DynamoDb {
    /// Creates a client for one table.
    #[must_use]
    pub fn new(config: &aws_config::SdkConfig, table: String) -> Self {
        Self { client: Client::new(config), table }
    }
}

#[async_trait]
impl Cursors for DynamoDb {
    async fn get(&self, stream: &StreamId) -> Result<Option<Item>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(KEY, AttributeValue::S(stream.to_string()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| store_error(&self.what("get", stream), error))?;
        answer.item.map(|attributes| self.item(stream, attributes)).transpose()
    }

    async fn get_many(&self, streams: &[StreamId]) -> Result<BTreeMap<StreamId, Item>, StoreError> {
        let chunks: Vec<_> = streams.chunks(ITEMS_PER_READ).map(<[_]>::to_vec).collect();
        let reads = stream::iter(chunks).map(|chunk| self.get_chunk(chunk));
        let chunks: Vec<_> = reads.buffer_unordered(READS_AT_ONCE).try_collect().await?;
        Ok(chunks.into_iter().flatten().collect())
    }

    async fn update(&self, stream: &StreamId, update: &Update) -> Result<Option<Item>, StoreError> {
        let expression = Expression::of(update);
        let answer = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(KEY, AttributeValue::S(stream.to_string()))
            .set_condition_expression(expression.condition)
            .update_expression(expression.update)
            .set_expression_attribute_names(Some(expression.terms.names))
            .set_expression_attribute_values(
                Some(expression.terms.values).filter(|values| !values.is_empty()),
            )
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        match answer {
            Ok(answer) => self.item(stream, answer.attributes.unwrap_or_default()).map(Some),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|e| e.is_conditional_check_failed_exception()) =>
            {
                Ok(None)
            }
            Err(error) => Err(store_error(&self.what("update", stream), error)),
        }
    }
}

impl DynamoDb {
    /// Reads at most [`ITEMS_PER_READ`] items. Items that DynamoDB does not return because of load
    /// are read one by one, with the SDK's own retries.
    async fn get_chunk(&self, streams: Vec<StreamId>) -> Result<Vec<(StreamId, Item)>, StoreError> {
        let what = format!("get {} items of table {}", streams.len(), self.table);
        let key = |stream: &StreamId| {
            HashMap::from([(KEY.to_owned(), AttributeValue::S(stream.to_string()))])
        };
        let keys = KeysAndAttributes::builder()
            .set_keys(Some(streams.iter().map(key).collect()))
            .consistent_read(true)
            .build()
            .map_err(|error| {
                StoreError::Indeterminate(Cause::new(format!("{what}: {error}"), error))
            })?;
        let request = self.client.batch_get_item().request_items(&self.table, keys);
        let answer = request.send().await.map_err(|error| store_error(&what, error))?;
        let found = answer.responses.unwrap_or_default().remove(&self.table).unwrap_or_default();
        let read = |attributes: HashMap<_, _>| {
            let stream = self.stream(&attributes)?;
            self.item(&stream, attributes).map(|item| (stream, item))
        };
        let mut items = found.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let left = answer.unprocessed_keys.unwrap_or_default().remove(&self.table);
        for key in left.map(|left| left.keys).unwrap_or_default() {
            let stream = self.stream(&key)?;
            items.extend(self.get(&stream).await?.map(|item| (stream, item)));
        }
        Ok(items)
    }

    fn what(&self, verb: &str, stream: &StreamId) -> String {
        format!("{verb} {stream} in table {}", self.table)
    }

    /// The stream that an item's key names.
    fn stream(&self, attributes: &HashMap<String, AttributeValue>) -> Result<StreamId, StoreError> {
        let key = attributes.get(KEY);
        let text = key.and_then(|key| key.as_s().ok());
        let stream = text.and_then(|text| StreamId::try_from(text.clone()).ok());
        stream.ok_or_else(|| {
            let found = key.map_or_else(|| "nothing".to_owned(), shown);
            let table = &self.table;
            let text = format!("table {table}: the key `{KEY}` of an item is no stream: {found}");
            StoreError::Rejected(text.into())
        })
    }

    /// An item without its partition key. An attribute that no cursor has is an error: without it the
    /// cursor would be another one.
    fn item(
        &self,
        stream: &StreamId,
        attributes: HashMap<String, AttributeValue>,
    ) -> Result<Item, StoreError> {
        let read = |(name, attribute): (String, AttributeValue)| {
            let value = match attribute {
                AttributeValue::S(text) => Ok(Value::S(text)),
                AttributeValue::N(number) => {
                    number.parse().map(Value::N).map_err(|_| AttributeValue::N(number))
                }
                other => Err(other),
            };
            match value {
                Ok(value) => Ok((name, value)),
                Err(found) => {
                    let (what, found) = (self.what("read", stream), shown(&found));
                    let wanted = "a whole number or a text was expected";
                    let text = format!("{what}: attribute `{name}` is {found}: {wanted}");
                    Err(StoreError::Rejected(text.into()))
                }
            }
        };
        attributes.into_iter().filter(|(name, _)| name != KEY).map(read).collect()
    }
}

/// An attribute for an error: short, whatever it holds.
fn shown(attribute: &AttributeValue) -> String {
    let text = format!("{attribute:?}");
    text.chars().take(MESSAGE_BYTES_MAX / 4).collect()
}

/// An update as an expression of DynamoDB.
struct Expression {
    condition: Option<String>,
    update: String,
    terms: Terms,
}

/// Placeholders. Every name has one, because some names are reserved words of DynamoDB.
#[derive(Default)]
struct Terms {
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Expression {
    fn of(update: &Update) -> Self {
        let mut terms = Terms::default();
        let conditions: Vec<_> = update.conditions.iter().map(|c| terms.condition(c)).collect();
        let mut clauses = Vec::new();
        let mut clause = |verb: &str, parts: Vec<String>| {
            if !parts.is_empty() {
                clauses.push(format!("{verb} {}", parts.join(", ")));
            }
        };
        let set = update
            .set
            .iter()
            .map(|(name, value)| format!("{} = {}", terms.name(name), terms.value(value.clone())));
        clause("SET", set.collect());
        let add = update
            .add
            .iter()
            .map(|(name, by)| format!("{} {}", terms.name(name), terms.value(Value::N(*by))));
        clause("ADD", add.collect());
        clause("REMOVE", update.remove.iter().map(|name| terms.name(name)).collect());
        Self {
            condition: (!conditions.is_empty()).then(|| conditions.join(" AND ")),
            update: clauses.join(" "),
            terms,
        }
    }
}

impl Terms {
    fn name(&mut self, name: &str) -> String {
        let placeholder = format!("#{name}");
        self.names.insert(placeholder.clone(), name.to_owned());
        placeholder
    }

    fn value(&mut self, value: Value) -> String {
        let placeholder = format!(":v{}", self.values.len());
        let value = match value {
            Value::N(number) => AttributeValue::N(number.to_string()),
            Value::S(text) => AttributeValue::S(text),
        };
        self.values.insert(placeholder.clone(), value);
        placeholder
    }

    fn condition(&mut self, condition: &Condition) -> String {
        let mut compare = |name: &str, sign: &str, value: Value| {
            format!("{} {sign} {}", self.name(name), self.value(value))
        };
        match condition {
            Condition::Is(name, value) => compare(name, "=", value.clone()),
            Condition::Below(name, number) => compare(name, "<", Value::N(*number)),
            Condition::Above(name, number) => compare(name, ">", Value::N(*number)),
            Condition::AtMost(name, number) => compare(name, "<=", Value::N(*number)),
            Condition::Absent(name) => format!("attribute_not_exists({})", self.name(name)),
            Condition::Present(name) => format!("attribute_exists({})", self.name(name)),
            Condition::Any(conditions) => {
                let any: Vec<_> = conditions.iter().map(|c| self.condition(c)).collect();
                format!("({})", any.join(" OR "))
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use engine::cursor::lease;

    #[test]
    fn a_claim_in_the_words_of_dynamodb() {
        let expression = Expression::of(&lease::claim("me", 1_000, 2_000));
        insta::assert_snapshot!(expression.condition.unwrap(), @"attribute_exists(#seq) AND #schema <= :v0 AND (attribute_not_exists(#lease_until_ms) OR #lease_until_ms < :v1 OR #lease_until_ms > :v2)");
        insta::assert_snapshot!(expression.update, @"SET #lease_owner = :v3, #lease_until_ms = :v4 ADD #fence :v5");
        assert_eq!(expression.terms.values[":v5"], AttributeValue::N("1".to_owned()));
    }
}
