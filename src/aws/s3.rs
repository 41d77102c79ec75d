//! [`Objects`] on S3.

use async_trait::async_trait;
use aws_runtime::auth::PayloadSigningOverride;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::{BoxError, ProvideErrorMetadata as _};
use aws_sdk_s3::primitives::ByteStream;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::{status, store_error};
use engine::cause::Cause;
use engine::ports::{ObjectMeta, Objects, PutResult, StoreError};

/// S3, or another store with conditional creation.
pub struct S3(Client);

impl S3 {
    /// Creates a client. With `path_style`, buckets are part of the path and not of the host name,
    /// for other endpoints than AWS's.
    #[must_use]
    pub fn new(config: &aws_config::SdkConfig, path_style: bool) -> Self {
        let config = aws_sdk_s3::config::Builder::from(config).force_path_style(path_style).build();
        Self(Client::from_conf(config))
    }
}

/// Signs with the SHA-256 of the body that is already known, so that the signer does not compute it
/// again.
#[derive(Debug)]
struct KnownHash(String);

impl Intercept for KnownHash {
    fn name(&self) -> &'static str {
        "KnownHash"
    }

    fn modify_before_signing(
        &self,
        _: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        state: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        state.interceptor_state().store_put(PayloadSigningOverride::Precomputed(self.0.clone()));
        Ok(())
    }
}

/// What S3, and what other stores answer to a body with another checksum than its header says.
const CHECKSUM_MISMATCHES: [&str; 2] = ["BadDigest", "XAmzContentChecksumMismatch"];

#[async_trait]
impl Objects for S3 {
    async fn create(
        &self,
        bucket: &str,
        key: &str,
        body: Bytes,
        meta: &ObjectMeta,
    ) -> Result<PutResult, StoreError> {
        let mut put = self
            .0
            .put_object()
            .bucket(bucket)
            .key(key)
            .if_none_match("*")
            .checksum_sha256(STANDARD.encode(meta.sha256))
            .content_type(meta.content_type)
            .metadata("sha256", hex::encode(meta.sha256))
            .body(ByteStream::from(body));
        for (name, value) in &meta.metadata {
            put = put.metadata(*name, value);
        }
        let signed = put.customize().interceptor(KnownHash(hex::encode(meta.sha256)));
        match signed.send().await {
            Ok(_) => Ok(PutResult::Created),
            Err(error) if status(&error) == Some(412) => Ok(PutResult::AlreadyExists),
            Err(error) => Err(store_error(&format!("put s3://{bucket}/{key}"), error)),
        }
    }

    /// S3 evaluates the bucket's policy before it reads the body. The checksum is wrong on purpose:
    /// if the policy does not refuse the request, the checksum does, and nothing is written.
    async fn refuses_overwrite(&self, bucket: &str, key: &str) -> Result<bool, StoreError> {
        let put = self
            .0
            .put_object()
            .bucket(bucket)
            .key(key)
            .checksum_sha256(STANDARD.encode([0; 32]))
            .body(ByteStream::from_static(b"to be refused\n"));
        match put.send().await {
            Ok(_) => Ok(false),
            Err(error) => match error.code() {
                Some("AccessDenied") => Ok(true),
                Some(code) if CHECKSUM_MISMATCHES.contains(&code) => Ok(false),
                _ => Err(store_error(&format!("put s3://{bucket}/{key}"), error)),
            },
        }
    }

    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Bytes>, StoreError> {
        let what = || format!("get s3://{bucket}/{key}");
        let answer = match self.0.get_object().bucket(bucket).key(key).send().await {
            Ok(answer) => answer,
            // Only a missing key counts as absent; a missing bucket is an error.
            Err(error) if error.as_service_error().is_some_and(|e| e.is_no_such_key()) => {
                return Ok(None);
            }
            Err(error) => return Err(store_error(&what(), error)),
        };
        let body = answer.body.collect().await;
        let cut = |error| {
            let text = format!("{}: the answer was incomplete", what());
            StoreError::Indeterminate(Cause::new(text, error))
        };
        body.map(|body| Some(body.into_bytes())).map_err(cut)
    }

    async fn sha256(&self, bucket: &str, key: &str) -> Result<Option<String>, StoreError> {
        match self.0.head_object().bucket(bucket).key(key).send().await {
            Ok(head) => {
                let hash = head.metadata().and_then(|metadata| metadata.get("sha256"));
                Ok(Some(hash.cloned().unwrap_or_default()))
            }
            Err(error) if status(&error) == Some(404) => Ok(None),
            Err(error) => Err(store_error(&format!("head s3://{bucket}/{key}"), error)),
        }
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: &str,
        most: usize,
    ) -> Result<Vec<String>, StoreError> {
        let page_size = i32::try_from(most).unwrap_or(1_000).clamp(1, 1_000);
        let mut keys = Vec::new();
        let mut continuation = None;
        while keys.len() < most {
            let answer = self
                .0
                .list_objects_v2()
                .bucket(bucket)
                .prefix(prefix)
                .set_start_after((!after.is_empty()).then(|| after.to_owned()))
                .max_keys(page_size)
                .set_continuation_token(continuation)
                .send()
                .await
                .map_err(|error| store_error(&format!("list s3://{bucket}/{prefix}"), error))?;
            keys.extend(
                answer.contents().iter().filter_map(|object| object.key().map(str::to_owned)),
            );
            continuation = answer.next_continuation_token().map(str::to_owned);
            if continuation.is_none() {
                break;
            }
        }
        keys.truncate(most);
        Ok(keys)
    }
}
