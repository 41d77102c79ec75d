//! S3: `s3s-fs` on a temporary folder, with a rule it lacks.
//!
//! Its `If-None-Match: *` looks and then writes, and it stores metadata after the object, so here a
//! write is alone. What the bucket's policy refuses never comes here.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::sync::RwLock;

use super::http::Answer;

/// Both buckets of a stage.
pub struct Buckets {
    root: TempDir,
    /// As the function sees it: every request is signed.
    signed: S3Service,
    /// As the oracle sees it, past the front.
    open: S3Service,
    writing: RwLock<()>,
}

/// An object as a reader gets it.
pub struct Object {
    pub headers: BTreeMap<String, String>,
    pub body: Bytes,
}

impl Buckets {
    /// Empty buckets of these names, for holders of `access_key`.
    pub fn create(names: &[&str], access_key: &str, secret_key: &str) -> Arc<Self> {
        let root = TempDir::new().expect("a temporary folder");
        for name in names {
            std::fs::create_dir(root.path().join(name)).expect("a bucket's folder");
        }
        let files = || FileSystem::new(root.path()).expect("a folder to serve");
        let mut signed = S3ServiceBuilder::new(files());
        signed.set_auth(SimpleAuth::from_single(access_key, secret_key));
        let open = S3ServiceBuilder::new(files()).build();
        Arc::new(Self { signed: signed.build(), open, root, writing: RwLock::default() })
    }

    /// Serves one request of the function's.
    pub async fn serve(self: Arc<Self>, request: Request<Bytes>) -> Answer {
        if request.method() == Method::PUT {
            let _alone = self.writing.write().await;
            return call(&self.signed, request).await;
        }
        let _beside_readers = self.writing.read().await;
        call(&self.signed, request).await
    }

    /// Every key of a bucket, ascending.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let folder = self.root.path().join(bucket);
        let mut keys = Vec::new();
        walk(&folder, &mut |file| {
            let key = file.strip_prefix(&folder).expect("a file of the folder");
            keys.push(key.to_str().expect("keys are UTF-8").to_owned());
        });
        keys.sort();
        keys
    }

    /// Reads an object with `GetObject`.
    pub async fn get(&self, bucket: &str, key: &str) -> Object {
        let request = Request::get(format!("http://s3.test/{bucket}/{key}")).body(Bytes::new());
        let answer = call(&self.open, request.expect("a request for a key")).await;
        assert_eq!(answer.status(), 200, "GetObject {bucket}/{key}");
        let (head, body) = answer.into_parts();
        let text =
            |value: &hyper::header::HeaderValue| value.to_str().expect("header text").to_owned();
        let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value)));
        Object { headers: headers.collect(), body: whole(body).await }
    }

    /// Writes an object past the front, over any other; its checksum is computed.
    pub async fn put(&self, bucket: &str, key: &str, headers: &[(&str, &str)], body: &[u8]) {
        let request = Request::put(format!("http://s3.test/{bucket}/{key}"));
        let checksum = STANDARD.encode(Sha256::digest(body));
        let request =
            request.header("x-amz-checksum-sha256", checksum).header("content-length", body.len());
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.body(Bytes::copy_from_slice(body)).expect("a request for a key");
        assert_eq!(call(&self.open, request).await.status(), 200, "PutObject {bucket}/{key}");
    }

    /// Removes an object, as a reader with the right to delete may.
    pub fn remove(&self, bucket: &str, key: &str) {
        std::fs::remove_file(self.root.path().join(bucket).join(key)).expect("an object to remove");
    }

    /// The bytes of all files, metadata included, for a search of what must not be there.
    pub fn everything(&self) -> Vec<Vec<u8>> {
        let mut files = Vec::new();
        walk(self.root.path(), &mut |file| {
            files.push(std::fs::read(file).expect("a readable file"));
        });
        files
    }
}

fn walk(folder: &Path, visit: &mut impl FnMut(&Path)) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("a readable folder").path();
        if entry.is_dir() {
            walk(&entry, visit);
        } else {
            visit(&entry);
        }
    }
}

async fn call(service: &S3Service, request: Request<Bytes>) -> Answer {
    let answer = service.call(request.map(s3s::Body::from)).await.expect("s3s answers");
    let (head, body) = answer.into_parts();
    let body = body.collect().await.expect("s3s finishes its bodies").to_bytes();
    Answer::from_parts(head, Full::new(body))
}

async fn whole(body: Full<Bytes>) -> Bytes {
    body.collect().await.expect("a body in memory").to_bytes()
}
