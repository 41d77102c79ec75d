//! The secret: as text, read again each time, and in no message.

use engine::ports::{Secrets, StoreError};
use jumpcloud_collector::local::KeySource;
use secrecy::ExposeSecret as _;

use super::environment::{arm, endpoint, secrets_manager};
use fixtures::aws::Aws;
use fixtures::fault_proxy::Way;
use fixtures::http::{Server, answer};

const SECRET: &str = r#"{"client_id":"me","client_secret":"canary \"quoted\" ü"}"#;

async fn read(secrets: &dyn Secrets) -> String {
    secrets.read().await.unwrap().expose_secret().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_manager_gives_the_text_and_each_time_the_newest() {
    let aws = Aws::start(SECRET).await;
    let secrets = secrets_manager(&endpoint(&aws, "SECRETS_MANAGER")).await;
    assert_eq!(read(&secrets).await, SECRET);
    aws.secrets.set("rotated");
    assert_eq!(read(&secrets).await, "rotated");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_failure_is_tried_again_and_more_are_unclear() {
    let aws = Aws::start(SECRET).await;
    let secrets = secrets_manager(&endpoint(&aws, "SECRETS_MANAGER")).await;
    for way in [Way::Answer500, Way::Cut] {
        arm(&aws, way, false);
        assert_eq!(read(&secrets).await, SECRET);
        arm(&aws, way, true);
        let Err(StoreError::Indeterminate(cause)) = secrets.read().await else { panic!("{way:?}") };
        assert!(cause.text().contains("jumpcloud/api-key"), "it says which: {cause}");
        aws.proxy.heal();
    }
}

/// Missing, about to be deleted, not decryptable, or not text: all of these are permanent errors.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_cannot_be_read_needs_somebody() {
    let error = |kind: &str| (400, format!(r#"{{"__type":"{kind}","Message":"so it is"}}"#));
    let answers = [
        error("ResourceNotFoundException"),
        error("InvalidRequestException"),
        error("DecryptionFailure"),
        (200, r#"{"Name":"jumpcloud/api-key","SecretBinary":"Y2FuYXJ5"}"#.to_owned()),
    ];
    for (status, body) in answers {
        let said = body.clone();
        let server = Server::start(move |_| {
            let body = body.clone();
            async move { Some(answer(status, "application/x-amz-json-1.1", body)) }
        })
        .await;
        let ended = secrets_manager(&server.url()).await.read().await;
        let Err(StoreError::Rejected(cause)) = ended else { panic!("{said}") };
        assert!(
            cause.text().contains("jumpcloud/api-key") && !cause.text().contains("Y2FuYXJ5"),
            "{cause}"
        );
        assert!(!cause.text().contains("canary"), "{cause}");
    }
}

#[tokio::test]
async fn a_terminal_reads_its_key_from_the_environment_or_a_file() {
    let environment = KeySource::Environment(SECRET.into());
    assert_eq!(read(&environment).await, SECRET);
    assert!(!format!("{environment:?}").contains("canary"));

    let folder = tempfile::TempDir::new().unwrap();
    // Somebody gives the key itself in place of a file's name.
    let path = folder.path().join("canary_key");
    let file = KeySource::File(path.clone());
    let Err(StoreError::Rejected(cause)) = file.read().await else { panic!("there is none yet") };
    let text = format!("{cause} {cause:?}");
    assert!(text.contains("--key-file") && !text.contains("canary"), "{text}");
    for key in [SECRET, "rotated"] {
        std::fs::write(&path, key).unwrap();
        assert_eq!(read(&file).await, key);
    }
    let Err(StoreError::Rejected(cause)) = KeySource::None.read().await else { panic!("no key") };
    assert!(
        cause.text().contains("JUMPCLOUD_API_KEY") && cause.text().contains("--key-file"),
        "{cause}"
    );
}
