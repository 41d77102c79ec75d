//! Everything the built function talks to, on loopback and in this process: AWS, the Lambda
//! Runtime API and JumpCloud; and the oracle that reads what it wrote.
//!
//! DynamoDB and S3 are served by independent implementations of their protocols. Every request to
//! them passes the [`front`], which counts it, notes it, and can make it fail in a chosen way.

pub mod account;
pub mod archive;
pub mod aws;
pub mod bucket;
pub mod event;
pub mod front;
pub mod function;
pub mod http;
#[path = "../template/iam/mod.rs"]
#[expect(dead_code, reason = "the tests of the template use the rest")]
pub mod iam;
pub mod runtime;
pub mod secrets;
pub mod snapshot;
pub mod sqs;
pub mod stage;
pub mod table;
