//! Explains why JumpCloud refuses a request, and says what to do.

use super::answer::StatusAnswer;
use super::redaction::Foreign;

/// Refusals whose explanation depends on the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// 401 although the credential is valid: the request must name an organization.
    NoOrganization,
    /// 402.
    NotEnabled,
    /// 403.
    Forbidden,
    /// 404.
    Unknown,
}

/// Explains an answer of JumpCloud's API that said `said`. `meaning` has the explanations of the
/// request.
pub(super) fn of_api(
    answer: &StatusAnswer,
    said: &str,
    meaning: &dyn Fn(Refused) -> String,
) -> String {
    let explained = match answer.status.as_u16() {
        300..=399 => "JumpCloud redirects to another address, which is not followed".to_owned(),
        400 => "JumpCloud refuses the request".to_owned(),
        401 if answer.message.as_ref().is_some_and(asks_for_organization) => {
            meaning(Refused::NoOrganization)
        }
        401 => {
            return format!(
                "JumpCloud refuses the credential ({said}); put a valid one into the secret"
            );
        }
        402 => meaning(Refused::NotEnabled),
        403 if answer.is_page => blocked(),
        403 => meaning(Refused::Forbidden),
        404 => meaning(Refused::Unknown),
        _ => "JumpCloud answers with an unexpected status".to_owned(),
    };
    format!("{explained} ({said})")
}

/// Explains an answer of the token endpoint.
pub(super) fn of_token(answer: &StatusAnswer) -> String {
    match answer.status.as_u16() {
        300..=399 => "it redirects to another address, which is not followed".to_owned(),
        403 if answer.is_page => blocked(),
        403 => "the service account may not have a token; check its role and JUMPCLOUD_REGION"
            .to_owned(),
        400 | 401 => "it refuses the service account; put its client id and a valid client secret \
                      into the secret"
            .to_owned(),
        _ => "it answers with an unexpected status".to_owned(),
    }
}

/// JumpCloud answers with JSON, a firewall with an HTML page.
fn blocked() -> String {
    "requests from this address are blocked by a firewall, whatever the credential; ask JumpCloud's \
     support to unblock it"
        .to_owned()
}

fn asks_for_organization(message: &Foreign) -> bool {
    message.contains("no organization selected")
}
