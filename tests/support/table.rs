//! DynamoDB: dynoxide in memory, and the test's own hand on the table.

use std::sync::Arc;

use bytes::Bytes;
use dynoxide::Database;
use hyper::Request;
use saphyr::{LoadableYamlNode, Yaml};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::http::{Answer, answer};

/// The partition key, as the function names it.
const KEY: &str = "stream";

/// The cursor table of a stage.
pub struct Table {
    name: String,
    database: Database,
    url: String,
    client: reqwest::Client,
    server: JoinHandle<()>,
}

impl Table {
    /// An empty table with the key that the template gives it.
    pub async fn create(name: &str) -> Arc<Self> {
        let database = Database::memory().expect("a database in memory");
        let mut request = key_schema();
        request["TableName"] = json!(name);
        request["BillingMode"] = json!("PAY_PER_REQUEST");
        database.create_table(from(request)).expect("a new table");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
        let url =
            format!("http://{}/", listener.local_addr().expect("a bound listener has an address"));
        let server = tokio::spawn(dynoxide::server::serve_on(listener, database.clone()));
        let client = reqwest::Client::new();
        Arc::new(Self { name: name.to_owned(), database, url, client, server })
    }

    /// Serves one request of the function's.
    pub async fn serve(self: Arc<Self>, request: Request<Bytes>) -> Answer {
        let (head, body) = request.into_parts();
        let forwarded = self.client.post(&self.url).headers(head.headers).body(body);
        let served = forwarded.send().await.expect("dynoxide answers");
        let (status, headers) = (served.status(), served.headers().clone());
        let body = served.bytes().await.expect("dynoxide finishes its bodies");
        let mut answer = answer(status.as_u16(), "application/x-amz-json-1.0", body);
        *answer.headers_mut() = headers;
        answer
    }

    /// The item of a stream, in DynamoDB's JSON.
    pub fn get(&self, stream: &str) -> Option<Value> {
        let request = json!({"TableName": self.name, "Key": key(stream), "ConsistentRead": true});
        let answer = self.database.get_item(from(request)).expect("GetItem");
        let answer = serde_json::to_value(answer).expect("items are JSON");
        answer.get("Item").cloned()
    }

    /// A number of a stream's item; absent if either is.
    pub fn number(&self, stream: &str, attribute: &str) -> Option<i64> {
        self.get(stream)?[attribute]["N"].as_str()?.parse().ok()
    }

    /// Sets a number of a stream's item, if there is an item.
    pub fn set_number(&self, stream: &str, attribute: &str, value: i64) {
        if self.get(stream).is_none() {
            return;
        }
        let request = json!({
            "TableName": self.name,
            "Key": key(stream),
            "UpdateExpression": "SET #a = :v",
            "ExpressionAttributeNames": {"#a": attribute},
            "ExpressionAttributeValues": {":v": {"N": value.to_string()}},
        });
        self.database.update_item(from(request)).expect("UpdateItem");
    }

    /// Puts an earlier item back, as restoring a table from a backup does.
    pub fn put(&self, item: &Value) {
        let request = json!({"TableName": self.name, "Item": item});
        self.database.put_item(from(request)).expect("PutItem");
    }

    /// Every item.
    pub fn items(&self) -> Vec<Value> {
        let answer = self.database.scan(from(json!({"TableName": self.name}))).expect("Scan");
        let answer = serde_json::to_value(answer).expect("items are JSON");
        answer["Items"].as_array().cloned().unwrap_or_default()
    }

    /// Lets the leases of all streams expire.
    pub fn expire_leases(&self) {
        for item in self.items() {
            self.set_number(item[KEY]["S"].as_str().expect("a key"), "lease_until_ms", 0);
        }
    }

    /// Loses every item.
    pub fn empty(&self) {
        for item in self.items() {
            let request = json!({"TableName": self.name, "Key": {KEY: item[KEY]}});
            self.database.delete_item(from(request)).expect("DeleteItem");
        }
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// `KeySchema` and `AttributeDefinitions` of the template's only table.
fn key_schema() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/template.yaml");
    let template = std::fs::read_to_string(path).expect("the template");
    let documents = Yaml::load_from_str(&template).expect("YAML");
    let resources = documents[0].as_mapping_get("Resources").and_then(Yaml::as_mapping);
    let is_table = |resource: &&Yaml<'_>| {
        let kind = resource.as_mapping_get("Type").and_then(Yaml::as_str);
        kind == Some("AWS::DynamoDB::Table")
    };
    let table = resources.expect("resources").values().find(is_table);
    let properties = table.and_then(|table| table.as_mapping_get("Properties"));
    let entries = |name: &str| -> Value {
        let entries = properties.and_then(|it| it.as_mapping_get(name)).and_then(Yaml::as_sequence);
        entries.expect("the table's keys").iter().map(texts).collect()
    };
    json!({
        "KeySchema": entries("KeySchema"),
        "AttributeDefinitions": entries("AttributeDefinitions"),
    })
}

/// A mapping of plain texts.
fn texts(node: &Yaml<'_>) -> Value {
    let text = |node: &Yaml<'_>| node.as_str().expect("a plain text").to_owned();
    let members = node.as_mapping().expect("a mapping").iter();
    members.map(|(name, value)| (text(name), json!(text(value)))).collect()
}

fn key(stream: &str) -> Value {
    json!({KEY: {"S": stream}})
}

fn from<T: serde::de::DeserializeOwned>(request: Value) -> T {
    serde_json::from_value(request).expect("a valid DynamoDB request")
}
