//! Every JumpCloud Directory Insights event, once, as the bytes JumpCloud sent.
//!
//! The protocol, that is what is read and written in which order, is in [`engine`]. This crate
//! connects it to AWS, JumpCloud and the file system:
//!
//! ```text
//! bin -> handler -> engine -> {aws, jumpcloud, local, clock}
//! ```
//!
//! # Layout
//!
//! | files | concern |
//! |---|---|
//! | [`handler`] | an event in, an answer out |
//! | [`custom_resource`] | CloudFormation asks at deployment, and is always answered |
//! | [`jumpcloud`], [`aws`], [`local`], [`clock`] | the engine's ports |
//! | [`config`], [`telemetry`] | what comes from outside, and what is logged |
//! | [`http`], [`proxy`] | requests to JumpCloud and CloudFormation; the way there, and to AWS |
//!
//! Without the feature `aws`, which the command line may leave out, `aws` and its clients are not built.

#[cfg(feature = "aws")]
pub mod aws;
pub mod clock;
pub mod config;
pub mod custom_resource;
pub mod handler;
pub mod http;
pub mod jumpcloud;
pub mod limits;
pub mod local;
pub mod proxy;
pub mod telemetry;
